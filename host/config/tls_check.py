"""Https bindings beside one another: what one address can be, and whether the certificates can be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from host.config.certificates import read_certificate
from host.config.errors import ValueProblem
from host.config.model import Binding
from host.config.tls_settings import BindingTls


class TlsProblem(NamedTuple):
    """What is wrong with a binding, and at which attribute."""

    message: str
    remedy: str
    attribute: str


class TlsCheck:
    """Looks at one binding after the other, and remembers what each address speaks."""

    def __init__(self) -> None:
        self._protocols: dict[str, str] = {}
        self._certificates: dict[str, BindingTls] = {}

    def problems_of(self, binding: Binding, *, check_files: bool) -> Iterator[TlsProblem]:
        """What is wrong with this one. `check_files`: its certificate is read and tried."""
        endpoint = binding.endpoint
        spoken = self._protocols.setdefault(endpoint, binding.protocol)
        if spoken != binding.protocol:
            message = f"{endpoint} speaks {spoken} already: one address cannot speak http and https"
            yield TlsProblem(message, "choose another port", "bindingInformation")
        tls = binding.tls
        if tls is None:
            return
        if not tls.uses_sni:
            other = self._certificates.setdefault(endpoint, tls)
            if other.name != tls.name:
                message = f"{endpoint} has the certificate {other.certificate_file} already"
                remedy = 'give bindings of one address their own certificates by host name: sslFlags="1"'
                yield TlsProblem(message, remedy, "certificateFile")
        if check_files:
            try:
                read_certificate(tls)
            except ValueProblem as problem:
                yield TlsProblem(problem.message, problem.remedy, "certificateFile")
