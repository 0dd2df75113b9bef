"""A script cannot tell whether its interpreter was started for it: each thing it could look at, cold and warm."""

# ruff: noqa: E501  the scripts are data

from __future__ import annotations

import ast
import os
import signal
import sys
import time
import venv
from pathlib import Path

import pytest

import host.spawner
from host.gateway.warm_command import warm_shebang
from host.wire.spawn_messages import Limits
from tests.spawner.client import SpawnerClient
from tests.spawner.warm_rig import WarmRig

PARTS = [
    Path(host.spawner.__file__).parent / f"warm_{name}.py"
    for name in ("python", "run", "scripts", "modules", "process")
]


# --- what a script sees -------------------------------------------------------------------------------------------

LOOKS = {
    "names": "print(sorted(vars()), __name__, __file__, __doc__, __package__, __spec__, type(__loader__).__name__)",
    "docstring": "'''What I am.'''\nprint(__doc__, __builtins__.__name__)",
    "main module": "import sys\nprint(vars() is vars(sys.modules['__main__']), sys.modules['__main__'])",
    "modules": "import sys\nprint(sorted(sys.modules))",
    "arguments": "import sys\nprint(sys.argv, sys.orig_argv, sys.executable, sys.prefix, sys.flags, sys.warnoptions)",
    "command line": "print(open('/proc/self/cmdline').read().rstrip(chr(0)).split(chr(0)), open('/proc/self/comm').read())",
    "import path": "import sys\nprint(sys.path, sys.path[0])",
    "environment": "import os\nprint(sorted((k, v) for k, v in os.environ.items() if k != 'UNIQUE_ID'))",
    "environment of programs": "import subprocess\nprint(subprocess.run(['env'], capture_output=True).stdout[:30])",
    "request mark": "import os\nprint(('UNIQUE_ID=' + os.environ['UNIQUE_ID'] + chr(0)) in open('/proc/self/environ').read())",
    "folder": "import os\nprint(os.getcwd(), oct(os.umask(0)))",
    "descriptors": "import os\nprint(sorted(os.listdir('/proc/self/fd')))",
    "session": "import os\nprint(os.getsid(0) == os.getpgid(0) == os.getpid())",
    "streams": """import sys, io
for s in sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__:
    print(s, s.encoding, s.errors, s.newlines, s.line_buffering, s.write_through, s.isatty(), s.fileno(), s.mode)
    print(type(s.buffer), s.buffer, s.name, s.seekable(), s.buffer.mode, s.closed)
print(sys.stdout is sys.__stdout__, io.open is open, sys.getfilesystemencoding(), sys.getdefaultencoding())""",
    "signals": """import signal
print([(s, signal.getsignal(s)) for s in signal.valid_signals() if signal.getsignal(s) != signal.SIG_DFL][:2])
print(signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.set_wakeup_fd(-1))
print([l for l in open('/proc/self/status') if l.startswith(('SigBlk', 'SigCgt', 'SigPnd'))])""",
    "hooks": "import sys\nprint(sys.excepthook, sys.displayhook, sys.gettrace(), len(sys.meta_path), sys.path_hooks)",
    "collector": "import gc\nprint(gc.isenabled(), gc.get_threshold(), gc.callbacks, gc.garbage)",
    "threads": "import threading\nprint(threading.active_count(), threading.main_thread(), threading.current_thread().name)",
    "locale": "import locale, sys\nprint(locale.setlocale(locale.LC_ALL), locale.getpreferredencoding())",
    "limits": "import resource\nprint([resource.getrlimit(k) for k in range(16)])",
    "warnings": "import warnings, sys\nprint(warnings.filters, sys.warnoptions)\nwarnings.warn('look')",
    "recursion": "import sys\nprint(sys.getrecursionlimit(), sys.getswitchinterval())",
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_script_sees_the_same(rig: WarmRig, name: str) -> None:
    """Each thing that it can look at, and nothing on standard error but what it wrote."""
    assert rig.same(LOOKS[name] + "\n", "one", "two words").output


# --- how it ends --------------------------------------------------------------------------------------------------

ENDS: dict[str, str | bytes] = {
    "falls off": "print('x')",
    "sys.exit": "import sys\nprint('x')\nsys.exit()",
    "a number": "import sys\nsys.exit(3)",
    "a large number": "import sys\nsys.exit(256 + 7)",
    "text": "import sys\nprint('out')\nsys.exit('no luck')",
    "an object": "raise SystemExit(['a', 1])",
    "os._exit": "import os\nprint('lost')\nos._exit(9)",
    "an exception": "def f():\n    raise ValueError('x')\nprint('before')\nf()",
    "a chain": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e",
    "a hook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0], a[2].tb_lineno, a[2].tb_next)\n1 / 0",
    "a hook that exits": "import sys\nsys.excepthook = lambda *a: sys.exit(4)\n1 / 0",
    "cgitb": "import sys, traceback\nsys.excepthook = lambda t, v, b: print(traceback.format_exception(t, v, b))\nint('x')",
    "keyboard interrupt": "raise KeyboardInterrupt",
    "a signal": "import os, signal\nprint('x', flush=True)\nos.kill(os.getpid(), signal.SIGTERM)",
    "abort": "import os\nos.abort()",
    "a syntax error": "print('never')\ndef f(:\n",
    "null bytes": "print(1)\x00",
    "a wrong encoding": b"# -*- coding: ascii -*-\nprint('\xe9')\n",
    "another encoding": b"# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))\n",
    "a byte order mark": b"\xef\xbb\xbfprint('bom')\n",
    "a warning of the compiler": "x = '\\d'\nprint(1 is 1)",
    "atexit": "import atexit\natexit.register(print, 'last')\natexit.register(print, 'first')\nprint('body')",
    "atexit fails": "import atexit\natexit.register(lambda: 1 / 0)\natexit.register(print, 'x')",
    "an open file": "f = open('left', 'w')\nf.write('data')\ng = f\ndef h(): return f",
    "__del__": "class C:\n    def __del__(self): print('gone', self.n)\nc = C(); c.n = 1\nd = C(); d.n = 2; d.d = d",
    "__del__ that uses names": "import sys\nclass C:\n    def __del__(self): sys.stdout.write('gone ' + f())\n"
    "def f(): return 'away'\nc = C()",
    "__del__ of a module that is held": "import sys\nsys.held = sys.modules['__main__']\nclass C:\n"
    "    def __del__(self): print('gone', sys, _a, b)\n_a = 1\nc = C()\nb = 2",
    "what C has buffered": "import ctypes\nctypes.CDLL(None).printf(b'from C')\nprint('from Python')",
    "a thread": "import threading\nthreading.Thread(target=lambda: (threading.main_thread().join(), print('late'))).start()\nprint('main')",
    "a fork": "import os, sys\nif os.fork():\n    print('parent', os.waitstatus_to_exitcode(os.wait()[1]))\nelse:\n    sys.exit(5)",
    "closed output": "import sys\nprint('x')\nsys.stdout.close()",
    "no output": "import os, sys\nos.close(1)\nprint('x')",
    "logging": "import logging\nlogging.basicConfig(format='%(message)s %(lineno)d %(funcName)s')\nlogging.warning('w')",
}


@pytest.mark.parametrize("name", ENDS)
def test_a_script_ends_the_same(rig: WarmRig, name: str) -> None:
    """Exit status or signal, and every byte that it has written by then, tracebacks included."""
    rig.same(ENDS[name])
    left = rig.folder / "left"
    assert not left.exists() or left.read_text() == "data"


@pytest.mark.parametrize("text", ["x = '\\d'", "import cgi"], ids=["compiling it", "a library"])
def test_what_one_script_is_warned_of_warns_no_other(rig: WarmRig, text: str) -> None:
    """A file that is left open is told to nobody, as ever, although the server has looked at all warnings of another."""
    rig.same(text)
    assert "ResourceWarning" not in rig.same(EVERYTHING, "one", stdin=b"body").errors


@pytest.mark.parametrize("options", [["-u"], ["-E"], ["-I"], ["-s", "-B"], ["-S"], ["-O"], ["-bb"]], ids=" ".join)
def test_options_of_the_interpreter_are_obeyed(tmp_path: Path, client: SpawnerClient, options: list[str]) -> None:
    """A server for each set of options: flags, buffering, import path and asserts are as they say."""
    rig = WarmRig(tmp_path, client, sys.executable, *options)
    rig.environment[b"PYTHONPATH"] = b"/nowhere/at/all"
    text = "import sys\nprint(sys.flags, sys.path, sys.stdout, sys.stdout.buffer, __debug__)\nassert sys.flags.optimize == 0\n"
    seen = rig.same(text + "print(type(sys.stdout.buffer), sys.orig_argv)\n")
    assert all(repr(option) in seen.output for option in options)


def test_bytes_go_in_and_out_unchanged(rig: WarmRig) -> None:
    """Standard input is binary underneath and text on top; the rest of the input is the script's to leave."""
    body = bytes(range(256)) * 50
    text = (
        "import sys\nd = sys.stdin.buffer.read()\nsys.stdout.buffer.write(d[::-1])\nsys.stdout.flush()\nprint(len(d))"
    )
    assert rig.same(text, stdin=body).output.endswith("12800\n")
    assert rig.same("for l in __import__('sys').stdin: print(repr(l))", stdin=b"a\r\nb\rc\xc3\xa9").output
    assert rig.same("print(input(), input())", stdin=b"first\nsecond\nthird").output == "first second\n"


def test_variables_of_the_pool_decide_at_the_start(rig: WarmRig) -> None:
    """Locale, encoding, time zone, hash seed, warnings: a server is started with them."""
    rig.environment |= {
        b"PYTHONIOENCODING": b"latin-1:replace",
        b"TZ": b"Asia/Tokyo",
        b"LC_ALL": b"C",
        b"PYTHONHASHSEED": b"7",
        b"PYTHONWARNINGS": b"error::UserWarning",
    }
    text = "import sys, time, locale\nprint(sys.stdout.encoding, sys.stdout.errors, time.tzname, hash('x'), sys.warnoptions)\n"
    seen = rig.same(
        text + "print(time.localtime(0).tm_hour, locale.setlocale(locale.LC_ALL))\n__import__('warnings').warn('x')"
    )
    assert "iso8859-1 replace ('JST', 'JST')" in seen.output
    assert "UserWarning: x" in seen.errors


# --- nothing is left of the run before ------------------------------------------------------------------------------


def test_random_numbers_differ_from_run_to_run(rig: WarmRig) -> None:
    """The forks of one server are seeded anew: random, secrets, tempfile, uuid."""
    text = "import random, secrets, tempfile, uuid\nprint(random.random(), secrets.token_hex(4), tempfile.mktemp(), uuid.uuid4())"
    script = rig.write("script.py", text)
    server = rig.server()
    runs = [rig.run(script, is_warm=True).output.split() for _ in range(3)]
    assert all(len(set(column)) == 3 for column in zip(*runs, strict=True))
    assert rig.server() == server


def test_state_of_modules_is_fresh(rig: WarmRig) -> None:
    """What a run leaves in modules, its own and the library's, the next one does not find."""
    (rig.folder / "counter.py").write_text("n = 0\n")
    text = """import counter, json, os, string, builtins, sys
counter.n += 1
print(counter.n, hasattr(json, 'seen'), hasattr(string, 'seen'), hasattr(builtins, 'seen'), os.environ.get('SEEN'))
json.seen = string.seen = builtins.seen = True
os.environ['SEEN'] = '1'
os.chdir('/')
sys.setrecursionlimit(500)
"""
    assert rig.same(text).output == "1 False False False None\n"


def test_a_changed_script_and_a_changed_module_are_seen_at_once(rig: WarmRig) -> None:
    """Written again within the clock's tick, with the same length: the next run is of the new text."""
    module = rig.folder / "part.py"
    server = rig.server()
    for number in range(10, 22):
        module.write_text(f"value = {number}\n")
        script = rig.write(
            "script.py", f"import sys; sys.dont_write_bytecode = True\nimport part\nprint({number}, part.value)"
        )
        assert rig.run(script, is_warm=True).output == f"{number} {number}\n"
    assert rig.server() == server


def test_a_module_that_shadows_the_library_is_the_scripts_own(rig: WarmRig) -> None:
    """Beside the script, in a folder it adds, in PYTHONPATH: as for a new interpreter, also when it comes later."""
    text = "import json\nprint(json.__file__.startswith('/tmp') or hasattr(json, 'mine'))"
    assert rig.same(text).output == "False\n"
    (rig.folder / "json.py").write_text("mine = True\n")
    assert rig.same(text).output == "True\n"
    (rig.folder / "json.py").unlink()
    (rig.folder / "lib").mkdir()
    (rig.folder / "lib" / "json.py").write_text("mine = True\n")
    assert rig.same("import sys\nsys.path.insert(0, 'lib')\n" + text).output == "True\n"
    assert rig.same("from sys import path as p\np.insert(0, 'lib')\n" + text).output == "True\n"
    assert rig.same("import site, sys as s\ns.path[:0] = ['lib']\n" + text).output == "True\n"
    rig.environment[b"PYTHONPATH"] = bytes(rig.folder / "lib")
    assert rig.same(text).output == "True\n"


def test_the_library_is_loaded_before_and_the_scripts_modules_never(rig: WarmRig) -> None:
    """A warm run finds loaded what it, or a module beside it, imports of the library; what the user wrote runs in the
    fork alone."""
    (rig.folder / "own.py").write_text("import email.message\nprint('own runs')\n")
    text = "m = set(vars(__import__('s' + 'ys'))['modules'])\nimport own, json\n"
    script = rig.write("script.py", text + "print('json' in m, 'email.message' in m, 'own' in m)\n")
    rig.server()
    assert rig.run(script, is_warm=False).output == "own runs\nFalse False False\n"
    for _ in range(2):
        assert rig.run(script, is_warm=True).output == "own runs\nTrue True False\n"


def test_a_program_that_is_no_python_is_started_as_ever(tmp_path: Path, client: SpawnerClient) -> None:
    """An interpreter too old, and one that prints when it starts: every run is cold, and one remark says why."""
    fake = tmp_path / "python3"
    fake.write_text('#!/bin/sh\necho "no Python here" >&2\n[ "$1" = ok ] || exit 3\n')
    fake.chmod(0o755)
    rig = WarmRig(tmp_path, client, str(fake))
    script = rig.write("ok", "")
    deadline = time.monotonic() + 90
    while not rig.remarks and time.monotonic() < deadline:
        assert rig.run(script, is_warm=True).errors == "no Python here\n"
    for _ in range(3):
        rig.run(script, is_warm=True)
    assert len(rig.remarks) == 1
    assert "did not start: exit code 3; no Python here" in rig.remarks[0]


# --- how it is ended ------------------------------------------------------------------------------------------------

DAEMON = """import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    print(os.getpid(), flush=True)
    time.sleep(1000)
time.sleep(1000)
"""


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 90
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        os.sched_yield()
    assert not os.path.exists(f"/proc/{pid}")


def test_the_whole_tree_is_killed(rig: WarmRig) -> None:
    """Also what has left the session without an exec: the kernel shows the request's mark in a fork's environment."""
    server = rig.server()
    launched = rig.launch(rig.write("script.py", DAEMON), is_warm=True)
    daemon = int(launched.read_line())
    rig.client.kill(launched.number)
    assert launched.status() == -signal.SIGTERM
    wait_until_gone(daemon)
    launched.close()
    assert rig.server() == server


def test_limits_are_those_of_the_request(rig: WarmRig) -> None:
    """Set in the fork, soft and hard; the next one has none."""
    text = "import resource as r\nprint([r.getrlimit(k) for k in (r.RLIMIT_CPU, r.RLIMIT_NOFILE, r.RLIMIT_NPROC, r.RLIMIT_AS)])"
    script = rig.write("script.py", text)
    limits = Limits(processor_seconds=7, address_space_bytes=1 << 30, open_files=40, processes=5000)
    rig.server()
    cold, warm = (rig.run(script, is_warm=is_warm, limits=limits) for is_warm in (False, True))
    assert warm == cold
    assert ast.literal_eval(warm.output) == [(7, 7), (40, 40), (5000, 5000), (1 << 30, 1 << 30)]
    assert rig.run(script, is_warm=True) == rig.run(script, is_warm=False) != warm


def test_when_a_server_is_killed_its_scripts_go_on_and_a_new_one_comes(rig: WarmRig) -> None:
    """They are the parent's children then: their status is known. One remark says what has happened."""
    server = rig.server()
    launched = rig.launch(
        rig.write("script.py", "print(open(0).read())\nraise SystemExit(6)"), is_warm=True, stdin=b"x"
    )
    waiting = rig.launch(rig.write("wait.py", "import time\nprint('w', flush=True)\ntime.sleep(1000)"), is_warm=True)
    assert waiting.read_line() == b"w\n"
    os.kill(server, signal.SIGKILL)
    assert launched.read_all() == b"x\n"
    assert launched.status() == 6
    launched.close()
    rig.client.kill(waiting.number)
    assert waiting.status() == -signal.SIGTERM
    waiting.close()
    assert rig.server() != server
    assert [remark for remark in rig.remarks if f"(process {server}) has ended: signal 9" in remark]


def test_a_script_that_crashes_warm_is_cold_from_then_on(rig: WarmRig) -> None:
    """Until it changes; one remark says so, other scripts stay warm."""
    text = "import os\nprint(os.getppid(), flush=True)\nos.abort()\n"
    script = rig.write("script.py", text)
    server = rig.server()
    assert rig.run(script, is_warm=True).output == f"{server}\n"
    parent = rig.client.process.process.pid
    assert rig.run(script, is_warm=True).output == f"{parent}\n"
    assert [remark for remark in rig.remarks if "is started cold until it changes: ended by signal 6" in remark]
    rig.write("script.py", text + "# changed\n")
    assert rig.run(script, is_warm=True).output == f"{server}\n"


def test_a_hundred_runs_leave_nothing(rig: WarmRig) -> None:
    """Neither descriptors nor children, in the server and in the pool's parent."""
    script = rig.write("script.py", "import json\nprint(json.dumps(1))")
    server, parent = rig.server(), rig.client.process.process.pid

    def counts() -> list[int]:
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (server, parent)]

    rig.run(script, is_warm=True)
    before = counts()
    for _ in range(100):
        assert rig.run(script, is_warm=True).output == "1\n"
    deadline = time.monotonic() + 90
    while any(now > then for now, then in zip(counts(), before, strict=True)):  # it answers before it closes its own
        assert time.monotonic() < deadline, (before, counts())
    assert rig.server() == server
    while Path(f"/proc/{server}/task/{server}/children").read_text() and time.monotonic() < deadline:
        os.sched_yield()  # a status is told just before its process is reaped
    assert not Path(f"/proc/{server}/task/{server}/children").read_text()


