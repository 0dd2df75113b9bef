"""A Python extension: a plain `def handle` on a thread."""

from tests.conformance.handlers.kind import HandlerKind

CODE = """\
import sys
sys.path.append({lib!r})
from conformance_application import begin
from host.api import HandlerMapping, Headers, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Plain", path="*.plain")]

def facts_of(request):
    return {{
        "method": request.method,
        "script_name": request.script_name,
        "path_info": request.path_info,
        "query": request.raw_query,
        "fields": {{name.lower(): value for name, value in request.headers}},
    }}

@hookimpl
def handle(request):
    status, fields, body = begin(facts_of(request), request.body.read_some_blocking)
    return Response(status=status, headers=Headers(fields), body=body)
"""

KIND = HandlerKind(
    name="extension",
    url="/x.plain",
    files={"extensions/plain.py": CODE},
    notices_silent_client=False,  # its thread sleeps: nobody can wake it, the client is seen at the next piece
)
