"""TLS of the listening addresses: which certificate a client is shown, whose client certificates are believed.

Each address that speaks TLS has one outer context for its life. At every handshake it asks `TlsTable` for the
certificate of the name that the client gives (SNI): a new one is shown from the next handshake on, and no socket is
touched. OpenSSL takes the question whether a client certificate is asked for from the outer context: where one site of
an address wants them, every client of that address may be asked.

A session that is resumed keeps the client certificate of the handshake that began it, whoever is asked for now: TLS 1.3
does not tie it to the name that the client gave (CVE-2025-23419), and nobody's authorities are asked again. So sessions
begin anew where bindings of one address believe different authorities, and after a change of those.

TLS 1.2 and later, forward secrecy and authenticated encryption only.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Iterable, Mapping
from typing import Any, Final

from host.config.key_pair import load_pair
from host.config.model import Binding, Site
from host.listener.bindings import UNIX_PREFIX, binding_key, plain_address
from host.wire.certificate_messages import CertificateItem

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
PROTOCOLS: Final = ["http/1.1"]


class ServedCertificate:
    """A certificate in use: the context that shows it, and its facts. `asks_clients`: it may be asked for theirs."""

    __slots__ = ("asks_clients", "context", "facts", "item")

    def __init__(self, item: CertificateItem) -> None:
        self.item = item
        self.context = _new_context()
        load_pair(self.context, item.certificate, item.key, item.subject)
        self.asks_clients = bool(item.client_authorities)
        if item.client_authorities:
            self.context.load_verify_locations(cadata=item.client_authorities.decode("ascii", "replace"))
            self.context.verify_mode = ssl.CERT_OPTIONAL
        self.facts = "\0".join((str(item.key_bits), item.subject, item.issuer))


class _Address:
    """The certificates of one listening address, by host name."""

    __slots__ = ("allows_tls_1_3", "authorities", "default", "hosts", "wildcards")

    def __init__(self) -> None:
        self.default: ServedCertificate | None = None
        self.hosts: dict[str, ServedCertificate] = {}
        self.wildcards: dict[str, ServedCertificate] = {}  # by what follows the star
        self.authorities: set[bytes] = set()  # those of each binding that asks for client certificates
        self.allows_tls_1_3 = True

    def add(self, binding: Binding, served: ServedCertificate) -> None:
        """A binding without SNI is for clients that name no host, or one that nobody has."""
        assert binding.tls is not None, "only https bindings have certificates"
        if served.asks_clients:
            self.authorities.add(served.item.client_authorities)
        self.allows_tls_1_3 = self.allows_tls_1_3 and binding.tls.allows_tls_1_3
        if not binding.tls.uses_sni:
            self.default = served
        elif binding.host.startswith("*."):
            self.wildcards.setdefault(binding.host[1:], served)
        else:
            self.hosts.setdefault(binding.host.rstrip("."), served)

    def find(self, name: str | None) -> ServedCertificate | None:
        """For a client that names this host. The first one when nothing fits: its client decides what that is worth."""
        if name:
            host = name.lower().rstrip(".")
            found = self.hosts.get(host) or self.wildcards.get("." + host.partition(".")[2])
            if found is not None:
                return found
        return self.default or next(iter((*self.hosts.values(), *self.wildcards.values())), None)


class TlsTable:
    """The certificates in force, and the contexts of the listening addresses."""

    def __init__(self) -> None:
        self._items: dict[str, CertificateItem] = {}
        self._served: dict[str, ServedCertificate] = {}
        self._addresses: dict[tuple[str, int], _Address] = {}
        self._by_context: dict[int, ServedCertificate] = {}
        self._outer: dict[str, tuple[tuple[frozenset[bytes], bool], ssl.SSLContext]] = {}
        self._bindings: list[Binding] = []

    def set_certificates(self, items: Iterable[CertificateItem]) -> None:
        """These are all; handshakes from now on use them, open connections keep theirs."""
        self._items = {item.name: item for item in items}
        self._rebuild()

    def configure(self, sites: Iterable[Site]) -> None:
        """These sites' https bindings count from now on."""
        self._bindings = [binding for site in sites for binding in site.bindings if binding.tls is not None]
        self._rebuild()

    def server_context(self, endpoint: str) -> ssl.SSLContext | None:
        """What `endpoint` (`address:port`, `unix:/path`) listens with; None: without TLS."""
        key = _key_of(endpoint)
        address = self._addresses.get(key)
        if address is None:
            self._outer.pop(endpoint, None)
            return None
        form = (frozenset(address.authorities), address.allows_tls_1_3)
        kept = self._outer.get(endpoint)
        if kept is not None and kept[0] == form:
            return kept[1]
        outer = _new_context()
        outer.verify_mode = ssl.CERT_OPTIONAL if address.authorities else ssl.CERT_NONE
        if len(address.authorities) > 1:
            outer.num_tickets = 0  # of TLS 1.3; TLS 1.2 goes on under the name that began the session
        if not address.allows_tls_1_3:
            outer.maximum_version = ssl.TLSVersion.TLSv1_2

        def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> int | None:
            served = self._find(key, name)
            if served is None:
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            connection.context = served.context
            return None

        outer.sni_callback = choose
        self._outer[endpoint] = (form, outer)
        return outer

    def served(self, connection: Any) -> ServedCertificate | None:
        """The certificate that this connection (ssl.SSLObject) was shown; None when it is not in force any more."""
        return self._by_context.get(id(connection.context))

    def serves(self, endpoint: tuple[str, int], host: bytes, served: ServedCertificate) -> bool:
        """Whether a request for `host` (Host field) on that address is one for the site of this certificate."""
        name = host.decode("latin-1").lower()
        name = name[: name.find("]") + 1] if name.startswith("[") else name.partition(":")[0]
        found = self._find(endpoint, name)
        return found is not None and found.item.name == served.item.name  # a renewed one is of the same site

    def _find(self, key: tuple[str, int], name: str | None) -> ServedCertificate | None:
        address = self._addresses.get(key) or self._addresses.get(("", key[1]))
        return None if address is None else address.find(name)

    def _rebuild(self) -> None:
        served: dict[str, ServedCertificate] = {}
        addresses: dict[tuple[str, int], _Address] = {}
        for binding in self._bindings:
            assert binding.tls is not None
            name = binding.tls.name
            item = self._items.get(name)
            if item is None:
                continue  # the service has said why
            kept = self._served.get(name)
            if name not in served:
                served[name] = kept if kept is not None and kept.item == item else ServedCertificate(item)
            addresses.setdefault(binding_key(binding), _Address()).add(binding, served[name])
        self._served, self._addresses = served, addresses
        self._by_context = {id(one.context): one for one in served.values()}


