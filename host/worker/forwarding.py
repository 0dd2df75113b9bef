"""What inetinfo knows of a request and a dllhost cannot find out: pseudo fields before the header block.

The block begins with them and a line `:` ends them. A pseudo field's name begins with a colon, which is no character
of a field name (RFC 9110 section 5.1) and which the front refuses, so no client can send one; a worker reads them only
on the link of a dllhost. Values are percent-encoded.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

from host.api import Request

_TEXTS: Final = ("id", "user", "auth_type", "physical_path")
_VARIABLES: Final = ":redirect-variables"
_COUNT: Final = ":redirect-count"
_END: Final = b":\r\n"


def forwarded_block(request: Request) -> bytes:
    """The header block as the request has it now (filters may have changed it), behind the pseudo fields."""
    lines = [f":{name}: {quote(value)}\r\n" for name in _TEXTS if (value := getattr(request, name))]
    if request.redirect_count:
        lines.append(f"{_COUNT}: {request.redirect_count}\r\n")
        lines.append(f"{_VARIABLES}: {urlencode(request.redirect_variables)}\r\n")
    return "".join(lines).encode("ascii") + _END + request.headers.to_raw()


def take_forwarded_facts(request: Request) -> None:
    """Move the pseudo fields of a request that inetinfo forwarded from its header block to where they belong."""
    block = request.raw_headers
    if not block.startswith(b":"):
        return
    while True:
        line, _, block = block.partition(b"\r\n")
        if not line or line == b":":
            break
        name, _, value = line.decode("latin-1").partition(": ")
        if name == _COUNT:
            request.redirect_count = int(value)
        elif name == _VARIABLES:
            request.redirect_variables = dict(parse_qsl(value, keep_blank_values=True))
        elif name[1:] in _TEXTS:
            setattr(request, name[1:], unquote(value))
    request.raw_headers = block
