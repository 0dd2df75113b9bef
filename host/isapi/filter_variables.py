"""GetServerVariable for filters: the variables of extensions, as far as they are known in the notification in hand."""

from __future__ import annotations

from host.api import Request
from host.isapi.control_block import paths_of
from host.isapi.server_variables import variable

_UNICODE = "UNICODE_"


def filter_variable(request: Request, name: str) -> str:
    """The value of a variable; bytes that are not UTF-8 as surrogates. Raises IsapiError 1413 (ERROR_INVALID_INDEX)."""
    paths = paths_of(request, is_direct=False)
    return variable(request, paths, name.removeprefix(_UNICODE)).decode("utf-8", "surrogateescape")
