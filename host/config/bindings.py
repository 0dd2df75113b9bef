"""`bindingInformation`: `ip:port:host` of http, or `unix:/path/of.sock:host` for a unix socket (ours)."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Final

from host.config.errors import ValueProblem
from host.config.model import Binding

_FORM: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*):([^:]*):([^:]*)")
_UNIX_FORM: Final = re.compile(r"unix:([^:]*):([^:]*)")
_LONGEST_UNIX_PATH: Final = 107  # bytes: sun_path of sockaddr_un holds one more, for the NUL
_LABEL: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def parse_binding(protocol: str, information: str) -> Binding:
    """The binding that `information` describes; host names in lower case. Raises ValueProblem."""
    unix = _UNIX_FORM.fullmatch(information)
    if unix is not None:
        return Binding(protocol=protocol.lower(), ip="", port=0, host=_host(unix[2]), path=_unix_path(unix[1]))
    if information.startswith("unix:/") and ":" not in information[5:]:
        raise ValueProblem(f'"{information}" is not unix:PATH:HOST', f'write "{information}:"; HOST may be empty')
    found = _FORM.fullmatch(information)
    if found is None:
        raise ValueProblem(
            f'"{information}" is not ip:port:host',
            'write for example "*:8080:", "[::1]:8080:" or "unix:/run/www.sock:"',
        )
    address, port, host = found.groups()
    return Binding(protocol=protocol.lower(), ip=_address(address), port=_port(port), host=_host(host))


def socket_mode(text: str) -> int:
    """The permissions of a unix socket's file, from octal digits. Raises ValueProblem."""
    if not re.fullmatch("0?[0-7]{3}", text):
        raise ValueProblem(f'"{text}" is not a mode', "write three octal digits, such as 660 for user and group")
    return int(text, 8)


def _unix_path(text: str) -> str:
    if not text.startswith("/") or text.endswith("/") or "\0" in text:
        raise ValueProblem(f'"{text}" is not the path of a unix socket', "write for example unix:/run/isapy/www.sock:")
    if len(os.fsencode(text)) > _LONGEST_UNIX_PATH:
        remedy = f"the kernel takes {_LONGEST_UNIX_PATH} bytes; choose a shorter path"
        raise ValueProblem(f'"{text}" is too long for a unix socket', remedy)
    return os.path.normpath(text)


def _address(text: str) -> str:
    if text in ("", "*"):
        return ""
    is_bracketed = text.startswith("[")
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        raise ValueProblem(f'"{text}" is not an IP address', 'write an address, or "*" for all of them') from None
    if is_bracketed != (address.version == 6):
        raise ValueProblem(f'"{text}" is not an IP address', "IPv6 addresses stand in brackets, others do not")
    return f"[{address}]" if address.version == 6 else str(address)


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ValueProblem(f'"{text}" is not a port', "give a number from 1 to 65535")
    return int(text)


def _host(text: str) -> str:
    """A host name, empty for any; `*` only as the whole left-most label (IIS 10's wildcard host names)."""
    host = text.lower()
    if host in ("", "*"):
        return ""
    try:
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueProblem(f'"{text}" is not a host name', "write the name as DNS knows it") from None
    labels = host.split(".")
    rest = labels[1:] if labels[0] == "*" else labels
    if any("*" in label for label in rest):
        raise ValueProblem(f'"{text}" has a * in the wrong place', "only the left-most label may be *")
    if len(host) > 253 or not rest or not all(_LABEL.fullmatch(label) for label in rest):
        raise ValueProblem(f'"{text}" is not a host name', "write letters, digits and hyphens between dots")
    return host
