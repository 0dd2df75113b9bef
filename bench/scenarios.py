"""What is measured: one `Scenario` per kind of request, and the server that each is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Load(Enum):
    """How requests are made; the values are what `wrk/load.lua` understands (DOWNLOAD is a reader of our own)."""

    PLAIN = "plain"
    BROWSER = "browser"
    CLOSE = "close"
    POST = "post"
    DOWNLOAD = "download"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of request.

    `base` names the contestant whose median is 1.00. `expected` must be in the first answer, otherwise the
    contestant is left out. `packages` are Debian's that its page needs, whoever serves it.
    """

    name: str
    title: str
    load: Load
    connections: tuple[int, ...]
    base: str
    expected: bytes = b""
    packages: tuple[str, ...] = ()


SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="hello",
            title="dynamic page from a worker, a browser's 13 request fields (isapy: with three filters)",
            load=Load.BROWSER,
            connections=(1, 32, 256),
            base="nginx-uwsgi",
            expected=b"Hello, World!",
        ),
        Scenario(
            name="connect",
            title="the same page, a new connection for each request",
            load=Load.CLOSE,
            connections=(32,),
            base="nginx-uwsgi",
            expected=b"Hello, World!",
        ),
        Scenario(
            name="wsgi",
            title="a bare WSGI application, a browser's 13 request fields (isapy: with three filters)",
            load=Load.BROWSER,
            connections=(32,),
            base="nginx-uwsgi",
            expected=b"Hello, World!",
        ),
        Scenario(
            name="asgi",
            title="a bare ASGI application, a browser's 13 request fields (isapy: with three filters)",
            load=Load.BROWSER,
            connections=(32,),
            base="nginx-uvicorn",
            expected=b"Hello, World!",
        ),
        Scenario(
            name="cgi",
            title="CGI program written in C",
            load=Load.PLAIN,
            connections=(8, 32),
            base="apache",
            expected=b"Hello from C",
        ),
        Scenario(
            name="cgi-python",
            title="CGI script in Python with cgi and json (isapy: by forks of a warm interpreter)",
            load=Load.PLAIN,
            connections=(8, 32),
            base="apache",
            expected=b'"greeting": "Hello from Python"',
        ),
        Scenario(
            name="cgi-perl",
            title="CGI script in Perl with CGI.pm (isapy: by forks of a warm interpreter)",
            load=Load.PLAIN,
            connections=(8, 32),
            base="apache",
            expected=b"Hello from Perl",
            packages=("libcgi-pm-perl",),
        ),
        Scenario(
            name="cgi-post",
            title="POST of 1 MB (2^20 bytes) to a CGI program in C that reads it",
            load=Load.POST,
            connections=(8,),
            base="apache",
            expected=b"bytes: ",
        ),
        Scenario(
            name="cgi-big",
            title="answer of 100 MB from a CGI program in C, one client",
            load=Load.DOWNLOAD,
            connections=(1,),
            base="apache",
        ),
        Scenario(
            name="php",
            title="PHP page of one line over FastCGI, four PHP processes (isapy: php-cgi)",
            load=Load.BROWSER,
            connections=(1, 32),
            base="nginx-php",
            expected=b"Hello from PHP",
        ),
        Scenario(
            name="php-page",
            title="PHP page that sorts 600 rows and shows 200 of them",
            load=Load.BROWSER,
            connections=(1, 32),
            base="nginx-php",
            expected=b"Page from PHP",
        ),
        Scenario(
            name="static",
            title="static file of 1 KB",
            load=Load.PLAIN,
            connections=(32,),
            base="nginx",
            expected=b"0123456789",
        ),
        Scenario(
            name="cache",
            title="answer of 1 KB from the cache in front of a server that is not asked any more",
            load=Load.PLAIN,
            connections=(1, 32, 256),
            base="nginx-cache",
            expected=b"0123456789",
        ),
        Scenario(
            name="big",
            title="static file of 1 GB (sparse), one client",
            load=Load.DOWNLOAD,
            connections=(1,),
            base="nginx",
        ),
    )
}
"""Every scenario by name, in the order in which they run."""
