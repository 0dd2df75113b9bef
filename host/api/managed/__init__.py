"""Managed code: HttpApplication, HttpContext, modules and handlers as the readers of ASP.NET's articles know them.

Classes have ASP.NET's names, methods and events Python's spelling of them: `IHttpModule.Init` is `init`, `BeginRequest`
is `begin_request`. Where a type is named, in `<modules>` and `<handlers>`, it is `module:Class`.
"""

from host.api.managed.application import GLOBAL_ASAX, HttpApplication
from host.api.managed.context import HttpContext, HttpServerUtility
from host.api.managed.contracts import (
    HttpException,
    IHttpAsyncHandler,
    IHttpHandler,
    IHttpHandlerFactory,
    IHttpModule,
    PlatformNotSupportedException,
    ResponseEnd,
)
from host.api.managed.events import EVENTS, EventArgs
from host.api.managed.posted_files import HttpFileCollection, HttpPostedFile
from host.api.managed.request import HttpRequest
from host.api.managed.response import HttpResponse
from host.api.managed.values import HttpApplicationState, NameValueCollection, ServerVariables

__all__ = [
    "EVENTS",
    "GLOBAL_ASAX",
    "EventArgs",
    "HttpApplication",
    "HttpApplicationState",
    "HttpContext",
    "HttpException",
    "HttpFileCollection",
    "HttpPostedFile",
    "HttpRequest",
    "HttpResponse",
    "HttpServerUtility",
    "IHttpAsyncHandler",
    "IHttpHandler",
    "IHttpHandlerFactory",
    "IHttpModule",
    "NameValueCollection",
    "PlatformNotSupportedException",
    "ResponseEnd",
    "ServerVariables",
]
