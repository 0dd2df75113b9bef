"""Django and FastAPI as their users know them, at a site's root and mounted below a path, in both process models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.python_apps.site import DATA, Application, PythonSite, wait_for_text
from tests.running_service import RunningService, running

pytestmark = pytest.mark.slow

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module", params=["workerprocess", "iis5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    site = PythonSite(
        folder,
        [
            Application("/", "fastapi_notes", "notes:app", "AsgiModule", "Notes", isolation="Low"),
            Application("/shop", "django_shop", "shop:application", pool="Shop", isolation="High"),
            Application("/notes", "fastapi_notes", "notes:app", "AsgiModule", "More", isolation="Medium"),
        ],
    )
    with running(folder, site.write(), "--isolation", request.param) as started:
        yield started


def test_django_serves_forms_uploads_files_and_streams_below_a_path(service: RunningService) -> None:
    """Links hold the mount point; a file goes by its descriptor; a view that fails is Django's own page."""
    assert "action=/shop/order" in service.get("/shop/").text
    answer = service.get("/shop/order", FORM, method="POST", body=b"name=Anna%20B")
    assert (answer.status, answer.text) == (201, "POST Anna B 0 at /shop/order")
    boundary = b"--x\r\n"
    field = b'Content-Disposition: form-data; name="name"\r\n\r\nBob\r\n'
    file = (
        b'Content-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n' + bytes(5_000_000) + b"\r\n--x--\r\n"
    )
    upload = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = service.get("/shop/order", upload, method="POST", body=boundary + field + boundary + file)
    assert answer.text == "POST Bob 5000000 at /shop/order"
    assert service.get("/shop/stream").text == "line 0\nline 1\nline 2\n"
    source = (DATA / "django_shop" / "shop.py").read_bytes()
    answer = service.get("/shop/download")
    assert (answer.body, answer.headers["content-length"]) == (source, str(len(source)))
    assert service.get("/shop/fail").status == 500


@pytest.mark.parametrize("base", ["", "/notes"])
def test_fastapi_serves_its_lifespan_forms_files_and_streams(service: RunningService, base: str) -> None:
    """At the root and below a path: state, URLs, validation, background work, threads of its own."""
    started = json.loads(service.get(f"{base}/").body)
    assert started["notes"] == ["made at the start"]
    assert started["url"] == f"http://127.0.0.1:{service.port}{base}/download"
    answer = service.get(f"{base}/form", FORM, method="POST", body=b"text=second")
    assert (answer.status, json.loads(answer.body)) == (201, {"count": 2})
    wait_for_text(service, f"{base}/", '"sent":["second"]')
    posted = service.get(f"{base}/json", {"Content-Type": "application/json"}, method="POST", body=b'{"text": "a"}')
    assert json.loads(posted.body) == {"text": "a", "on_the_main_thread": False}
    assert service.get(f"{base}/json", method="POST", body=b"{}").status == 422
    assert service.get(f"{base}/download").body == (DATA / "fastapi_notes" / "notes.py").read_bytes()
    assert service.get(f"{base}/stream").text == "line 0\nline 1\nline 2\n"
    assert json.loads(service.get(f"{base}/openapi.json").body)["info"]["title"] == "FastAPI"
    assert service.get(f"{base}/fail").status == 500
    service.wait_for_event("an endpoint fails")
