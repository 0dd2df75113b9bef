"""IIS's static and dynamic compression: answers leave in a coding that the client accepts, as the sections
`<httpCompression>` and `<urlCompression>` say.

List it last: `<isapiFilters><filter name="compression" />`. A static file is compressed in the background when it is
asked for often, and its copy is sent by descriptor from then on; everything else is compressed as it is sent, each
piece of a stream at once. br and zstd need `pip install isapy[compression]`; gzip and deflate are always there.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from host.api import FilterInfo, FilterPriority, PluginContext, Request, Response, hookimpl
from host.compression.compressor import Compressor

_OWN: Final = "compressor"
_compressors: dict[str, Compressor] = {}


@hookimpl
def load(context: PluginContext) -> None:
    _compressors[_OWN] = Compressor(context)


@hookimpl
def unload(context: PluginContext) -> None:
    compressor = _compressors.pop(_OWN, None)
    if compressor is not None:
        compressor.close()


@hookimpl
def filter_info() -> FilterInfo:
    # Behind the filters that change fields. What varies says so and stays out of the listener's cache by that.
    return FilterInfo(description="Static and dynamic compression", priority=FilterPriority.LOW, cache_aware=True)


@hookimpl
def on_send_response(request: Request, response: Response) -> Awaitable[None] | None:
    return _compressors[_OWN].compress(request, response)
