"""Objects that are there before a fork, and whose references nobody counts after it (PEP 683).

A process that is forked shares its parent's pages until it writes to them. Python writes wherever it counts a
reference, so nearly everything that a worker has of its own are copies of pages in which nothing else has changed. From
Python 3.12 on there are objects that live as long as their interpreter and are not counted: None, and what the
interpreter chooses. Here code chooses: everything that isapy is, before the first fork, and the applications of a pool
that preloads them. They stay in any case.

Python has no function for it before 3.15, so the count is written where these versions have it, after looking at
whether it is there. What has to end in order (files, sockets, generators) stays counted.
"""

from __future__ import annotations

import ctypes
import gc
import os
import socket
import sys
import sysconfig
import types
from _io import _IOBase  # io.IOBase is an ABC, which notes every class that it is asked about
from collections.abc import Iterable
from typing import Final, cast

SWITCH: Final = "ISAPY_IMMORTAL"
"""The environment variable that leaves everything counted when it is `off`."""

_IMMORTAL: Final = 0xFFFF_FFFF  # _Py_IMMORTAL_REFCNT of CPython 3.12 and 3.13, where a word has 64 bits
_IMMORTAL_SIGN: Final = 0x8000_0000  # what their _Py_IsImmortal looks at
_VERSIONS: Final = ((3, 12), (3, 13))  # whose object.h has been read
_WORD_BYTES: Final = 8
_AT_A_TIME: Final = 1000  # the lists of what these refer to stay small: nothing of this shall be left in memory
_COUNTED: Final = (
    types.FrameType,
    types.TracebackType,
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
    BaseException,
    _IOBase,
    socket.socket,
)


def make_immortal() -> int:
    """Stop counting the references to every object that there is now, and returns how many those were: 0 where this
    interpreter has no such objects, or `ISAPY_IMMORTAL=off` forbids it. To be called before a fork, by a process
    without threads, when it has only what stays."""
    words = _memory()
    if words is None:
        return 0
    count = 0
    found = gc.get_objects()
    while found:
        some = found[-_AT_A_TIME:]
        del found[-_AT_A_TIME:]
        fresh = []
        for one in some:
            place = id(one) // _WORD_BYTES - 1
            if not words[place] & _IMMORTAL_SIGN and not issubclass(type(one), _COUNTED):
                words[place] = _IMMORTAL
                fresh.append(one)
                found += _unseen_by_collector(one)
        count += len(fresh)
        found += gc.get_referents(*fresh)
    return count


def _unseen_by_collector(one: object) -> Iterable[object]:
    """What it refers to and the collector does not ask for, as it can be no part of a cycle."""
    if issubclass(type(one), dict):
        return dict.keys(cast("dict[object, object]", one))
    return one.co_consts if isinstance(one, types.CodeType) else ()


def _memory() -> ctypes._Pointer[ctypes.c_uint64] | None:
    """This process's memory from its second word on (ctypes follows no pointer to 0); the first word of an object is
    its count. None where that is not so."""
    is_known = sys.implementation.name == "cpython" and sys.version_info[:2] in _VERSIONS
    has_layout = sys.maxsize > 2**32 and sys.byteorder == "little" and not hasattr(sys, "gettotalrefcount")
    if not is_known or not has_layout or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return None
    if os.environ.get(SWITCH) == "off":
        return None
    words = ctypes.cast(_WORD_BYTES, ctypes.POINTER(ctypes.c_uint64))
    mortal = object()
    mortals_count = sys.getrefcount(mortal) - 1  # without the function's own argument
    as_expected = (
        words[id(None) // _WORD_BYTES - 1] == _IMMORTAL and words[id(mortal) // _WORD_BYTES - 1] == mortals_count
    )
    return words if as_expected else None