EVERYTHING = """import sys, os, json, atexit
print(sorted(vars()), sys.argv, sys.flags, sys.path, sys.prefix, sys.base_prefix, sys.executable, sorted(sys.modules))
print(sys.stdin, sys.stdout, sys.stdout.buffer, open('/proc/self/cmdline').read().rstrip(chr(0)).split(chr(0)))
atexit.register(print, 'last')
raise ValueError(sys.stdin.read())
"""


@pytest.mark.parametrize(
    "kind", ["the distribution's", "a virtual environment's", "3.8", "3.9", "3.10", "3.12", "3.13"]
)
def test_other_interpreters_are_warm_as_well(tmp_path: Path, client: SpawnerClient, kind: str) -> None:
    """The distribution's Python, a virtual environment's, and each version that lies beside the one that runs this: a
    version that is not there is started by nobody, and nothing is warm then."""
    if kind.startswith("a "):
        venv.create(tmp_path / "venv", symlinks=True)
        interpreter = tmp_path / "venv" / "bin" / "python3"
    elif kind.startswith("the "):
        interpreter = Path("/usr/bin/python3")
    else:
        found = sorted(Path(sys.base_prefix).parent.glob(f"{kind}.*/bin/python3"))
        interpreter = found[0] if found else Path(sys.executable)
    rig = WarmRig(tmp_path, client, str(interpreter))
    assert "ValueError: body" in rig.same(EVERYTHING, "one", stdin=b"body").errors
    rig.same(ENDS["no output"])


def test_python_2_is_started_cold(tmp_path: Path) -> None:
    """Nobody asks for it warm; its scripts run as ever (`test_old_scripts.py`)."""
    for line in (b"#!/usr/bin/python2\n", b"#!/usr/bin/env python2.7\n"):
        assert warm_shebang([bytes(tmp_path)], line, [], lambda name: b"/usr/bin/" + name) is None


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_it_is_written_for_python_3_8(part: Path) -> None:
    """The interpreter that runs these files is the script's, not isapy's."""
    ast.parse(part.read_text(), feature_version=(3, 8))
