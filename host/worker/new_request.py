"""A `Request` as a worker makes it for each frame that brings one.

Its dataclass's constructor looks for nineteen defaults that nobody has given, which costs more than all the rest of it.
Not compiled: the interpreter stores into slots of its own classes faster than compiled code does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from host.api import ApplicationInfo, Connection, Request, RequestBody
from host.wire.codec import RequestParts
from host.wire.frames import RequestFlag

_HTTP_1_1: Final = int(RequestFlag.HTTP_1_1)
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_new: Final = object.__new__


def new_request(
    request_id: str,
    parts: RequestParts,
    connection: Connection,
    application: ApplicationInfo,
    body: RequestBody,
    server_name: str,
) -> Request:
    """As `Request(...)` with what the frame says and these, and nothing else."""
    flags, _, _, method, target, fields, _, _ = parts
    request = _new(Request)
    request.id = request_id
    request.method = method.decode("latin-1")
    request.raw_target = target.decode("latin-1")
    request.http_version = "1.1" if flags & _HTTP_1_1 else "1.0"
    request.raw_headers = fields
    request.connection = connection
    request.application = application
    request.body = body
    request.path = request.raw_query = request.physical_path = request.physical_root = ""
    request.script_name = request.path_info = ""
    request.mapping = None
    request.settings = None
    request.user = request.auth_type = ""
    request.server_name = server_name
    request.redirect_count = 0
    request.redirect_variables = _NONE
    request.context = {}
    request.passed_over = ()
    request._headers = None
    request._host = None
    request._host_source = None
    return request
