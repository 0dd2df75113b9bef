"""What nothing in the listener has caught: a defect of ours, whatever a client or a worker has sent. Each one is
counted, and the event log gets one of each second with its traceback, so that a flood of them is no flood of lines.

The event loop closes the connection whose bytes were being worked up; all others are served on.
"""

from __future__ import annotations

import asyncio
import errno
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final

from host.listener.descriptors import SHORTAGES
from host.wire.control_messages import AnyMessage, Event

REPORT_SECONDS: Final = 1.0
_GONE: Final = frozenset((errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN))
"""What the kernel says of a client that cannot be reached any more; uvloop passes it on, unlike a reset."""

_MOST_TEXT: Final = 8192  # characters of a traceback: an event is one line


class LoopErrors:
    """Counts exceptions that have reached the event loop, and reports them as `listener-error`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[AnyMessage], None],
        *,
        report_seconds: float = REPORT_SECONDS,
    ) -> None:
        """`send` takes the events, at most one in `report_seconds`."""
        self._loop = loop
        self._report_seconds = report_seconds
        self._send = send
        self._count = 0
        self._unreported: BaseException | None = None
        self._is_resting = False
        loop.set_exception_handler(self._note)

    def _note(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        error = context.get("exception")
        if error is None or "task" in context or "future" in context:  # of a plugin in inetinfo, or a mere remark
            loop.default_exception_handler(dict(context))
            return
        if "transport" in context and isinstance(error, OSError) and error.errno in _GONE:
            return
        if "socket" in context and isinstance(error, OSError) and error.errno in SHORTAGES:
            return  # asyncio could not accept, and tries again in a second; the listener says so (descriptors.py)
        self._count += 1
        self._unreported = error
        if not self._is_resting:
            self._report()

    def _report(self) -> None:
        error, self._unreported = self._unreported, None
        self._is_resting = error is not None
        if error is None:
            return
        text = "".join(traceback.format_exception(error))[-_MOST_TEXT:].rstrip()
        self._send(Event(id="listener-error", text=text, fields={"count": str(self._count)}))
        self._loop.call_later(self._report_seconds, self._report)
