"""Native extensions in a real service, in both process models: the contract, its samples, and misuse."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.native.compiling import LIBRARIES, SAMPLES, build
from tests.native.native_site import write_native_site
from tests.running_service import RunningService, free_port, read_answer, running, wait_until
from tests.tls import authority, client_context, client_pair, connect, server_pair

pytestmark = pytest.mark.slow


def build_many(folder: Path, *arguments: str) -> Path:
    (folder / "trace.txt").touch()
    return build(LIBRARIES / "many.c", folder, f'-DTRACE="{folder / "trace.txt"}"', *arguments)


@pytest.fixture(scope="module", params=["WorkerProcess", "IIS5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A site of native extensions; in IIS 5 isolation mode they run in the pooled dllhost."""
    folder = tmp_path_factory.mktemp("native")
    libraries = {
        "many": build_many(folder),
        "form": build(SAMPLES / "form_echo.c", folder),
        "copy": build(SAMPLES / "async_copy.c", folder),
    }
    for name in ("refused", "quick"):
        (folder / name).mkdir()
    libraries["single"] = libraries["many"]
    libraries["quick"] = build_many(folder / "quick", "-DQUICK")
    refused = {"refused": build(SAMPLES / "form_echo.c", folder / "refused")}
    config = write_native_site(folder, request.param, extensions=libraries, refused=refused)
    with running(folder, config) as running_service:
        yield running_service
    assert (folder / "trace.txt").read_text().split("\n")[-2] == "terminate 2"


def traced(service: RunningService) -> str:
    return (service.folder / "trace.txt").read_text()


def many(service: RunningService, what: str, **options: object) -> str:
    answer = service.get(f"/x.many?{what}", **options)  # type: ignore[arg-type]
    assert answer.status == 200, answer.text
    return answer.text


def test_the_block_has_its_fields_and_the_version_call_comes_once(service: RunningService) -> None:
    """At C's offsets, with the strings of this request."""
    text = many(service, "fields")
    translated = service.folder / "wwwroot" / "x.many"
    assert text == f"192 70005 GET [fields] [/x.many] [{translated}] 0 0 [] 1\n"
    posted = service.get("/x.many?fields", {"Content-Type": "text/x"}, method="POST", body=b"abc").text
    assert posted == f"192 70005 POST [fields] [/x.many] [{translated}] 3 3 [text/x] 1\n"


def test_variables_come_with_their_nul_and_fail_with_the_published_codes(service: RunningService) -> None:
    """Present, unknown, absent; a buffer too small, exact, and UTF-16."""
    lines = many(service, "variables", headers={"X-Test": "yes"}).splitlines()
    assert lines == [
        "REQUEST_METHOD=GET 4",
        "SERVER_PROTOCOL=HTTP/1.1 9",
        "HTTP_X_TEST=yes 4",
        "APPL_MD_PATH=/LM/W3SVC/1/ROOT 17",
        "NO_SUCH!1413",
        "HTTP_NONE!1413",
        "short 0 122 4",
        "exact 1 4",
        "wide 1 8 GET 0",
    ]


def test_head_is_answered_without_a_body(service: RunningService) -> None:
    """With the length that GET's answer has."""
    head = service.get("/x.many?hello", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert service.get("/x.many?hello").text == "hello from C\n"


def test_large_bodies_pass_in_both_directions(service: RunningService) -> None:
    """Eight megabytes in, ten out, without anybody holding them."""
    body = bytes(range(256)) * 32768
    assert many(service, "count", method="POST", body=body) == f"{len(body)} {sum(range(256)) * 32768} {len(body)}\n"
    assert service.get("/x.many?stream").body == b"x" * 65536 * 160


def test_a_chunked_body_has_no_length(service: RunningService) -> None:
    """cbTotalBytes is 0xFFFFFFFF, and ReadClient ends with 0 bytes."""
    with service.connect() as connection:
        head = b"POST /x.many?count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")  # so the request is there before its body
        connection.sendall(b"3\r\n\x01\x01\x01\r\n0\r\n\r\n")
        answer = connection.recv(65536)
    assert answer.endswith(b"3 3 4294967295\n")


