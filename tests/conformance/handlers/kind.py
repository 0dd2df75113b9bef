"""What a kind of handler tells the suite about itself, and its application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

APPLICATION = Path(__file__).with_name("application.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerKind:
    """One kind. Its application answers below `url` as `application.py` says; most kinds carry that file out, and
    their own part is how they are called: `{lib}` in a file's text is the folder that holds it.

    The fields with defaults are what a kind may be excused from, and why must stand beside it.
    """

    name: str
    url: str  # PATH_INFO and query follow
    files: Mapping[str, str]  # by path below the site's folder; those that begin with `#!` are executable
    libraries: Mapping[str, str] = field(default_factory=dict)  # shared objects by path, built from sources beside this
    handlers: str = ""  # `<add .../>` elements
    web_server: str = ""  # more of <system.webServer>
    streams: bool = True  # what is sent leaves before the end
    reads_while_it_comes: bool = True  # gets the beginning of a body before its end has come
    notices_silent_client: bool = True  # that it left, while nothing is read or sent
    error: tuple[int, int] = (500, 0)  # status and substatus of a failure before the response begins
    error_event: str = "plugin-error"  # the id of its event
    server: str = ""  # one of its files: a Python server that runs beside isapy and says so when it listens
    environment: Mapping[str, str] = field(default_factory=dict)  # of the service
