"""The short way from a program's whole output to a response gives what the long one gives."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.api import HttpError, Response
from host.config.cgi_settings import Cgi
from host.config.model import PathSettings
from host.gateway.cgi_failures import failed
from host.gateway.error_output import ErrorOutput
from host.programs.gateway_answer import respond, whole_answer
from tests.extensions.cgi_rig import whole_body
from tests.gateway.sample_request import sample_request


class PrintedRun:
    """A program that has printed everything and has ended."""

    def __init__(self, output: bytes) -> None:
        self._output = output

    async def read(self, patience_seconds: float | None = None) -> bytes | None:
        output, self._output = self._output, b""
        return output

    async def check_end(self, patience_seconds: float | None = None) -> bool:
        return True

    async def failure(self, why: str, output: bytes = b"", *, in_body: bool = False) -> HttpError:
        return failed("it", why, None, output, ErrorOutput(), in_body=in_body)

    def finish(self) -> None:
        pass

    def abandon(self, reason: str) -> None:
        pass


HEADS = st.sampled_from(
    [
        b"Content-Type: text/html\r\n\r\n",
        b"X-Powered-By: PHP/8\r\nContent-type: text/html; charset=UTF-8\r\n\r\n",
        b"Content-Type: text/html\n\n",
        b"Status: 404 Lost\r\nContent-Type: a/b\r\n\r\n",
        b"Status: 401\r\nContent-Type: a/b\r\n\r\n",
        b"Status: 304\r\nETag: x\r\n\r\n",
        b"Content-Type: a/b\r\nContent-Length: 5\r\n\r\n",
        b"Set-Cookie: a=1\r\nContent-Type: a/b\r\n\r\n",
        b"Location: /other\r\n\r\n",
        b"Location: http://www.example.com/\r\n\r\n",
        b"X-Sendfile: /etc/passwd\r\nContent-Type: a/b\r\n\r\n",
        b"no header\r\n\r\n",
        b"Content-Type: a/b\r\n",
        b"",
    ]
)


async def long_way(output: bytes, method: str) -> tuple[Response, bytes]:
    response = await respond(sample_request(method=method, settings=PathSettings()), PrintedRun(output))
    return response, await whole_body(response)


@given(head=HEADS, body=st.binary(max_size=8), method=st.sampled_from(["GET", "POST", "HEAD"]))
def test_what_is_taken_at_once_is_what_would_be_read(head: bytes, body: bytes, method: str) -> None:
    """Status, reason, substatus, fields and body; None for whatever is no document with its whole body. Twice: the
    second time the head is known."""
    for _ in range(2):
        at_once = whole_answer(sample_request(method=method, settings=PathSettings()), head + body)
        if at_once is not None:
            response, whole = asyncio.run(long_way(head + body, method))
            assert at_once == replace(response, body=at_once.body)
            assert asyncio.run(whole_body(at_once)) == whole
            assert method != "HEAD" or not isinstance(at_once.body, bytes)  # nobody may announce a length of 0


@pytest.mark.parametrize("output", [b"Content-Type: a/b\r\n\r\npage", b"Content-Type: a/b\n\npage"])
def test_a_document_is_taken_at_once_and_is_nobody_elses(output: bytes) -> None:
    """What a filter does to the fields of one response is not seen in the next."""
    for _ in range(2):
        response = whole_answer(sample_request(settings=PathSettings()), output)
        assert response is not None
        assert (response.headers.items(), response.body) == ([("Content-Type", "a/b")], b"page")
        response.headers.add("X-Filter", "was here")


def test_a_file_that_is_to_be_sent_takes_reading(tmp_path: Path) -> None:
    """Where cgi/@sendfileRoots says so."""
    settings = PathSettings(cgi=Cgi(sendfile_roots=(str(tmp_path),)))
    output = b"X-Sendfile: " + bytes(tmp_path / "file") + b"\r\nContent-Type: a/b\r\n\r\n"
    assert whole_answer(sample_request(settings=settings), output) is None
