"""Collections of a request: names without case, repeated values joined by commas (NameValueCollection)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from host.api.ctrl_c import is_ctrl_c
from host.api.managed.contracts import PlatformNotSupportedException


class NameValueCollection(Mapping[str, str]):
    """`values["name"]` is every value of that name, joined by commas; a missing one is an empty text."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, tuple[str, list[str]]] = {}
        for name, value in pairs:
            self._values.setdefault(name.casefold(), (name, []))[1].append(value)

    def get_values(self, name: str) -> list[str]:
        """Every value of that name, in order."""
        return list(self._values.get(name.casefold(), ("", []))[1])

    def __getitem__(self, name: str) -> str:
        return ",".join(self._values.get(name.casefold(), ("", []))[1])

    def __contains__(self, name: object) -> bool:
        return str(name).casefold() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._values.values()])

    def __len__(self) -> int:
        return len(self._values)


class ServerVariables(NameValueCollection):
    """CGI's variables of the request; in integrated mode modules may set them for the managed code behind them."""

    def __init__(self, pairs: Iterable[tuple[str, str]], *, is_writable: bool) -> None:
        super().__init__(pairs)
        self._is_writable = is_writable

    def set(self, name: str, value: str) -> None:
        """Set one. Raises PlatformNotSupportedException in classic mode."""
        if not self._is_writable:
            raise PlatformNotSupportedException("setting a server variable")
        self._values[name.casefold()] = (name, [value])

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)


class HttpApplicationState(dict[str, Any]):
    """What the requests of an application share in this worker (`context.application`).

    `lock` and `unlock` bracket a change that takes more than one step; what a request has not unlocked is unlocked at
    its end. Every application object and module sees the same one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Condition()
        self._owner: object | None = None

    def lock(self) -> None:
        """Wait until no other request has it locked. Blocks: for code on a thread, never on the event loop."""
        me = _owner.get(None) or threading.current_thread()
        with self._lock:
            while self._owner is not None and self._owner is not me:
                self._lock.wait()
            self._owner = me

    def unlock(self) -> None:
        """Let the others go on. Without effect when it is not locked by this request."""
        self.unlock_for(_owner.get(None) or threading.current_thread())

    def unlock_for(self, owner: object) -> None:
        """The end of a request: whatever it has locked."""
        with self._lock:
            if self._owner is owner:
                self._owner = None
                self._lock.notify()


_owner: ContextVar[object | None] = ContextVar("isapy-managed-request", default=None)
"""The HttpContext of the request that the running code belongs to."""


def current_owner() -> Any:
    """The HttpContext in hand, or None."""
    return _owner.get()


@contextmanager
def no_exit() -> Iterator[None]:
    """What would end the event loop, and with it the worker and all of its requests, is an error of this request alone.

    The traceback stays that of the code which raised it: the event names that place."""
    try:
        yield
    except SystemExit as error:
        raise RuntimeError(f"the application called sys.exit({error.code!r})").with_traceback(
            error.__traceback__
        ) from None
    except KeyboardInterrupt as error:
        if is_ctrl_c(error):
            raise
        raise RuntimeError("the application raised KeyboardInterrupt").with_traceback(error.__traceback__) from None


def call_owned(owner: object, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call with `owner` as the request in hand."""
    token = _owner.set(owner)
    try:
        with no_exit():
            return function(*arguments)
    finally:
        _owner.reset(token)


async def await_owned(owner: object, function: Callable[..., Any], *arguments: Any) -> Any:
    """The same for a coroutine function."""
    token = _owner.set(owner)
    try:
        with no_exit():
            return await function(*arguments)
    finally:
        _owner.reset(token)