def test_a_client_that_leaves_fails_the_write_with_its_code(service: RunningService) -> None:
    """WriteClient returns FALSE and 64; the proc ends, and nobody else notices."""
    with service.connect() as connection:
        connection.sendall(b"GET /x.many?stream HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(1024)
    wait_until(lambda: "write failed 64" in traced(service), service.folder, "the failed write")
    assert many(service, "hello") == "hello from C\n"


def test_every_support_function_speaks_its_structure(service: RunningService) -> None:
    """Of those that keep no state; what is not supported fails with 120."""
    in_process = "0" if "worker DefaultAppPool#1" in service.titles() else "2"
    assert many(service, "supported").splitlines() == [
        "map 1 1 0",
        "map short 0 122",
        "mapex 1 1 1",
        "wide 1 /",
        "connected 1 1",
        "keep 1 1",
        f"process 1 {in_process}",
        "normal 1 /a/c",
        "token 1 1",
        "fragment 1 4 kept",
        "removed 1 0 2",
        "trace 1 0",
        "no child 0 87",
        "certificate 0 232",
        "refused 0 120",
        "no flag 0 87",
    ]
    service.site_log("logged-by-c", "and-log-data", " 206 ")


@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_the_clients_certificate_is_put_where_the_library_has_room(tmp_path: Path, mode: str) -> None:
    """HSE_REQ_GET_CERT_INFO_EX: 122 and the length without room; then the certificate itself."""
    pair, clients = server_pair(tmp_path, "localhost"), authority(tmp_path)
    alice = client_pair(tmp_path, clients)
    config = write_native_site(tmp_path, mode, extensions={"many": build_many(tmp_path)})
    port = free_port()
    binding = (
        f'<binding protocol="https" bindingInformation="127.0.0.1:{port}:" certificateFile="{pair.certificate}" '
        f'certificateKeyFile="{pair.key}" clientCertificateAuthorities="{clients.certificate}" />'
    )
    config.write_text(config.read_text().replace("</bindings>", f"{binding}</bindings>"))
    with running(tmp_path, config), connect(port, client_context(pair, alice)) as connection:
        connection.sendall(b"GET /x.many?certificate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = read_answer(connection).text
    raw = ssl.PEM_cert_to_DER_cert(alice.certificate.read_text())
    assert text == f"without room 0 122 1\nwith room 1 {len(raw)} 1 1 {raw.hex()}"


def test_files_vectors_children_and_redirects(service: RunningService) -> None:
    """Structures with pointers, files as descriptors, completion callbacks of their own."""
    vector = service.get("/x.many?vector")
    assert (vector.status, vector.text) == (203, "first file. last")
    assert many(service, "transmit") == "23456<end>"
    wait_until(lambda: "transmitted 10 0" in traced(service), service.folder, "the completion")
    assert many(service, "exec") == "a page of text\n"
    wait_until(lambda: "child 200 0" in traced(service), service.folder, "the child's completion")
    redirect = service.get("/x.many?redirect")
    assert (redirect.status, redirect.headers["location"]) == (302, "/page.txt")
    assert service.get("/x.many?custom").status == 404


def test_a_session_ends_on_a_thread_of_the_library_before_or_after_the_proc(service: RunningService) -> None:
    """HSE_STATUS_PENDING, and HSE_REQ_DONE_WITH_SESSION from a thread that Python has never seen."""
    for what in ("thread", "early") * 5:
        assert many(service, what) == "from a thread of the library\n"


def test_the_samples_answer(service: RunningService) -> None:
    """The form, what is typed into it, and the asynchronous copy of four megabytes."""
    assert "<form" in service.get("/a.form").text
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    echo = service.get("/a.form", form, method="POST", body=b"name=J%C3%B6rg+%3Cb%3E&empty=")
    assert "<dt>name<dd>Jörg &lt;b&gt;\n<dt>empty<dd>\n" in echo.text
    assert service.get("/a.form", form, method="POST", body=b"x" * 70000).status == 413
    data = bytes(range(256)) * 16384
    assert service.get("/a.copy", method="POST", body=data).body == data
    assert service.get("/a.copy", method="POST", body=b"").body == b""


def test_misuse_fails_with_codes_and_hurts_nobody(service: RunningService) -> None:
    """A block after its end, NULL where something is needed, a ConnID of nobody, results that there are not."""
    many(service, "die")
    assert many(service, "dead") == "0 87 87 87 87 GET\n"
    assert many(service, "nonsense") == "0 87 87 87 87 120\n"
    assert service.get("/x.many?nothing").status == 204
    for what in ("error", "strange"):
        assert service.get(f"/x.many?{what}").status == 500


def test_a_library_that_is_not_allowed_is_refused(service: RunningService) -> None:
    """isapiCgiRestriction: 404.2, and it is never loaded."""
    assert service.get("/a.refused").status == 404
    service.site_log("/a.refused", " 404 2 ")


@pytest.mark.parametrize("name", ["quick", "single"])
def test_a_proc_keeps_the_contract_on_the_event_loop(service: RunningService, name: str) -> None:
    """Because it says that it is quick, or its mapping wants the main thread: the same answers without a thread."""

    def quick(what: str) -> str:
        return service.get(f"/x.{name}?{what}").text

    assert service.get(f"/x.{name}?hello", method="POST", body=b"a body").text == "hello from C\n"
    assert quick("hello") == "hello from C\n"
    assert service.get(f"/x.{name}?hello", method="HEAD").body == b""
    assert quick("fields").split()[:3] == ["192", "70005", "GET"]
    assert quick("variables").splitlines()[4:] == many(service, "variables").splitlines()[4:]
    assert len(service.get(f"/x.{name}?stream").body) == 65536 * 160  # beyond what is kept, and nothing waits
    for what in ("thread", "early") * 5:
        assert quick(what) == "from a thread of the library\n"
    assert quick("transmit") == "23456<end>"
    supported = quick("supported").splitlines()
    assert supported == many(service, "supported").splitlines()
    assert {"connected 1 1", "keep 1 1", "normal 1 /a/c", "fragment 1 4 kept", "refused 0 120"} < set(supported)
    service.site_log(f"/x.{name}", "logged-by-c", "and-log-data", " 206 ")
    assert service.get(f"/x.{name}?nothing").status == 204
    quick("die")
    assert quick("dead") == "0 87 87 87 87 GET\n"
    for what in ("error", "strange"):
        assert service.get(f"/x.{name}?{what}").status == 500
