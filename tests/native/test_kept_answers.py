"""What a library keeps by itself while its proc runs: the same answers as without, on threads and on the event loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from host.api.isapi import HSE_STATUS_ERROR, HSE_STATUS_SUCCESS
from host.isapi.response_head import parse_head
from host.native.blocks import make_callbacks, template
from host.native.front import front_of, new_block
from host.native.library import Library
from host.native.support import server_support_function
from host.worker.black_box import BlackBox
from tests.native.compiling import LIBRARIES, build
from tests.native.native_site import write_native_site
from tests.running_service import RunningService, running

pytestmark = pytest.mark.slow

BUILDS = {
    "kept": (),
    "keptquick": ("-DQUICK",),
    "plain": ("-DISAPY_NO_FRONT",),
    "plainquick": ("-DQUICK", "-DISAPY_NO_FRONT"),
}


@pytest.fixture(scope="module", params=["WorkerProcess", "IIS5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One source, four ways to be called."""
    folder = tmp_path_factory.mktemp("kept")
    libraries: dict[str, Path] = {}
    for name, arguments in BUILDS.items():
        (folder / name).mkdir()
        libraries[name] = build(LIBRARIES / "kept.c", folder / name, *arguments)
    libraries["single"] = libraries["kept"]
    with running(folder, write_native_site(folder, request.param, extensions=libraries)) as running_service:
        yield running_service


@pytest.mark.parametrize("name", [*BUILDS, "single"])
def test_every_order_of_calls_gives_the_same_answer(service: RunningService, name: str) -> None:
    """Asked three times: a head is learnt with the first answer, and kept by the library from then on."""
    long = "".join(letter * 3000 for letter in "abcde")  # more than a library keeps
    expected = {
        "thread": "abc",  # a thread of the library writes while the proc waits for it
        "long": long,
        "variable": "[it]",
        "function": "before after",
        "asynchronous": "x0",
        "twice": "0 87",
        "broken": "0 87",
        "none": "",
        "error": "a page of its own",
    }
    for _ in range(3):
        for what, text in expected.items():
            answer = service.get(f"/x.{name}?{what}", {"X-Said": "it"})
            assert (what, answer.status, answer.headers.get("x-kept"), answer.text) == (what, 200, "1", text)
        old = service.get(f"/x.{name}?old")
        assert (old.status, old.headers.get("x-old"), old.text) == (202, "1", "old")
    service.site_log(f"/x.{name}", "kept-and-logged")


@pytest.mark.parametrize("name", [*BUILDS, "single"])
def test_more_heads_than_a_library_keeps_are_all_sent(service: RunningService, name: str) -> None:
    """Those that it knows and those that it does not, each its own."""
    for _ in range(2):
        for number in range(20):
            answer = service.get(f"/x.{name}?head-{number}")
            assert (answer.headers.get("x-number"), answer.text) == (str(number), "number")


def test_a_known_head_and_its_body_never_reach_isapys_callbacks(tmp_path: Path) -> None:
    """The call is made here: number 999 is no request's, so whatever went to a callback would have failed."""
    make_callbacks(server_support_function)
    library = Library(str(build(LIBRARIES / "kept.c", tmp_path)), BlackBox(lambda _descriptor: None))
    front = front_of(library, template())
    assert front is not None
    known = parse_head(b"202 Accepted", b"X-Old: 1\r\n\r\n")
    texts = (b"GET", b"old", b"/", b"/", b"")
    proc = library.required("HttpExtensionProc")

    def call(room: int) -> tuple[int, object, bytes]:
        kept = front.borrow(room)
        struct, _memory = new_block(texts)
        status = front.call(kept, 999, struct, texts, proc)
        return status, front.take(kept, is_running=False), kept.body

    assert call(100) == (HSE_STATUS_ERROR, None, b"")
    front.learn(b"202 Accepted", b"X-Old: 1\r\n\r\n", known, keeps=True)
    assert call(100) == (HSE_STATUS_SUCCESS, known, b"old")
    assert call(2) == (HSE_STATUS_ERROR, known, b"")
    (tmp_path / "plain").mkdir()
    plain = build(LIBRARIES / "kept.c", tmp_path / "plain", "-DISAPY_NO_FRONT")
    assert front_of(Library(str(plain), BlackBox(lambda _descriptor: None)), template()) is None
