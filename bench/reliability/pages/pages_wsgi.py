"""The pages of the chaos suite's load as a plain WSGI application, for gunicorn and uWSGI."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

LINES = 12
LINE_SECONDS = 0.02
WAIT_SECONDS = 0.2
FILE = Path(__file__).resolve().parent / "wwwroot" / "content.bin"
Environ = dict[str, object]


def page(_environ: Environ, number: int) -> Iterable[bytes]:
    return [f"page {number}\n".encode() * (1 + number % 40)]


def wait(_environ: Environ, number: int) -> Iterable[bytes]:
    time.sleep(WAIT_SECONDS)
    return [f"waited {number}\n".encode()]


def digest(environ: Environ, number: int) -> Iterable[bytes]:
    stream = environ["wsgi.input"]
    whole = stream.read(int(str(environ["CONTENT_LENGTH"])))  # type: ignore[attr-defined]
    return [f"{number} {len(whole)} {hashlib.sha256(whole).hexdigest()}\n".encode()]


def stream(_environ: Environ, number: int) -> Iterator[bytes]:
    for index in range(LINES):
        yield f"line {index} of {number}\n".encode()
        time.sleep(LINE_SECONDS)
    yield f"end of {number}\n".encode()


def content(_environ: Environ, _number: int) -> Iterable[bytes]:
    return [FILE.read_bytes()]


PAGES = {"/page": page, "/wait": wait, "/digest": digest, "/stream": stream, "/content.bin": content}


def application(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
    """WSGI's entry point."""
    number = int(str(environ["QUERY_STRING"]).removeprefix("n="))
    body = PAGES[str(environ["PATH_INFO"])](environ, number)
    fields = [("Content-Type", "text/plain")]
    if isinstance(body, list):
        fields.append(("Content-Length", str(len(body[0]))))
    start_response("200 OK", fields)
    return body
