"""Scripts run by ScriptModule: what they see, what they say, how they fail."""

from __future__ import annotations

import os
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from extensions import script
from host.api import HttpError, Response
from tests.extensions.requests import make_request


def write(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source))


def run(root: Path, source: str, target: str = "/page.pys", body: bytes = b"") -> Response:
    path = root / target.partition("?")[0].lstrip("/")
    write(path, source)
    return script.handle(make_request(root, target, "POST" if body else "GET", body=body, mapping=None))


def test_print_and_write_make_the_body_in_order(tmp_path: Path) -> None:
    """With print's own separators and ends; HTML in UTF-8 unless the script says otherwise."""
    response = run(tmp_path, 'print("a", 1, sep="-", end="|")\nresponse.write("é")\nresponse.write(b"\\xff")\nprint()')
    assert response.body == "a-1|é".encode() + b"\xff\n"
    assert (response.status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_a_script_reads_the_request_and_sets_status_and_fields(tmp_path: Path) -> None:
    """`request` is the real one: query, method and body."""
    source = """
        response.status = 201
        response.headers["Content-Type"] = "text/plain"
        response.headers.add("X-Method", request.method)
        print(request.query["name"], request.body.read_blocking())
    """
    response = run(tmp_path, source, "/page.pys?name=you", b"payload")
    assert (response.status, response.body) == (201, b"you b'payload'\n")
    assert (response.headers["Content-Type"], response.headers["X-Method"]) == ("text/plain", "POST")


def test_a_redirect_keeps_what_the_script_does_next(tmp_path: Path) -> None:
    """`clear` drops the body that nobody will see."""
    response = run(tmp_path, 'print("old")\nresponse.clear()\nresponse.redirect("/new", status=303)')
    assert (response.status, response.headers["Location"], response.body) == (303, "/new", b"")


def test_print_to_another_file_goes_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the default target is replaced; sys.stdout and sys.stderr stay the worker's."""
    before = sys.stdout
    response = run(tmp_path, 'import sys\nprint("log", file=sys.stderr)\nprint("page")')
    assert (response.body, capsys.readouterr().err) == (b"page\n", "log\n")
    assert sys.stdout is before


@pytest.mark.parametrize("ending", ["raise SystemExit", "import sys; sys.exit(3)", "exit()"])
def test_system_exit_ends_the_script_in_order(tmp_path: Path, ending: str) -> None:
    """What was printed so far is the answer."""
    assert run(tmp_path, f"print('kept')\n{ending}\nprint('never')").body == b"kept\n"


def test_the_main_idiom_works(tmp_path: Path) -> None:
    """A script that also runs by itself."""
    assert run(tmp_path, "if __name__ == '__main__':\n    print(__file__)").body == f"{tmp_path}/page.pys\n".encode()


def test_an_exception_is_500_100_with_file_line_and_traceback(tmp_path: Path) -> None:
    """The traceback starts at the script, not in isapy; what was printed is dropped."""
    with pytest.raises(HttpError) as caught:
        run(tmp_path, "print('x')\ndef f():\n    return 1 / 0\nf()\n")
    error = caught.value
    assert (error.status, error.substatus) == (500, 100)
    assert error.detail.startswith(f"{tmp_path}/page.pys, line 4: ZeroDivisionError")
    assert "return 1 / 0" in error.detail
    assert "extensions/script.py" not in error.detail


@pytest.mark.parametrize(("source", "line"), [("a = 1\nif\n", 2), ("print('\n", 1), ("x\0y", None)])
def test_a_script_that_does_not_compile_is_500_100(tmp_path: Path, source: str, line: int | None) -> None:
    """With the line of the mistake; and the mended file works at once."""
    (tmp_path / "page.pys").write_text(source)
    with pytest.raises(HttpError) as caught:
        script.handle(make_request(tmp_path, "/page.pys"))
    assert (caught.value.status, caught.value.substatus) == (500, 100)
    if line:
        assert f"line {line}" in caught.value.detail
    assert run(tmp_path, "print('mended')").body == b"mended\n"


def test_a_refusal_by_the_script_passes_through(tmp_path: Path) -> None:
    """`raise HttpError` means the same as in any plugin."""
    with pytest.raises(HttpError) as caught:
        run(tmp_path, "from host.api import HttpError\nraise HttpError(404, 0, 'no such item')")
    assert (caught.value.status, caught.value.detail) == (404, "no such item")


def test_a_missing_script_is_404(tmp_path: Path) -> None:
    """Deleted between mapping and running."""
    with pytest.raises(HttpError) as caught:
        script.handle(make_request(tmp_path, "/gone.pys"))
    assert (caught.value.status, caught.value.substatus) == (404, 0)


def test_a_script_is_compiled_once_and_again_when_it_changes(tmp_path: Path) -> None:
    """Same code object while the file stays; a change of the same length within the same second counts."""
    assert run(tmp_path, "print(1)").body == b"1\n"
    request = make_request(tmp_path, "/page.pys")
    code = script.compiled(request.physical_path)
    assert script.compiled(request.physical_path) is code
    os.utime(tmp_path / "page.pys", ns=(1, 1))
    assert run(tmp_path, "print(2)").body == b"2\n"


def test_each_run_starts_with_fresh_names(tmp_path: Path) -> None:
    """Nothing of one request is seen by the next."""
    write(tmp_path / "page.pys", "print('seen' in globals())\nseen = True\n")
    for _ in range(2):
        assert script.handle(make_request(tmp_path, "/page.pys")).body == b"False\n"


def test_scripts_on_two_threads_do_not_mix_their_output(tmp_path: Path) -> None:
    """Both are inside the script at the same time, held there by a barrier."""
    write(
        tmp_path / "page.pys", "print(request.context['n'])\nrequest.context['b'].wait(60)\nprint(request.context['n'])"
    )
    barrier = threading.Barrier(2)
    bodies: dict[str, object] = {}

    def ask(name: str) -> None:
        request = make_request(tmp_path, "/page.pys")
        request.context.update(n=name, b=barrier)
        bodies[name] = script.handle(request).body

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert bodies == {"one": b"one\none\n", "two": b"two\ntwo\n"}


# --- modules beside the script -----------------------------------------------------------------------------------


def test_a_module_beside_the_script_is_found_and_its_print_answers(tmp_path: Path) -> None:
    """As with `python page.py`; sys.path and sys.modules show nothing of it under its plain name."""
    path_before = list(sys.path)
    write(tmp_path / "greeting.py", "import helper2\ndef greet(name): print('Hello', name, helper2.MARK)")
    write(tmp_path / "helper2.py", "MARK = '!'")
    assert run(tmp_path, "from greeting import greet\ngreet('you')").body == b"Hello you !\n"
    assert sys.path == path_before
    assert "greeting" not in sys.modules
    assert not list(tmp_path.rglob("*.pyc"))


def test_two_folders_may_have_modules_of_the_same_name(tmp_path: Path) -> None:
    """Each script gets the one beside it; a name of the standard library may be used, too."""
    for name in ("one", "two"):
        write(tmp_path / name / "json.py", f"WHO = '{name}'")
        assert run(tmp_path, "import json\nprint(json.WHO)", f"/{name}/page.pys").body == f"{name}\n".encode()
    assert hasattr(sys.modules["json"], "dumps")


def test_a_changed_module_is_loaded_again(tmp_path: Path) -> None:
    """Without recycling the worker, as with the script itself."""
    write(tmp_path / "db.py", "VALUE = 1")
    assert run(tmp_path, "import db\nprint(db.VALUE)").body == b"1\n"
    write(tmp_path / "db.py", "VALUE = 2")
    os.utime(tmp_path / "db.py", ns=(1, 1))
    assert run(tmp_path, "import db\nprint(db.VALUE)").body == b"2\n"


def test_packages_submodules_and_circles_work(tmp_path: Path) -> None:
    """`import a.b`, `from a import b`, relative imports, and two modules that import each other."""
    write(tmp_path / "shop" / "__init__.py", "NAME = 'shop'")
    write(tmp_path / "shop" / "cart.py", "from . import prices\nTOTAL = prices.ONE * 3")
    write(tmp_path / "shop" / "prices.py", "ONE = 7")
    write(tmp_path / "left.py", "import right\nX = 1")
    write(tmp_path / "right.py", "import left\ndef x(): return left.X")
    source = """
        import shop.cart
        from shop import prices, NAME
        import right, os.path
        print(shop.cart.TOTAL, prices.ONE, NAME, right.x(), os.path.basename("/a/b"))
    """
    assert run(tmp_path, source).body == b"21 7 shop 1 b\n"


def test_a_module_that_fails_is_tried_again(tmp_path: Path) -> None:
    """A half-loaded module is not kept; the error names the script and the module."""
    write(tmp_path / "broken.py", "VALUE = 1\nraise RuntimeError('not yet')")
    for _ in range(2):
        with pytest.raises(HttpError) as caught:
            run(tmp_path, "import broken")
        assert "RuntimeError: not yet" in caught.value.detail
        assert "broken.py" in caught.value.detail
    write(tmp_path / "broken.py", "VALUE = 1")
    assert run(tmp_path, "import broken\nprint(broken.VALUE)").body == b"1\n"


def test_a_missing_module_says_its_name(tmp_path: Path) -> None:
    """The usual ModuleNotFoundError inside the 500.100."""
    with pytest.raises(HttpError, match="No module named 'nowhere_to_be_found'"):
        run(tmp_path, "import nowhere_to_be_found")


def test_dataclasses_work_in_modules_beside_the_script(tmp_path: Path) -> None:
    """The standard library looks a class's module up in sys.modules: the private name must be there."""
    write(
        tmp_path / "items.py",
        """
        from __future__ import annotations
        from dataclasses import dataclass
        @dataclass
        class Item:
            name: str
        """,
    )
    assert run(tmp_path, "from items import Item\nprint(Item('x').name)").body == b"x\n"


def test_the_module_name_that_mappings_use() -> None:
    """`modules="ScriptModule"`."""
    assert script.module_names() == ("ScriptModule",)
