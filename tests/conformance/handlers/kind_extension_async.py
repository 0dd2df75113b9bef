"""A Python extension with `async def handle`."""

from tests.conformance.handlers.kind import HandlerKind
from tests.conformance.handlers.kind_extension import CODE as PLAIN

CODE = (
    PLAIN.replace("import begin", "import begin_async")
    .replace("def handle(", "async def handle(")
    .replace('name="Plain", path="*.plain"', 'name="Async", path="*.async"')
    .replace(
        "begin(facts_of(request), request.body.read_some_blocking)",
        "await begin_async(facts_of(request), request.body.read_some)",
    )
)

KIND = HandlerKind(name="extension_async", url="/x.async", files={"extensions/asynchronous.py": CODE})
