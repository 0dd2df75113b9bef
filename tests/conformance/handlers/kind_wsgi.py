"""A WSGI application (WsgiModule), mounted at a folder."""

from tests.conformance.handlers.kind import HandlerKind

CODE = """\
import sys
sys.path.append({lib!r})
from conformance_application import begin, facts_of_environ

def application(environ, start_response):
    facts = facts_of_environ(environ)
    facts["path_info"] = facts["path_info"].encode("latin-1").decode()
    status, fields, body = begin(facts, lambda: environ["wsgi.input"].read(10_000))
    start_response(f"{{status}} As it is", fields)
    return body
"""

KIND = HandlerKind(
    name="wsgi",
    url="/wsgi",
    files={"wwwroot/conformance_wsgi.py": CODE},
    handlers='<add name="Wsgi" path="wsgi,wsgi/*" verb="*" modules="WsgiModule" '
    'scriptProcessor="conformance_wsgi:application" />',
    notices_silent_client=False,  # its thread sleeps: nobody can wake it, the client is seen at the next piece
)
