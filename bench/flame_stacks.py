"""What py-spy has seen, as stacks that people can read: interpreter, start and waiting left out, C in four words. Pure.

A raw stack is `frame;frame;... count`, the outermost first; a frame is `function (file:line)`, of native code
`function (file.c:line)` or `function (library)`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

Stacks = Counter[tuple[str, ...]]
"""How often each stack was seen; frames from the outermost one."""

_FRAME: Final = re.compile(r"(?P<name>.+) \((?P<place>[^()]+|<[^()]*>)\)")
_LOOP: Final = "event loop"
_LOGS: Final = "thread that writes the logs"
_UVLOOP: Final = "uvloop"
_LINE: Final = re.compile(r":\d+$")
_NATIVE: Final = re.compile(r"\.(?:c|h|cc|pyx|pxd)$")
_LIBRARY: Final = re.compile(r"\.so[.\d]*$")
_WAITING: Final = frozenset(("poll", "ppoll", "futex", "pthread_cond_timedwait", "pthread_cond_wait", "sem_wait"))
_LOCK: Final = frozenset(("sem_post", "pthread_cond_signal", "pthread_mutex_lock", "pthread_mutex_unlock"))
_SYSTEM_CALLS: Final = {
    "read": "read",
    "recv": "recv",
    "recvmsg": "recvmsg",
    "write": "write",
    "writev": "writev",
    "send": "send",
    "sendmsg": "sendmsg",
    "epoll_pwait": "epoll_wait",
    "epoll_wait": "epoll_wait",
    "epoll_ctl": "epoll_ctl",
    "syscall": "accept4",  # libuv has no wrapper for it on old C libraries
    "accept4": "accept4",
    "close": "close",
    "shutdown": "shutdown",
    "setsockopt": "setsockopt",
    "getsockname": "getsockname",
    "getpeername": "getpeername",
    "fstat": "fstat",
    "ioctl": "ioctl",
}


def readable(raw: Iterable[str]) -> tuple[Stacks, int]:
    """The stacks of threads that worked, and in how many samples somebody else only waited."""
    stacks: Stacks = Counter()
    waited = 0
    for line in raw:
        stack, _, count = line.rstrip("\n").rpartition(" ")
        frames = _without_start([_split(frame) for frame in stack.split(";")])
        if not frames or _waits(*frames[-1]):
            waited += int(count)
            continue
        stacks[tuple(_in_words(frames))] += int(count)
    return stacks, waited


def _split(frame: str) -> tuple[str, str]:
    """(function, file or library)."""
    match = _FRAME.fullmatch(frame)
    return (frame, "") if match is None else (match["name"], _LINE.sub("", match["place"]))


def _without_start(frames: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What a thread does: behind the call that runs its loop or its function. Empty for a thread of another kind."""
    for at in range(len(frames) - 1, -1, -1):
        name, place = frames[at]
        if name == "run" and place == "uvloop/__init__.py":
            return [(_LOOP, ""), *frames[at + 1 :]]
        if name == "AppendingThread._run":
            return [(_LOGS, ""), *frames[at + 1 :]]
    return []


def _waits(name: str, place: str) -> bool:
    """For the interpreter's lock, a timer or a queue; functions of the C library without a name wait for one, too."""
    return name == _LOGS or (place.startswith("libc.") and (name in _WAITING or name.startswith("0x")))


def _in_words(frames: Iterable[tuple[str, str]]) -> Iterable[str]:
    """Frames for people. Of the interpreter nothing is said: what it does, its caller does."""
    last = ""
    for name, place in frames:
        word = _word(name, place)
        if word and word != last:
            yield word
            last = word


def _word(name: str, place: str) -> str:
    if not place:
        return "" if name.startswith("0x") else name
    if place.startswith("libc."):
        return "the interpreter's lock" if name in _LOCK else _of_kernel(name)
    if _NATIVE.search(place):
        return _UVLOOP
    if _LIBRARY.search(place) or place.startswith(("asyncio/", "uvloop/")):
        return ""
    return f"{name} ({place.removeprefix('host/')})"


def _of_kernel(name: str) -> str:
    call = _SYSTEM_CALLS.get(name)
    return f"kernel: {call}" if call else ""
