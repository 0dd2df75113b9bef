"""The answer of the hello scenario, for uWSGI: a plain WSGI application without a framework."""

from collections.abc import Callable, Iterable

_BODY = b"Hello, World!\n"
_FIELDS = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(_BODY)))]


def application(_environ: dict[str, object], start_response: Callable[..., object]) -> Iterable[bytes]:
    """WSGI's entry point."""
    start_response("200 OK", _FIELDS)
    return [_BODY]
