"""IIS's ProtocolSupportModule as a handler: what OPTIONS is told where no other mapping takes it.

    <add name="OPTIONSVerbHandler" path="*" verb="OPTIONS" modules="ProtocolSupportModule" requireAccess="None" />

So every configuration of IIS's own setup has it. TRACE, its other verb there, never comes here: the front refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from host.api import Headers, Request, Response, hookimpl

ALLOWED: Final = "OPTIONS, GET, HEAD, POST"
"""What IIS says, whatever the URL is, but for TRACE."""


@hookimpl
def module_names() -> Sequence[str]:
    return ("ProtocolSupportModule",)


@hookimpl
async def handle(request: Request) -> Response | None:
    if request.method != "OPTIONS":
        return None
    return Response(headers=Headers([("Allow", ALLOWED), ("Public", ALLOWED)]))
