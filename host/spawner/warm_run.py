"""How a fork of a warm Python runs a script, and ends; a part of `warm_python.py`, and as old a Python's."""

from __future__ import annotations

import _weakref
import atexit
import contextlib
import gc
import itertools
import os
import signal
import sys
from types import ModuleType
from typing import Any

from host.spawner.warm_modules import KEPT, hand_out, is_library
from host.spawner.warm_scripts import Script

_OUR_FILES = (__file__, os.path.join(os.path.dirname(__file__), "warm_python.py"))


def run(script: Script, order: tuple[Any, ...], main_names: tuple[str, ...], dropped: list[str]) -> None:
    """Be `python script.py`. Never returns by the quick way out; by the long one the interpreter ends itself."""
    argv, prefix = order[1], order[2]
    sys.argv = [os.fsdecode(word) for word in argv]
    if sys.version_info >= (3, 10):
        sys.orig_argv = [os.fsdecode(word) for word in prefix + argv]
    if not sys.flags.isolated and not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, script.folder())
    if dropped:
        KEPT.extend(sys.modules.pop(name) for name in dropped)
    else:
        hand_out()
    present = set(sys.modules) if dropped else None
    main = ModuleType("__main__")
    values: dict[str, Any] = dict.fromkeys(main_names)
    values.update(__name__="__main__", __builtins__=sys.modules["builtins"], __file__=script.name)
    values["__loader__"] = script.loader
    if "__annotations__" in values:
        values["__annotations__"] = {}
    vars(main).clear()
    vars(main).update({name: values[name] for name in main_names})
    if present is None:
        KEPT.append(sys.modules.pop("__main__"))  # the last one: what comes behind it is the script's
    sys.modules["__main__"] = main
    namespace = vars(main)
    status = 0
    try:
        exec(script.code or compile(script.source, script.name, "exec", dont_inherit=True), namespace)
    except SystemExit as error:
        status = _exit_status(error)
    except BaseException as error:
        status = _report(error)
    del main, namespace, values
    _end(status, _loaded(present))


def _loaded(present: set[str] | None) -> list[str]:
    """`__main__`, and what has been imported since: behind it, where nothing is looked at that was there before."""
    if present is not None:
        return [name for name in sys.modules if name not in present or name == "__main__"]
    if "__main__" not in sys.modules:
        return []
    names = list(itertools.takewhile(lambda name: name != "__main__", reversed(sys.modules)))
    ours = {module.__name__ for module in KEPT}
    return ["__main__", *(name for name in reversed(names) if name not in ours)]


def _report(error: BaseException) -> int:
    """As the interpreter reports what nobody has caught, without this file's frames in it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in _OUR_FILES:
        trace = trace.tb_next
    error.__traceback__ = trace
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    try:
        sys.excepthook(type(error), error, trace)
    except SystemExit as wish:
        return _exit_status(wish)
    except BaseException as second:
        print("Error in sys.excepthook:", file=sys.stderr)
        sys.__excepthook__(type(second), second, second.__traceback__)
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(type(error), error, trace)
    return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1


def _exit_status(wish: SystemExit) -> int:
    if wish.code is None:
        return 0
    if isinstance(wish.code, int):
        return wish.code & 0xFF
    with contextlib.suppress(Exception):
        print(wish.code, file=sys.stderr)
    return 1


def _end(status: int, loaded: list[str]) -> None:
    """What Py_FinalizeEx does that anybody can see: threads are awaited, functions of atexit run, streams are flushed,
    objects of the script's modules die. What the server had loaded is left to the kernel: taking it apart would copy
    every page of it. Native code of the script's own may have an exit of its own: then all is done, by the interpreter.
    """
    if _has_native_code(loaded):
        if status < 0:
            os.kill(os.getpid(), -status)
        raise SystemExit(status)
    threading = sys.modules.get("threading")
    if threading is not None:
        with contextlib.suppress(Exception):
            threading._shutdown()
    for module in (sys.modules.get("atexit"), atexit):  # up to Python 3.9 one that was imported anew has its own list
        with contextlib.suppress(Exception):
            module._run_exitfuncs()  # type: ignore[union-attr]
    status = _flush(status)
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
    sys.last_type = sys.last_value = sys.last_traceback = None
    if sys.version_info >= (3, 12):
        sys.last_exc = None
    _destroy(loaded)
    status = _flush(status, is_told=bool(status))
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _has_native_code(loaded: list[str]) -> bool:
    for name in loaded:
        path = getattr(sys.modules[name], "__file__", None) or ""
        if name == "_ctypes" or (path.endswith(".so") and not is_library(path)):
            return True
    return False


def _flush(status: int, *, is_told: bool = False) -> int:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception as error:
            if stream is sys.stdout:
                status = status or 120
                if is_told:
                    continue
                where = "on flushing sys.stdout:" if sys.version_info >= (3, 13) else "in: %r" % (stream,)
                with contextlib.suppress(Exception):
                    sys.stderr.write("Exception ignored %s\n%s: %s\n" % (where, type(error).__name__, error))
    return status


def _destroy(loaded: list[str]) -> None:
    """Modules lose their last names, so that files are closed and `__del__` runs (CPython: finalize_modules).

    What only such a module holds dies with it, while the names that its `__del__` uses are still there; the names of a
    module that somebody holds are taken away one by one.
    """
    if gc.isenabled():
        gc.collect()  # as Py_FinalizeEx: it also puts each object before those that it holds, a file before its buffer
    references = []
    for name in loaded:
        module: Any = sys.modules.pop(name)
        if isinstance(module, ModuleType):
            references.append(_weakref.ref(module))
    module = None
    gc.collect()
    for reference in reversed(references):
        module = reference()
        if module is None:
            continue
        space = vars(module)
        for is_second in (False, True):
            for name in list(space):
                if name != "__builtins__" and (is_second or (name[0] == "_" and name[1:2] != "_")):
                    space[name] = None
    gc.collect()
