"""A module that keeps 40 MB of every request."""

from host.api import Request, hookimpl

kept: list[bytes] = []


@hookimpl
def begin_request(request: Request) -> None:
    kept.append(b"x" * 40_000_000)
