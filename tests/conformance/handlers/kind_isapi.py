"""An extension with the ISAPI contract: `http_extension_proc(ecb)`, every write sent at once."""

from tests.conformance.handlers.kind import HandlerKind

CODE = """\
import sys
sys.path.append({lib!r})
from conformance_application import begin
from host.api import HandlerMapping, hookimpl
from host.api.isapi import HSE_STATUS_SUCCESS

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Isapi", path="*.isapi", allow_path_info=True, response_buffer_limit=0)]

def facts_of(ecb):
    lines = ecb.get_raw_server_variable("ALL_RAW").decode("latin-1").split("\\r\\n")
    return {{
        "method": ecb.method,
        "script_name": ecb.get_server_variable("SCRIPT_NAME"),
        "path_info": ecb.path_info,
        "query": ecb.query_string,
        "fields": {{line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines if line}},
    }}

def reader_of(ecb):
    ahead = [ecb.available_data]

    def read():
        return ahead.pop() if ahead and ahead[0] else ecb.read_client(65536)

    return read

@hookimpl
def http_extension_proc(ecb):
    status, fields, body = begin(facts_of(ecb), reader_of(ecb))
    head = "".join(f"{{name}}: {{value}}\\r\\n" for name, value in fields)
    ecb.send_response_header_ex(str(status), head + "\\r\\n", True)
    for piece in [body] if isinstance(body, bytes) else body:
        ecb.write_client(piece)
    return HSE_STATUS_SUCCESS
"""

KIND = HandlerKind(
    name="isapi",
    url="/x.isapi",
    files={"extensions/isapi_contract.py": CODE},
    notices_silent_client=False,  # its thread sleeps: nobody can wake it, the client is seen at the next write
)
