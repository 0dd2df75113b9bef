"""`isapy cert new`: a self-signed certificate for development, ready to be named in an https binding."""

from __future__ import annotations

import datetime
import importlib
import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from host.cli.failures import CommandLineError

cert_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_HOST_NAME: Final = re.compile(
    r"(?=.{1,253}$)(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
    r"(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*"
)
_LONGEST_COMMON_NAME: Final = 64  # RFC 5280; clients compare subjectAltName
_CLOCK_SKEW: Final = datetime.timedelta(hours=1)


@cert_app.callback()
def certificates() -> None:
    """Certificates of https bindings."""


@cert_app.command("new")
def new(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Host names, addresses; this machine's by default."),
    ] = None,
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the two files go.")] = Path("conf"),
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it is valid.")] = 397,
) -> None:
    """Make a self-signed certificate for development.

    Browsers warn of it until it is told to them that it is yours. Nobody but its owner can read the key.

    \b
    Examples:
        isapy cert new
        isapy cert new shop.test www.shop.test --folder mysite/conf
    """
    hosts = list(names or LOCAL_NAMES)
    certificate, key = make_certificate(hosts, days)
    stem = hosts[0].replace(":", "_").replace("*", "any")
    paths = folder / f"{stem}.crt", folder / f"{stem}.key"
    for path in paths:
        if path.exists() or path.is_symlink():
            raise CommandLineError(
                f"{path} exists already and is not overwritten", "choose another folder, or remove it"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(paths[1], key, 0o600)
        _write(paths[0], certificate, 0o644)
    except OSError as error:
        raise CommandLineError(
            f"{error.filename}: {error.strerror}", "choose a folder that you may write to"
        ) from error
    attributes = f'certificateFile="{paths[0].name}" certificateKeyFile="{paths[1].name}"'
    typer.echo(f"{paths[0]} and {paths[1]}, valid for {days} days, for {', '.join(hosts)}.")
    typer.echo("Add to the <bindings> of a site, the paths as seen from the configuration file:")
    for host in dict.fromkeys("" if _is_address(host) or host == "localhost" else host for host in hosts):
        flags = ' sslFlags="1"' if host else ""
        typer.echo(f'  <binding protocol="https" bindingInformation="*:8443:{host}"{flags} {attributes} />')


def make_certificate(hosts: list[str], days: int) -> tuple[bytes, bytes]:
    """Certificate and key as PEM texts, self-signed, for these host names and addresses. Raises CommandLineError."""
    x509: Any = importlib.import_module("cryptography.x509")
    ec: Any = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ec")
    hashes: Any = importlib.import_module("cryptography.hazmat.primitives.hashes")
    forms: Any = importlib.import_module("cryptography.hazmat.primitives.serialization")
    for host in hosts:
        if not (_is_address(host) or _HOST_NAME.fullmatch(host)):
            raise CommandLineError(f"{host} is no host name", "write names in letters, digits, hyphens and dots")
        if host.rpartition(".")[2].isdigit() and not _is_address(host):  # every client takes it for an address (URL)
            raise CommandLineError(f"{host} is no address", "write four numbers up to 255, or a host name")
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    alternatives = [
        x509.IPAddress(ipaddress.ip_address(host)) if _is_address(host) else x509.DNSName(host) for host in hosts
    ]
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hosts[0][:_LONGEST_COMMON_NAME])])
    usage = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .sign(key, hashes.SHA256())
    )
    raw_key = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    return signed.public_bytes(forms.Encoding.PEM), raw_key


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _write(path: Path, text: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(text)
