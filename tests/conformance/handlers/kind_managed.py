"""A managed handler: `IHttpHandler.process_request(context)` on a thread, flushed after each piece."""

from tests.conformance.handlers.kind import HandlerKind

CODE = """\
import sys
sys.path.append({lib!r})
from conformance_application import begin
from host.api.managed import IHttpHandler

def facts_of(request):
    return {{
        "method": request.http_method,
        "script_name": request.file_path,
        "path_info": request.path_info,
        "query": request.raw_url.partition("?")[2],
        "fields": {{name.lower(): value for name, value in request.headers}},
    }}

class Handler(IHttpHandler):
    def process_request(self, context):
        request, response = context.request, context.response
        status, fields, body = begin(facts_of(request), lambda: request.binary_read(65536))
        response.status_code = status
        for name, value in fields:
            if name == "Content-Type":
                response.content_type = value
            else:
                response.append_header(name, value)
        for piece in body:
            response.binary_write(piece)
            response.flush()
"""

KIND = HandlerKind(
    name="managed",
    url="/x.managed",
    files={"wwwroot/App_Code/conformance_managed.py": CODE},
    handlers='<add name="Managed" path="*.managed" verb="*" type="conformance_managed:Handler" />',
    reads_while_it_comes=False,  # as in ASP.NET, the first use of the body reads it whole
    notices_silent_client=False,  # its thread sleeps: the client is seen at the next flush
)
