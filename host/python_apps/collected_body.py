"""A request's body that was collected before the application's one turn was taken (`multithread="false"`).

A client that sends slowly would have the turn for as long as it likes, and everybody else would wait. What is small is
in memory, what is large in a file of the pool's temporary folder, mapped: it goes with the last reference to it.
"""

from __future__ import annotations

import mmap
import os

from host.api import RequestBody
from host.api.whole_body import WholeBody
from host.programs.request_input import spool


async def collected(body: RequestBody) -> WholeBody:
    """All that is left of it; its `length` stays what the client has announced. Raises ClientGone, and a filter's
    HttpError."""
    descriptor, size = await spool(body)
    try:
        whole = WholeBody(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) if size else b"")
    finally:
        os.close(descriptor)
    whole.length = body.length
    return whole
