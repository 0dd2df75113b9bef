"""What a process that does not answer is doing: which request, which plugin, which line; and every thread's stack.

All of it is read from the stacks when somebody asks, from a thread that needs neither the loop nor the thread pool:
nothing is noted on a request's way for it.
"""

from __future__ import annotations

import asyncio
import linecache
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from time import monotonic
from types import FrameType
from typing import Any, Final, NamedTuple

from host.api import Request
from host.wire.message_rows import Examination
from host.worker.calling import CallUnderWay
from host.worker.exchange import Exchange
from host.worker.plugin_loader import EXTENSION_PREFIX, FILTER_PREFIX
from host.worker.thread_pool import Job

STACKS_LIMIT: Final = 16 * 1024
"""Characters of stacks that are told: the event log is read by people, and kept in memory."""

_MOST_TASKS: Final = 50
_FAMILIES: Final = {EXTENSION_PREFIX: "extension", FILTER_PREFIX: "filter"}


@dataclass(frozen=True, slots=True)
class _Stack:
    """What one thread, or one task, is in; frames innermost first."""

    owner: str
    frames: Sequence[FrameType]

    @property
    def plugin_frame(self) -> FrameType | None:
        """The innermost frame that lies in a plugin's file."""
        return next((frame for frame in self.frames if _family(frame)), None)

    @property
    def request(self) -> Request | None:
        """The request that it is about: of the innermost frame that knows one."""
        return next((request for frame in self.frames for request in _requests_of(frame)), None)

    def is_about(self, request: Request) -> bool:
        """Whether that request, or one that it has led to inside the server, is the one."""
        own = self.request
        return own is not None and own.id == request.id

    @property
    def text(self) -> str:
        """As Python prints a traceback, the innermost frame last."""
        return "".join(_frame_text(frame) for frame in reversed(self.frames))


def examine(loop: asyncio.AbstractEventLoop, numbers: Mapping[str, int], calls: Iterable[CallUnderWay]) -> Examination:
    """Look at every thread but the caller's own, and at the loop's tasks.

    `numbers` are the requests in hand, by id; `calls` say since when plugins have been at work. The loop is run by the
    main thread. A plugin that holds it is to blame; otherwise those that hold the threads of the pool.
    """
    calls = list(calls)
    threads = _threads()
    main = [stack for stack in threads if stack.owner == threading.main_thread().name and stack.plugin_frame]
    to_blame = main or [stack for stack in threads if stack.plugin_frame]
    since = {call.subject.id: call.began_at for call in calls if isinstance(call.subject, Request)}
    now = monotonic()

    def age(stack: _Stack) -> float:
        request = stack.request
        return now - since.get(request.id, now) if request is not None else 0.0

    texts = chain(_grouped(threads), _waiting(calls), _tasks(loop, calls))
    stacks = "\n".join(texts)[:STACKS_LIMIT]
    if not to_blame:
        return Examination(summary=_without_plugin(threads), stacks=stacks)
    worst = max(to_blame, key=age)
    summary = _sentence(worst, age(worst))
    if not main:
        summary = f"{len(to_blame)} threads are held by plugins; {summary}"
    blamed = [stack.request for stack in to_blame]
    culprits = {numbers[request.id] for request in blamed if request is not None and request.id in numbers}
    return _examination(worst, summary, stacks, sorted(culprits))


def _examination(worst: _Stack, summary: str, stacks: str, culprits: list[int]) -> Examination:
    frame, request = worst.plugin_frame, worst.request
    assert frame is not None, "only a stack with a plugin in it is to blame"
    return Examination(
        summary=summary,
        stacks=stacks,
        request_id=request.id if request is not None else "",
        verb=request.method if request is not None else "",
        url=request.raw_target if request is not None else "",
        plugin=_plugin_name(frame),
        place=f"{frame.f_code.co_filename}:{frame.f_lineno}",
        culprits=culprits,
    )


class Whereabouts(NamedTuple):
    """Where the code for a request is: `sentence` for people, `plugin` and `place` (`file:line`) where known."""

    sentence: str
    plugin: str = ""
    place: str = ""


def whereabouts(request: Request, calls: Iterable[CallUnderWay]) -> Whereabouts:
    """Where that request is while the loop runs: on a thread, or in what a plugin waits for; the innermost call of a
    plugin counts."""
    stacks = [stack for stack in _threads() if stack.plugin_frame and stack.is_about(request)]
    own = sorted((call for call in calls if call.is_about(request)), key=lambda call: call.began_at, reverse=True)
    stacks += [_stack_of(call) for call in own]
    for stack in stacks:
        frame = stack.plugin_frame
        if frame is not None:
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            return Whereabouts(f"it is in {_line_of(frame)}", _plugin_name(frame), place)
    if own:  # an answer that needs no coroutine has no line of its own (`host.api.ThreadAnswer`)
        return Whereabouts(f"it is in {own[0].plugin}.{own[0].name}, which waits", own[0].plugin)
    return Whereabouts("no plugin is at work for it")


