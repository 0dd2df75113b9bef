"""Libraries that end their process, hang, or cannot be loaded: who is hurt, and what is told."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from host.admin.commands import ListRequests, Requests
from tests.native.compiling import build_text
from tests.native.native_site import write_native_site
from tests.native.test_extensions import build_many
from tests.running_service import Answer, RunningService, running, wait_until

pytestmark = pytest.mark.slow
POST = b"POST /x.many?%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


def ask(service: RunningService, what: str) -> bytes:
    """A request that is not replayed, and whatever comes back."""
    with service.connect() as connection:
        connection.sendall(POST % what.encode())
        return connection.recv(65536)


@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_a_crash_takes_its_process_only_and_names_library_request_and_signal(tmp_path: Path, mode: str) -> None:
    """In the proc, through a wild pointer, on a thread of the library, by _exit: 502 each time, and then an answer."""
    library = build_many(tmp_path)
    config = write_native_site(tmp_path, mode, extensions={"many": library})
    event = "worker-died" if mode == "WorkerProcess" else "process-died"
    with running(tmp_path, config) as service:
        front = service.pid_of("listener" if mode == "WorkerProcess" else "inetinfo")
        for what, statuses in (
            ("crash", [-signal.SIGSEGV]),
            ("null", [-signal.SIGSEGV]),
            # Whoever looks at the stacks of threads that run, as the interpreter's fault handler does, may stumble.
            ("abort-thread", [-signal.SIGABRT, -signal.SIGSEGV]),
            ("exit", [7]),
        ):
            assert ask(service, what).startswith(b"HTTP/1.1 502 "), what
            line = service.wait_for_event(event, f"x.many?{what} ", "HttpExtensionProc", "status=")
            assert any(f"status={int(status)} " in line for status in statuses), line
            assert f"library={library}" in line
            assert "request=" in line
            assert service.get("/x.many?hello").text == "hello from C\n"
        assert service.pid_of("listener" if mode == "WorkerProcess" else "inetinfo") == front


def test_a_crash_while_a_library_is_loaded_names_it(tmp_path: Path) -> None:
    """A constructor runs before anybody could ask it anything."""
    library = build_many(tmp_path, "-DCRASH_AT_LOAD")
    config = write_native_site(tmp_path, "WorkerProcess", extensions={"many": library})
    with running(tmp_path, config) as service:
        assert ask(service, "hello").startswith(b"HTTP/1.1 502 ")
        line = service.wait_for_event("worker-died", "(dlopen)")
        assert f"library={library}" in line
        assert service.get("/page.txt").status == 200


def test_a_proc_that_hangs_holds_its_thread_alone_and_is_seen(tmp_path: Path) -> None:
    """Others are answered meanwhile; its request ends with requestTimeLimit, its worker is replaced."""
    library = build_many(tmp_path)
    config = write_native_site(
        tmp_path,
        "WorkerProcess",
        extensions={"many": library},
        pool='<processModel requestTimeLimit="00:00:02" shutdownTimeLimit="00:00:02" />',
    )
    with running(tmp_path, config) as service, service.connect() as hanging, service.connect() as pending:
        hanging.sendall(POST % b"hang")  # the library is loaded for it
        wait_until(lambda: "hangs" in (tmp_path / "trace.txt").read_text(), tmp_path, "the hanging proc")
        pending.sendall(POST % b"pending")
        assert service.get("/x.many?hello").text == "hello from C\n"
        assert hanging.recv(65536).startswith(b"HTTP/1.1 50")
        assert pending.recv(65536).startswith(b"HTTP/1.1 50")
        service.wait_for_event("request-time-limit", "hang")


def test_an_everyday_call_that_hangs_is_told_with_its_library(tmp_path: Path) -> None:
    """It has neither a session nor a coroutine, and its thread shows no plugin's file: the library is named all the
    same, where it is listed, in the page's event, and as the reason why its worker is replaced."""
    library = build_many(tmp_path)
    limit = '<processModel requestTimeLimit="00:00:02" shutdownTimeLimit="00:00:02" />'
    config = write_native_site(tmp_path, "WorkerProcess", extensions={"many": library}, pool=limit)
    with running(tmp_path, config) as service, service.connect() as hanging:
        assert service.get("/x.many?hello").text == "hello from C\n"
        hanging.sendall(b"GET /x.many?hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: "hangs" in (tmp_path / "trace.txt").read_text(), tmp_path, "the hanging proc")
        reply = service.ask(ListRequests())
        assert isinstance(reply, Requests)
        assert [row.current_module for row in reply.rows] == [str(library)]
        assert hanging.recv(65536).startswith(b"HTTP/1.1 504 ")
        assert f"plugin={library}" in service.wait_for_event("request-time-limit", "hang")
        assert f"it is in {library}.http_extension_proc" in service.wait_for_event(
            "recycle-unhealthy", "cannot be ended"
        )


def detail(answer: Answer) -> str:
    assert answer.status == 500
    return answer.text.replace("&#39;", "'").replace("&#x27;", "'").replace("&quot;", '"')


def test_what_cannot_be_loaded_answers_500_with_the_cause_and_the_remedy(tmp_path: Path) -> None:
    """No export, an unresolved symbol, a DLL of Windows, another machine's, a refusal; each is tried again later."""
    folders = {name: tmp_path / name for name in ("unresolved", "refusing")}
    for folder in folders.values():
        folder.mkdir()
    windows, garbage = tmp_path / "old.dll", tmp_path / "garbage.so"
    windows.write_bytes(b"MZ" + bytes(200))
    garbage.write_bytes(b"\x7fELF\x01" + bytes(200))
    libraries = {
        "empty": build_text("int nothing;\n", tmp_path, "empty"),
        "unresolved": build_many(folders["unresolved"], "-DUNRESOLVED"),
        "refusing": build_many(folders["refusing"], "-DREFUSES"),
        "old": windows,
        "garbage": garbage,
    }
    config = write_native_site(tmp_path, "WorkerProcess", extensions=libraries)
    with running(tmp_path, config) as service:
        assert service.get("/page.txt").status == 200
        maps = Path(f"/proc/{service.pid_of('worker DefaultAppPool#1')}/maps")
        assert "_cffi_backend" not in maps.read_text()  # paid for by those that run native code, and by nobody else
        assert "does not export GetExtensionVersion" in detail(service.get("/x.empty"))
        assert "_cffi_backend" in maps.read_text()
        unresolved = detail(service.get("/x.unresolved"))
        assert "undefined symbol: nobody_defines_this" in unresolved
        assert "isapy cc many.c -lNAME" in unresolved
        refusing = detail(service.get("/x.refusing"))
        assert "returned FALSE (its last error is 5)" in refusing
        assert "DLL of Windows" in detail(service.get("/x.old"))
        assert "no library for this machine" in detail(service.get("/x.garbage"))
        service.wait_for_event("plugin-failed", "garbage.so")
        good = tmp_path / "good.so"
        build_text(
            "#include <httpext.h>\n"
            "BOOL GetExtensionVersion(HSE_VERSION_INFO *v) { v->dwExtensionVersion = HSE_VERSION; return TRUE; }\n"
            "DWORD HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) { e->dwHttpStatusCode = 202; return 1; }\n",
            tmp_path,
            "good",
        )
        good.replace(garbage)
        assert service.get("/x.garbage").status == 202
