"""`isapy cert new`: a certificate that an https binding can use as it stands."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from host.cli.cert import make_certificate
from host.cli.failures import CommandLineError
from host.config.certificates import read_certificate
from host.config.errors import ValueProblem
from host.config.tls_settings import BindingTls
from tests.cli.command_line import isapy
from tests.tls import Pair, authority, client_pair


def settings(pair: Pair, authorities: str = "") -> BindingTls:
    return BindingTls(
        certificate_file=str(pair.certificate), key_file=str(pair.key), client_authorities_file=authorities
    )


@pytest.mark.slow
def test_a_new_certificate_is_for_this_machine_and_its_key_for_its_owner(tmp_path: Path) -> None:
    """The answer says what to write in the configuration; a second one overwrites nothing."""
    made = isapy("cert", "new", "--folder", tmp_path)
    assert made.returncode == 0, made
    pair = Pair(tmp_path / "localhost.crt", tmp_path / "localhost.key")
    assert '<binding protocol="https" bindingInformation="*:8443:" certificateFile="localhost.crt"' in made.stdout
    assert pair.key.stat().st_mode & 0o777 == 0o600
    assert read_certificate(settings(pair)).subject == "CN=localhost"
    again = isapy("cert", "new", "--folder", tmp_path)
    assert again.returncode != 0
    assert "exists already" in again.stderr


def test_names_and_addresses_are_in_the_certificate(tmp_path: Path) -> None:
    """What clients compare: subjectAltName."""
    certificate, _ = make_certificate(["shop.test", "*.shop.test", "192.0.2.1"], 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=certificate.decode())
    assert b"BEGIN CERTIFICATE" in certificate
    long = ".".join(["a" * 60] * 3)
    assert b"BEGIN CERTIFICATE" in make_certificate([long], 1)[0]


@pytest.mark.parametrize("name", ["käse", "bad name", "../x", "a/b", "-x", "x-", "a..b", "", "*", "a.*.b", "a" * 64])
def test_what_is_no_host_name_is_refused(name: str) -> None:
    """It is a file's name, too."""
    with pytest.raises(CommandLineError, match="is no host name"):
        make_certificate(["shop.test", name], 1)


@pytest.mark.parametrize("name", ["999.1.1.1", "1.2.3", "12", "host.1"])
def test_what_clients_take_for_an_address_and_is_none_is_refused(name: str) -> None:
    """No browser would ever ask for it as a name."""
    with pytest.raises(CommandLineError, match="is no address"):
        make_certificate([name], 1)


@pytest.mark.slow
def test_each_name_gets_a_binding(tmp_path: Path) -> None:
    """Addresses need but one: whoever names no host."""
    made = isapy("cert", "new", "shop.test", "192.0.2.1", "www.shop.test", "::1", "--folder", tmp_path)
    lines = [line.split(" certificateFile=")[0].strip() for line in made.stdout.splitlines() if "<binding " in line]
    assert lines == [
        '<binding protocol="https" bindingInformation="*:8443:shop.test" sslFlags="1"',
        '<binding protocol="https" bindingInformation="*:8443:"',
        '<binding protocol="https" bindingInformation="*:8443:www.shop.test" sslFlags="1"',
    ]


def test_what_cannot_be_used_is_told_with_the_remedy(tmp_path: Path) -> None:
    """Missing files, a key of another certificate, an encrypted key, authorities that are none."""
    first = authority(tmp_path)
    alice, bob = (client_pair(tmp_path, first, name) for name in ("alice", "bob"))
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nothing")
    encrypted = tmp_path / "encrypted.key"
    encrypted_form = ["-aes256", "-passout", "pass:secret", "-in", str(alice.key), "-out", str(encrypted)]
    subprocess.run(["openssl", "pkey", *encrypted_form], check=True, capture_output=True)
    cases = {
        "cannot be read: No such file": settings(Pair(tmp_path / "missing", alice.key)),
        "nonsense.pem holds no certificate in PEM form": settings(Pair(nonsense, alice.key)),
        "nonsense.pem holds no private key in PEM form": settings(Pair(alice.certificate, nonsense)),
        "key values mismatch": settings(Pair(alice.certificate, bob.key)),
        "the key is encrypted": settings(Pair(alice.certificate, encrypted)),
        "no certificate of an authority": settings(alice, str(nonsense)),
    }
    for words, tls in cases.items():
        with pytest.raises(ValueProblem, match=words) as problem:
            read_certificate(tls)
        assert problem.value.remedy
    with pytest.raises(ValueProblem) as problem:
        read_certificate(settings(Pair(tmp_path / "missing", alice.key)))
    assert problem.value.remedy.endswith(f"isapy cert new --folder {tmp_path}")
