"""A FastCGI application in Python, whose processes isapy starts; the protocol is the test application's."""

import sys
from pathlib import Path

from tests.conformance.handlers.kind import HandlerKind

PROTOCOL = Path(__file__).resolve().parents[2] / "fastcgi_programs"

CODE = (
    f"#!{sys.executable}\n"
    + f"""\
import os, signal, socket, sys
sys.path += [{{lib!r}}, {str(PROTOCOL)!r}]
from application import BEGIN, PARAMS, STDOUT, Connection, pairs
from conformance_application import begin, facts_of_environ

listening = socket.socket(fileno=0)
while True:
    sock, _ = listening.accept()
    connection, block = Connection(sock), b""
    while (found := connection.record()) is not None:
        kind, _, content = found
        if kind == BEGIN:
            block, connection.body_ended = b"", False
        elif kind == PARAMS and content:
            block += content
        elif kind == PARAMS:
            pieces = connection.body()
            status, fields, body = begin(facts_of_environ(pairs(block)), lambda: next(pieces, b""))
            head = [("Status", str(status)), *fields]
            connection.out("".join(f"{{{{name}}}}: {{{{value}}}}\\n" for name, value in head) + "\\n")
            try:
                for piece in body:
                    connection.send(STDOUT, piece)
                connection.end()
            except RuntimeError:
                os.kill(os.getpid(), signal.SIGKILL)  # the end of output is the end of the body
            except OSError:
                break  # nobody wants it any more
    connection.file.close()
    sock.close()
"""
)

KIND = HandlerKind(
    name="fastcgi",
    url="/x.fcgi",
    files={"wwwroot/x.fcgi": CODE},
    handlers='<add name="FastCgi" path="*.fcgi" verb="*" modules="FastCgiModule" '
    'scriptProcessor="../wwwroot/x.fcgi" resourceType="File" />',
    web_server='<fastCgi><application fullPath="../wwwroot/x.fcgi" stderrMode="IgnoreAndReturn200" '
    'rapidFailsPerMinute="0" /></fastCgi>',
    error_event="fastcgi-failed",
)
