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
    with pytest.raises(CommandLineError, match="käse"):
        make_certificate(["käse"], 1)


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
        "key values mismatch": settings(Pair(alice.certificate, bob.key)),
        "the key is encrypted": settings(Pair(alice.certificate, encrypted)),
        "no certificate of an authority": settings(alice, str(nonsense)),
    }
    for words, tls in cases.items():
        with pytest.raises(ValueProblem, match=words) as problem:
            read_certificate(tls)
        assert problem.value.remedy
