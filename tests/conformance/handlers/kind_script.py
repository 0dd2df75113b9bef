"""A Python file that runs inside the worker (ScriptModule)."""

from tests.conformance.handlers.kind import HandlerKind

CODE = """\
import sys
sys.path.append({lib!r})
from conformance_application import begin
from host.api import Headers

facts = {{
    "method": request.method,
    "script_name": request.script_name,
    "path_info": request.path_info,
    "query": request.raw_query,
    "fields": {{name.lower(): value for name, value in request.headers}},
}}
response.status, fields, body = begin(facts, request.body.read_some_blocking)
response.headers = Headers(fields)
for piece in body:
    response.write(piece)
"""

KIND = HandlerKind(
    name="script",
    url="/script.pys",
    files={"wwwroot/script.pys": CODE},
    streams=False,  # what it prints is its answer when it has ended
    notices_silent_client=False,
    error=(500, 100),
    error_event="",  # the page names file and line; the script, not the host, is told of by the log's substatus
)
