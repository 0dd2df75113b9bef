"""The conformance application, without any contract: a generator that says what is to be done next.

It yields ("begin", status, fields), ("send", bytes), ("read",), for which it is sent a piece of the request's body
(empty at its end), and ("wait", path): go on when that file exists. The drivers below carry this out for contracts
that call and for those that await. The site has it as `conformance_application`: it imports nothing of isapy.

`?action=` facts: what is known of the request. stream: two pieces, between them a wait for `until`. endless: no end.
silent: a piece, then nothing. digest: of the body. echo: the body, as it comes. ignore: an answer, the body unread.
down: `size` bytes, with their length or (`chunked=1`) without. error: before the response begins. error_after: behind
a piece. status: `code`. fields: `count` of them. empty: no body.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

Facts = dict[str, Any]
Query = dict[str, str]
Steps = Generator[tuple[Any, ...], Any, None]
Fields = list[tuple[str, str]]

PATIENCE_SECONDS = 120
PIECE = bytes(range(256)) * 256
TEXT = ("Content-Type", "text/plain; charset=utf-8")
FAILURE = "the conformance application fails on purpose"


def application(facts: Facts) -> Steps:
    """What to do for a request; `facts` has method, script_name, path_info, query and fields (names in lower case)."""
    query = dict(parse_qsl(facts["query"]))
    yield from ACTIONS[query["action"]](facts, query)


def tell_facts(facts: Facts, query: Query) -> Steps:
    told = {**facts, "fields": {name: value for name, value in facts["fields"].items() if name.startswith("x-")}}
    yield "begin", 200, [("Content-Type", "application/json")]
    yield "send", json.dumps(told).encode()


def stream(facts: Facts, query: Query) -> Steps:
    yield "begin", 200, [TEXT]
    yield "send", b"one\n"
    yield "wait", query["until"]
    yield "send", b"two\n"


def endless(facts: Facts, query: Query) -> Steps:
    yield "begin", 200, [TEXT]
    while True:
        yield "send", PIECE


def silent(facts: Facts, query: Query) -> Steps:
    yield "begin", 200, [TEXT]
    yield "send", b"begun\n"
    yield "wait", "/no/such/file"


def digest(facts: Facts, query: Query) -> Steps:
    found, length = hashlib.sha256(), 0
    while piece := (yield ("read",)):
        found.update(piece)
        length += len(piece)
    yield "begin", 200, [("Content-Type", "application/json")]
    yield "send", json.dumps({"sha256": found.hexdigest(), "length": length}).encode()


def echo(facts: Facts, query: Query) -> Steps:
    yield "begin", 200, [("Content-Type", "application/octet-stream")]
    while piece := (yield ("read",)):
        yield "send", piece


def ignore(facts: Facts, query: Query) -> Steps:
    yield "begin", 200, [TEXT]
    yield "send", b"ignored\n"


def down(facts: Facts, query: Query) -> Steps:
    size = int(query["size"])
    length = [] if query.get("chunked") else [("Content-Length", str(size))]
    yield "begin", 200, [("Content-Type", "application/octet-stream"), *length]
    for at in range(0, size, len(PIECE)):
        yield "send", PIECE[: size - at]


def error(facts: Facts, query: Query) -> Steps:
    raise RuntimeError(FAILURE)
    yield ()  # type: ignore[unreachable]  # it is a generator, too


def error_after(facts: Facts, query: Query) -> Steps:
    yield "begin", 200, [TEXT]
    yield "send", b"begun\n"
    yield "wait", query["until"]
    raise RuntimeError(FAILURE)


def status(facts: Facts, query: Query) -> Steps:
    code = int(query["code"])
    yield "begin", code, [TEXT]
    if code not in (204, 304):
        yield "send", b"status %d\n" % code


def many_fields(facts: Facts, query: Query) -> Steps:
    own = [(f"X-Out-{number}", "v" * 40) for number in range(int(query["count"]))]
    yield "begin", 200, [TEXT, *own, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    yield "send", str(sum(name.startswith("x-in-") for name in facts["fields"])).encode()


def empty(facts: Facts, query: Query) -> Steps:
    yield "begin", 200, [TEXT]


ACTIONS = {
    "facts": tell_facts,
    "stream": stream,
    "endless": endless,
    "silent": silent,
    "digest": digest,
    "echo": echo,
    "ignore": ignore,
    "down": down,
    "error": error,
    "error_after": error_after,
    "status": status,
    "fields": many_fields,
    "empty": empty,
}


# --- drivers ---------------------------------------------------------------------------------------------------------


def begin(facts: Facts, read: Callable[[], bytes]) -> tuple[int, Fields, Iterator[bytes]]:
    """For contracts that call: status, fields, and an iterator of the body's pieces; `read()` gives the next piece of
    the request's body."""
    steps = application(facts)
    head: tuple[Any, ...] | None = None
    answer: bytes | None = None
    while head is None:
        step = steps.send(answer)
        answer = None
        if step[0] == "begin":
            head = step
        elif step[0] == "read":
            answer = read()
    return head[1], head[2], _rest(steps, read)


def _rest(steps: Steps, read: Callable[[], bytes]) -> Iterator[bytes]:
    answer: bytes | None = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration:
            return
        answer = None
        if step[0] == "send":
            yield step[1]
        elif step[0] == "read":
            answer = read()
        else:
            wait_for(step[1])


async def begin_async(facts: Facts, read: Callable[[], Awaitable[bytes]]) -> tuple[int, Fields, AsyncIterator[bytes]]:
    """The same for contracts that await: `read` and the iterator are asynchronous."""
    steps = application(facts)
    head: tuple[Any, ...] | None = None
    answer: bytes | None = None
    while head is None:
        step = steps.send(answer)
        answer = None
        if step[0] == "begin":
            head = step
        elif step[0] == "read":
            answer = await read()
    return head[1], head[2], _rest_async(steps, read)


async def _rest_async(steps: Steps, read: Callable[[], Awaitable[bytes]]) -> AsyncIterator[bytes]:
    answer: bytes | None = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration:
            return
        answer = None
        if step[0] == "send":
            yield step[1]
        elif step[0] == "read":
            answer = await read()
        else:
            end = time.monotonic() + PATIENCE_SECONDS
            while not os.path.exists(step[1]):
                if time.monotonic() > end:
                    raise TimeoutError(step[1])
                await asyncio.sleep(0.005)


def wait_for(path: str) -> None:
    """Return when that file exists."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not os.path.exists(path):
        if time.monotonic() > end:
            raise TimeoutError(path)
        time.sleep(0.005)


def facts_of_environ(environ: Mapping[str, str]) -> Facts:
    """The facts in CGI variables (RFC 3875, PEP 3333). PATH_INFO is text as WSGI has it, or as os.environ has it."""
    fields = {name[5:].replace("_", "-").lower(): environ[name] for name in environ if name.startswith("HTTP_")}
    return {
        "method": environ["REQUEST_METHOD"],
        "script_name": environ.get("SCRIPT_NAME", ""),
        "path_info": environ.get("PATH_INFO", ""),
        "query": environ.get("QUERY_STRING", ""),
        "fields": fields,
    }
