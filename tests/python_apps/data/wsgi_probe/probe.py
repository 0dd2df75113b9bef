"""A WSGI application that shows what its server does. PATH_INFO says what."""

import asyncio
import io
import json
import os
import sys
import threading
from wsgiref.validate import validator

released = threading.Event()
closed = []


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/").partition("/")[0]
    return PAGES[name](environ, start_response)


def show_environ(environ, start_response):
    shown = {name: value for name, value in environ.items() if isinstance(value, str | bool | tuple)}
    shown["cwd"] = os.getcwd()
    return answer(start_response, json.dumps(shown).encode(), "application/json")


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    return answer(start_response, body, environ.get("CONTENT_TYPE") or "application/octet-stream")


def lines(environ, start_response):
    stream = environ["wsgi.input"]
    parts = [stream.readline(), stream.readline(3), stream.read(2), *stream]
    return answer(start_response, json.dumps([part.decode() for part in parts]).encode())


class Pieces:
    """Says on which threads it was iterated and closed."""

    def __init__(self, pieces):
        self.pieces = iter(pieces)
        self.threads = {threading.get_ident()}

    def __iter__(self):
        return self

    def __next__(self):
        self.threads.add(threading.get_ident())
        return next(self.pieces)

    def close(self):
        self.threads.add(threading.get_ident())
        closed.append(len(self.threads))


def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])

    def pieces():
        yield b"first\n"
        released.wait(60)
        yield b"second\n"

    return Pieces(pieces())


def stream_to_the_end(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])

    def pieces():
        yield b"first\n"
        yield b""
        with open("released.fifo") as pipe:  # blocks until the client has the first line and opens it
            pipe.read()
        yield b"second\n"

    return Pieces(pieces())


def where(environ, start_response):
    async def compute():
        return "a loop of its own"

    environ["wsgi.input"].read()
    is_main = threading.current_thread() is threading.main_thread()
    try:
        asyncio.get_running_loop()
        loop = "the worker's loop"
    except RuntimeError:
        loop = asyncio.run(compute())
    return answer(start_response, json.dumps([is_main, loop]).encode())


def release(environ, start_response):
    released.set()
    return answer(start_response, b"released")


def endless(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])

    def pieces():
        while True:
            yield bytes(10000)

    return Pieces(pieces())


def what_was_closed(environ, start_response):
    return answer(start_response, json.dumps(closed).encode())


def write(environ, start_response):
    out = start_response("201 Made here", [("Content-Type", "text/plain"), ("X-A", "1"), ("X-A", "2")])
    out(b"written ")
    return [b"and ", b"returned"]


def file(environ, start_response):
    opened = open(__file__, "rb")
    opened.seek(4)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](opened, 1000)


def memory_file(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 100_000), 1000)


def error_before(environ, start_response):
    raise RuntimeError("before the head")


def error_after(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begun"
    raise RuntimeError("after the head")


def exc_info(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Old", "1")])
    try:
        raise ValueError("found in time")
    except ValueError:
        start_response("503 Later", [("Content-Type", "text/plain")], sys.exc_info())
    return [b"the page of an error"]


def no_start(environ, start_response):
    return [b"x"]


def text_body(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["text"]


def numbers(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return b"text"


def leave(environ, start_response):
    sys.exit(3)


def interrupt(environ, start_response):
    raise KeyboardInterrupt


class ClosesInVain:
    def __iter__(self):
        yield b"whole"

    def close(self):
        raise LookupError("too late")


def close_fails(environ, start_response):
    length = [("Content-Length", "5")] if environ["QUERY_STRING"] else []
    start_response("200 OK", [("Content-Type", "text/plain"), *length])
    return ClosesInVain()


def complain(environ, start_response):
    print("something is odd", file=environ["wsgi.errors"])
    environ["wsgi.errors"].write("no line end")
    return answer(start_response, b"complained")


def answer(start_response, body, content_type="text/plain"):
    start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
    return [body]


@validator
def validated(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) or b"nothing"
    environ["wsgi.errors"].flush()
    if environ["PATH_INFO"].endswith("/pieces"):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return iter([b"one ", b"two"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


PAGES = {
    "": show_environ,
    "environ": show_environ,
    "api": show_environ,
    "echo": echo,
    "lines": lines,
    "stream": stream,
    "stream-to-the-end": stream_to_the_end,
    "where": where,
    "release": release,
    "endless": endless,
    "closed": what_was_closed,
    "write": write,
    "file": file,
    "memory-file": memory_file,
    "error-before": error_before,
    "error-after": error_after,
    "exc-info": exc_info,
    "no-start": no_start,
    "text-body": text_body,
    "numbers": numbers,
    "exit": leave,
    "interrupt": interrupt,
    "close-fails": close_fails,
    "complain": complain,
    "validated": validated,
}
