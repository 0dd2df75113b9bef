"""One `<binding>` in force to a `Binding`; what is wrong with it is noted."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from host.config.bindings import parse_binding, socket_mode
from host.config.errors import ValueProblem
from host.config.inheritance import Effective
from host.config.model import Binding
from host.config.problems import Problems
from host.config.tls_settings import NO_TLS_1_3, SNI, WITHOUT_MEANING, BindingTls

_PROTOCOLS: Final = ("http", "https")


def build_binding(binding: Effective, problems: Problems) -> Binding | None:
    """The binding; None for one that is none (an error), or of a protocol that isapy does not serve (a warning)."""
    node = binding.node
    protocol = binding.text("protocol").lower()
    if protocol not in _PROTOCOLS:
        if node is not None:
            message = f"isapy does not serve {protocol} yet; the binding is ignored"
            problems.warnings.append(node.error(message, attribute="protocol"))
        return None
    attribute = "bindingInformation"
    try:
        built = parse_binding(protocol, binding.text(attribute))
        attribute = "socketMode"
        built = replace(built, socket_mode=socket_mode(binding.text(attribute)))
        if protocol == "https":
            attribute = "certificateFile"
            built = replace(built, tls=_tls(binding))
            attribute = "sslFlags"
            _check_flags(binding.number(attribute), built)
    except ValueProblem as problem:
        if node is not None:
            problems.errors.append(node.error(problem.message, problem.remedy, attribute=attribute))
        return None
    return built


def _tls(binding: Effective) -> BindingTls:
    certificate, key = binding.text("certificateFile"), binding.text("certificateKeyFile")
    if not certificate:
        remedy = "name a PEM file; make one for development with: isapy cert new"
        raise ValueProblem("https needs a certificate", remedy)
    flags = binding.number("sslFlags")
    return BindingTls(
        certificate_file=certificate,
        key_file=key or certificate,
        client_authorities_file=binding.text("clientCertificateAuthorities"),
        uses_sni=bool(flags & SNI),
        allows_tls_1_3=not flags & NO_TLS_1_3,
    )


def _check_flags(flags: int, binding: Binding) -> None:
    if flags & ~(SNI | NO_TLS_1_3 | WITHOUT_MEANING):
        raise ValueProblem(
            f"sslFlags {flags} asks for what isapy does not have (2 is the central certificate store)",
            "add up 1 for SNI and 32 for no TLS 1.3",
        )
    if flags & SNI and not binding.host:
        raise ValueProblem(
            "sslFlags 1 (SNI) needs a host name", "write it in bindingInformation: *:443:www.example.org"
        )
