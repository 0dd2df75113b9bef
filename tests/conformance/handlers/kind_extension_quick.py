"""A quick Python extension: called on the event loop, it gives the coroutine that answers."""

from tests.conformance.handlers.kind import HandlerKind
from tests.conformance.handlers.kind_extension_async import CODE as ASYNC

CODE = (
    ASYNC.replace("*.async", "*.quick")
    .replace('"Async"', '"Quick"')
    .replace("@hookimpl\nasync def handle(", "async def answer(")
    .replace("Response, hookimpl", "HandlerInfo, Response, hookimpl")
    + """
@hookimpl
def handler_info():
    return HandlerInfo(quick=True)

@hookimpl
def handle(request):
    return answer(request)
"""
)

KIND = HandlerKind(name="extension_quick", url="/x.quick", files={"extensions/quick.py": CODE})