# --- words


def _sentence(stack: _Stack, seconds: float) -> str:
    frame, request = stack.plugin_frame, stack.request
    assert frame is not None, "only a stack with a plugin in it is to blame"
    what = f"request {request.method} {request.raw_target} ({request.id})" if request is not None else stack.owner
    how_long = f" (for {seconds:.0f} s)" if seconds >= 1 else ""
    return f"{what} is in {_line_of(frame)}{how_long}"


def _line_of(frame: FrameType) -> str:
    file = os.path.basename(frame.f_code.co_filename)
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    return f"{_family(frame)} {file}, line {frame.f_lineno}: {line or '(no source)'}"


def _without_plugin(threads: Sequence[_Stack]) -> str:
    main = next((stack for stack in threads if stack.owner == threading.main_thread().name and stack.frames), None)
    if main is None:
        return "no plugin is at work"
    code = main.frames[0].f_code
    return f"no plugin is at work; the loop is in {code.co_name}, {code.co_filename}:{main.frames[0].f_lineno}"


def _frame_text(frame: FrameType) -> str:
    file, number = frame.f_code.co_filename, frame.f_lineno
    line = linecache.getline(file, number).strip()
    return f'  File "{file}", line {number}, in {frame.f_code.co_name}\n' + (f"    {line}\n" if line else "")


def _grouped(threads: Iterable[_Stack]) -> Iterator[str]:
    """Each stack once, under the names of the threads that are in it."""
    owners: dict[str, list[str]] = {}
    for stack in threads:
        owners.setdefault(stack.text, []).append(stack.owner)
    for text, names in owners.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"{names[0]}{others}:\n{text}"


# --- stacks


def _threads() -> list[_Stack]:
    """Of every thread but this one; the main thread, which runs the loop, first."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    main, own = threading.main_thread().ident, threading.get_ident()
    frames = sys._current_frames()
    order = sorted(frames, key=lambda ident: (ident != main, names.get(ident, "")))
    return [_Stack(names.get(ident, f"thread {ident}"), _back(frames[ident])) for ident in order if ident != own]


def _back(frame: FrameType | None) -> list[FrameType]:
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found


def _stack_of(call: CallUnderWay) -> _Stack:
    """What a plugin waits for. The coroutines of ours that wait for it may be compiled, and show no frames."""
    return _Stack(f"{call.plugin}.{call.name}", list(_awaited(call.awaitable))[::-1])


def _waiting(calls: Iterable[CallUnderWay]) -> Iterator[str]:
    """A line for each call of a plugin that waits: where, and for which request."""
    for call in calls:
        stack = _stack_of(call)
        if stack.frames:
            yield _waits(stack, call.subject if isinstance(call.subject, Request) else stack.request)


def _tasks(loop: asyncio.AbstractEventLoop, calls: Iterable[CallUnderWay]) -> Iterator[str]:
    """A line for each other task that waits."""
    told = {id(frame) for call in calls for frame in _awaited(call.awaitable)}
    try:
        tasks = asyncio.all_tasks(loop)
    except RuntimeError:  # the loop runs after all, and its tasks change while they are counted
        return
    for task in list(tasks)[:_MOST_TASKS]:
        stack = _Stack(task.get_name(), list(_awaited(task.get_coro()))[::-1])
        if stack.frames and told.isdisjoint(map(id, stack.frames)):
            yield _waits(stack, stack.request)


def _waits(stack: _Stack, request: Request | None) -> str:
    frame = stack.plugin_frame or stack.frames[0]
    about = f" for {request.method} {request.raw_target} ({request.id})" if request is not None else ""
    return f"{stack.owner} waits{about} in {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"


def _awaited(awaitable: Any) -> Iterator[FrameType]:
    """The frames of a coroutine and of what it awaits, outermost first."""
    while awaitable is not None:
        kind = next((kind for kind in ("cr", "gi", "ag") if hasattr(awaitable, f"{kind}_frame")), None)
        if kind is None:
            return
        frame = getattr(awaitable, f"{kind}_frame")
        if frame is not None:
            yield frame
        awaitable = getattr(awaitable, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")


def _requests_of(frame: FrameType) -> Iterator[Request]:
    for value in list(frame.f_locals.values()):
        yield from _requests_in(value)


def _requests_in(value: object) -> Iterator[Request]:
    """By exact types: no code of a plugin runs, whatever its objects are."""
    if type(value) is Request:
        yield value
    elif type(value) is Exchange:
        yield value.request
    elif type(value) is Job:
        yield from _requests_in(value.arguments)
    elif type(value) is tuple:
        for item in value:
            if type(item) is Request:
                yield item


def _family(frame: FrameType) -> str:
    """`extension` or `filter` for a frame of a plugin's file, otherwise empty."""
    return _FAMILIES.get(str(frame.f_globals.get("__name__", "")).partition(".")[0], "")


def _plugin_name(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[2]
