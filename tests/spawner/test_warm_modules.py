"""Modules that warn when they are imported, and variables: what a warm Python has before a script begins, and hides."""

# ruff: noqa: E501  the scripts are data

from __future__ import annotations

import sys

import pytest

from tests.spawner.warm_rig import WarmRig

WARNINGS = {
    "deprecated": "import warnings\nwarnings.simplefilter('always')\ntry:\n    import cgi\nexcept ImportError as e: print(e)",
    "deprecated, an error": "import warnings\nwarnings.simplefilter('error')\nimport cgi",
    "deprecated, ignored": "import warnings\nwarnings.simplefilter('ignore')\ntry:\n    import cgi\nexcept ImportError as e: print(e)",
    "deprecated, recorded": """import warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter('always')
    try:
        import cgi, imghdr
    except ImportError as e: print(e)
print([(str(w.message), w.category, w.filename, w.lineno, w.line, w.source) for w in told], sorted(globals()))""",
    "deprecated, in a function": "def f():\n    from cgi import escape\ntry:\n    f()\nexcept ImportError as e: print(e)",
    "deprecated, seen": """import importlib
try:
    import cgi
    s, old = cgi.__spec__, cgi
    print(cgi, s, cgi.__loader__, cgi.__loader__ is s.loader, cgi.__cached__, cgi.__package__, sorted(vars(cgi)), s._initializing)
    import cgi as again
    print(again is importlib.reload(cgi) is old, importlib.util.find_spec('cgi') is cgi.__spec__)
except ImportError as e: print(e)""",
    "what shows a warning": """import warnings
warnings.warn('look')
try:
    import cgi
except ImportError as e: print(e)
import linecache, tokenize, token
print(linecache.tokenize is tokenize, tokenize.EXACT_TOKEN_TYPES is token.EXACT_TOKEN_TYPES, list(linecache.cache))""",
    "what shows a warning, loaded before": "import tokenize\ntry:\n    import cgi, linecache\n    print(linecache.tokenize is tokenize)\nexcept ImportError as e: print(e)",
    "the cgi module": "try:\n    import cgi, cgitb\n    print(cgi.FieldStorage(), cgi.maxlen)\nexcept ImportError as e: print(e)",
}


@pytest.mark.parametrize("name", WARNINGS)
def test_a_script_is_warned_as_ever(rig: WarmRig, name: str) -> None:
    """The same text, in the name of the same line, by the filters of that moment; and the module that it gets is the
    one that an import makes."""
    rig.same(WARNINGS[name])


def test_a_module_that_warns_is_finished_before_and_warns_all_the_same(rig: WarmRig) -> None:
    """The code of `cgi`, and of what shows its warning, runs once in the server and in no fork; each script's standard
    error says what a new interpreter says, in its own name, also when a module of the user's imports it first."""
    rig.environment[b"OWN"] = b"server"  # one that no script before has had import linecache by itself
    (rig.folder / "own.py").write_text("try:\n    import cgi\nexcept ImportError: pass\n")
    watch = """import sys, os
ran = []
sys.addaudithook(lambda what, a: ran.append(os.path.basename(a[0].co_filename)) if what == 'exec' else None)
"""
    own_import = "try:\n    import cgi\nexcept ImportError: pass\n"
    ending = "print([name for name in ran if name in ('cgi.py', 'linecache.py', 'tokenize.py')])\n"
    # legacy-cgi's module, for Python 3.13, warns of nothing and comes with each run.
    has_cgi = "cgi" in sys.stdlib_module_names
    for name, first in (("first.py", own_import), ("second.py", "import own\n" + own_import)):
        script = rig.write(name, watch + first + ending)
        cold, warm = rig.both(script)
        assert "cgi.py" in cold.output or not has_cgi
        assert warm.output == ("[]\n" if has_cgi else cold.output)
        assert warm.errors == cold.errors
        assert ("first.py:5: DeprecationWarning: 'cgi' is deprecated" in warm.errors) == (
            has_cgi and name == "first.py"
        )


def test_a_finished_module_is_left_where_it_is_when_the_script_has_its_own(rig: WarmRig) -> None:
    """A file beside the script, or one that only what it imports would find there, is found as ever."""
    text = "try:\n    import cgi\n    print(cgi.__file__.endswith('/script.py') or hasattr(cgi, 'mine'))\nexcept ImportError: print(0)\n"
    rig.same(text)
    (rig.folder / "cgi.py").write_text("mine = True\n")
    assert rig.same(text).output == "True\n"
    (rig.folder / "cgi.py").unlink()
    (rig.folder / "tokenize.py").write_text("print('mine')\nopen = open\n")
    rig.same(text)


def test_variables_come_in_the_requests_order_and_go(rig: WarmRig) -> None:
    """What a server has set for the forks before is nothing that the next one inherits, whether a request has other
    variables than the one before it or the same with other values."""
    text = "import os, subprocess\nprint(list(os.environ.items()))\nprint(subprocess.run(['env'], capture_output=True).stdout)\n"
    script = rig.write("script.py", text)
    rig.environment |= {b"LASTING": b"1", b"TZ": b"UTC"}
    lasting = dict(rig.environment)
    server = rig.server()
    launches = (
        [{b"A": b"1", b"B": b"2"}] * 3 + [{b"A": b"3", b"B": b"2"}] * 2 + [{b"B": b"x=y\xff", b"A": b""}] * 3 + [{}]
    )
    for own in launches:
        seen = []
        for is_warm in (False, True):
            arguments = [bytes(script)]
            launched = rig.client.launch(
                [*rig.command, *arguments],
                environment=lasting | own,
                directory=bytes(rig.folder),
                request_id="the-same",
                warm=rig.warm_start(arguments, [b"PATH", *lasting]) if is_warm else None,
            )
            seen.append((launched.read_all(), launched.read_errors(), launched.status()))
        assert seen[0] == seen[1]
        assert repr(b"".join(b"%s=%s\n" % one for one in own.items()))[2:-1].encode() in seen[1][0]
    assert rig.server() == server