def identified_by(connection: Any, served: ServedCertificate | None) -> ServedCertificate | None:
    """The server certificate under which the client has shown one of its own; None when it has not."""
    return served if served is not None and served.asks_clients and connection.getpeercert(True) else None


def connection_facts(connection: Any, served: ServedCertificate | None) -> str:
    """What a REQUEST frame says of TLS after the connection's number, NUL between the parts: protocol, cipher and its
    bits, then the server certificate's key bits, subject and issuer, then the client certificate's subject, issuer,
    serial number and DER (base64), all empty without one."""
    cipher, _, bits = connection.cipher() or ("", "", 0)
    parts = [connection.version() or "", cipher, str(bits), served.facts if served is not None else "0\0\0"]
    der = connection.getpeercert(binary_form=True) if served is not None and served.asks_clients else None
    if der:
        names: Mapping[str, Any] = connection.getpeercert()
        parts += [_name(names.get("subject", ())), _name(names.get("issuer", ())), str(names.get("serialNumber", ""))]
        parts.append(base64.b64encode(der).decode("ascii"))
    else:
        parts += ["", "", "", ""]
    return "\0".join(parts)


_PLAIN_VALUE: Final = re.compile(r"(?!\s)[^,+=\"<>#;\r\n]*(?<!\s)")
_SHORT_NAMES: Final = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "domainComponent": "DC",
}


def _name(parts: Iterable[Iterable[tuple[str, str]]]) -> str:
    """A distinguished name as IIS writes it: `C=DE, O=Example, CN=alice`.

    As Windows does (CertNameToStr), a value that could be taken for more than one stands in quotes: whoever may choose
    a common name must not add an organization to it.
    """
    pairs = [pair for relative_name in parts for pair in relative_name]
    return ", ".join(f"{_SHORT_NAMES.get(kind, kind)}={_quoted(value)}" for kind, value in pairs).replace("\0", "")


def _quoted(value: str) -> str:
    if _PLAIN_VALUE.fullmatch(value) is not None:
        return value
    doubled = value.replace('"', '""')
    return f'"{doubled}"'


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(PROTOCOLS)
    return context


def _key_of(endpoint: str) -> tuple[str, int]:
    if endpoint.startswith(UNIX_PREFIX):
        return endpoint, 0
    address, _, port = endpoint.rpartition(":")
    plain = plain_address(address)
    return ("" if plain in ("0.0.0.0", "::") else plain), int(port) if port.isdigit() else 0
