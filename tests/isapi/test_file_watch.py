"""Extensions and filters by file that are saved while they are loaded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from host.isapi.file_watch import FileWatch, stamp_of
from tests.native.compiling import build_text
from tests.native.native_site import write_native_site
from tests.running_service import running

pytestmark = pytest.mark.slow

EXTENSION = """
#include "httpext.h"
BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *version) { version->dwExtensionVersion = HSE_VERSION; return TRUE; }
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb) {
    DWORD size = sizeof("@TEXT@") - 1;
    return ecb->WriteClient(ecb->ConnID, "@TEXT@", &size, HSE_IO_SYNC) ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
}
BOOL WINAPI TerminateExtension(DWORD flags) { (void)flags; return TRUE; }
"""

FILTER = """
#include "httpfilt.h"
BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *version) {
    version->dwFilterVersion = HTTP_FILTER_REVISION;
    version->dwFlags = SF_NOTIFY_SEND_RESPONSE | SF_NOTIFY_NONSECURE_PORT;
    return TRUE;
}
DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *context, DWORD notification, VOID *data) {
    (void)notification; (void)data;
    context->AddResponseHeaders(context, "X-Filter: @TEXT@\\r\\n", 0);
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
"""


def build_beside(text: str, word: str, folder: Path, name: str) -> Path:
    """A new library, put into its place by a rename, as documented."""
    new = folder / "new"
    new.mkdir(exist_ok=True)
    place = folder / f"{name}.so"
    os.replace(build_text(text.replace("@TEXT@", word), new, name), place)
    return place


@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_a_library_that_is_saved_is_loaded_by_the_next_process(tmp_path: Path, mode: str) -> None:
    """Extension and filter; a worker is recycled, a dllhost unloaded. Inetinfo runs on, and says so."""
    extension = build_beside(EXTENSION, "first", tmp_path, "told")
    filter_file = build_beside(FILTER, "first", tmp_path, "marks")
    config = write_native_site(tmp_path, mode, extensions={"told": extension}, filters={"marks": filter_file})
    with running(tmp_path, config) as service:
        answer = service.get("/x.told")
        assert (answer.text, answer.headers["x-filter"]) == ("first", "first")
        build_beside(EXTENSION, "second", tmp_path, "told")
        service.wait_until_answered("/x.told", lambda: service.get("/x.told").text == "second")
        build_beside(FILTER, "second", tmp_path, "marks")
        if mode == "WorkerProcess":
            service.wait_until_answered("/x.told", lambda: service.get("/x.told").headers["x-filter"] == "second")
            service.wait_for_event("recycle-plugin-change", "told.so")
            service.wait_for_event("recycle-plugin-change", "marks.so")
        else:
            service.wait_for_event("application-unloaded", "told.so")
            service.wait_for_event("plugin-warning", "marks.so", "until isapy is restarted")


def test_a_saved_file_is_told_of_once_and_one_that_is_taken_away_is_not(tmp_path: Path) -> None:
    """What was saved between the stamp and the load counts, too."""
    saved, removed, kept = (tmp_path / name for name in ("saved.so", "removed.so", "kept.so"))
    for path in (saved, removed, kept):
        path.write_bytes(b"old")
    stamps = {str(path): stamp_of(str(path)) for path in (saved, removed, kept)}
    told: list[str] = []

    async def main() -> None:
        heard = asyncio.Event()

        def report(files: Sequence[str]) -> None:
            told.extend(files)
            heard.set()

        watch = FileWatch(report)
        saved.write_bytes(b"newer")
        removed.unlink()
        for path, stamp in stamps.items():
            watch.add(path, stamp)
        await asyncio.wait_for(heard.wait(), 90)
        heard.clear()
        kept.write_bytes(b"newer, too")
        await asyncio.wait_for(heard.wait(), 90)
        watch.close()

    asyncio.run(main())
    assert told == [str(saved), str(kept)]
