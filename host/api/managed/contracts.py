"""The contracts of managed code: modules, handlers, handler factories. Subclass them; names are ASP.NET's.

`application` is an HttpApplication everywhere, `context` an HttpContext.
"""

from __future__ import annotations

from typing import Any


class IHttpModule:
    """Takes part in the requests of an application. One instance for each application object, so never one for two
    requests at a time, but for many one after the other: what belongs to a request goes to `context.items`."""

    def init(self, application: Any) -> None:
        """Subscribe: `application.begin_request += self.on_begin`."""
        raise NotImplementedError

    def dispose(self) -> None:
        """The application object is let go of."""


class IHttpHandler:
    """Answers a request by what it does to `context.response`."""

    is_reusable: bool = False
    """True: the same instance answers further requests of its application object; else each has a new one."""

    def process_request(self, context: Any) -> None:
        """Answer. Runs on a thread of the worker and may block."""
        raise NotImplementedError


class IHttpAsyncHandler(IHttpHandler):
    """A handler that runs on the event loop (ASP.NET's BeginProcessRequest and EndProcessRequest, or
    HttpTaskAsyncHandler)."""

    async def process_request_async(self, context: Any) -> None:
        """Answer; await what takes time."""
        raise NotImplementedError

    def process_request(self, context: Any) -> None:
        """Not called: `process_request_async` is."""
        raise NotImplementedError(f"{type(self).__name__} is asynchronous")


class IHttpHandlerFactory:
    """Gives handlers. One instance for each application object and mapped type."""

    def get_handler(self, context: Any, request_type: str, url: str, path_translated: str) -> IHttpHandler:
        """A handler for the request. FileNotFoundError and NotADirectoryError are 404, a name too long is 414."""
        raise NotImplementedError

    def release_handler(self, handler: IHttpHandler) -> None:
        """Called once for each handler that it gave, at the end of its request."""


class HttpException(Exception):
    """A failure with a status: what code of ASP.NET throws to refuse a request."""

    def __init__(self, status: int, message: str = "", substatus: int = 0) -> None:
        super().__init__(message or str(status))
        self.status = status
        self.substatus = substatus


class PlatformNotSupportedException(HttpException):
    """What exists in integrated pipeline mode only was used in classic mode."""

    def __init__(self, what: str) -> None:
        super().__init__(500, f"{what} needs integrated pipeline mode; this application runs in classic mode")


class ResponseEnd(BaseException):
    """Raised by `Response.end` and `Server.transfer`: leaves the code that called them, whatever it catches."""


def implements(candidate: Any, method: str) -> bool:
    """Whether an object offers a contract's method without being its subclass (ASP.NET asks for the interface)."""
    return callable(getattr(candidate, method, None))
