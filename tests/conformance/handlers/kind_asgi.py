"""An ASGI application (AsgiModule), mounted at a folder."""

from tests.conformance.handlers.kind import HandlerKind

CODE = """\
import sys
sys.path.append({lib!r})
from conformance_application import begin_async

async def application(scope, receive, send):
    assert scope["type"] == "http"
    facts = {{
        "method": scope["method"],
        "script_name": scope["root_path"],
        "path_info": scope["path"][len(scope["root_path"]) :],
        "query": scope["query_string"].decode(),
        "fields": {{name.decode(): value.decode() for name, value in scope["headers"]}},
    }}

    has_more = True

    async def read():
        nonlocal has_more
        message = await receive() if has_more else {{}}
        has_more = message.get("more_body", False)
        return message.get("body", b"")

    status, fields, body = await begin_async(facts, read)
    headers = [(name.encode(), value.encode()) for name, value in fields]
    await send({{"type": "http.response.start", "status": status, "headers": headers}})
    async for piece in body:
        await send({{"type": "http.response.body", "body": piece, "more_body": True}})
    await send({{"type": "http.response.body"}})
"""

KIND = HandlerKind(
    name="asgi",
    url="/asgi",
    files={"wwwroot/conformance_asgi.py": CODE},
    handlers='<add name="Asgi" path="asgi,asgi/*" verb="*" modules="AsgiModule" '
    'scriptProcessor="conformance_asgi:application" />',
)
