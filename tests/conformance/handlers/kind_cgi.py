"""A CGI program in Python."""

import sys

from tests.conformance.handlers.kind import HandlerKind

CODE = (
    f"#!{sys.executable}\n"
    + """\
import os, signal, sys
sys.path.append({lib!r})
from conformance_application import begin, facts_of_environ

left = int(os.environ.get("CONTENT_LENGTH") or 0)

def read():
    global left
    piece = os.read(0, min(left, 65536)) if left else b""
    left -= len(piece)
    return piece

def write(data):
    while data:
        data = data[os.write(1, data):]

status, fields, body = begin(facts_of_environ(os.environ), read)
head = [("Status", str(status)), *fields]
write("".join(f"{{name}}: {{value}}\\n" for name, value in head).encode("latin-1") + b"\\n")
try:
    for piece in body:
        write(piece)
except RuntimeError:
    os.kill(os.getpid(), signal.SIGKILL)  # the end of output is the end of the body: only a death breaks it off
"""
)

KIND = HandlerKind(
    name="cgi",
    url="/program.cgi",
    files={"wwwroot/program.cgi": CODE},
    error=(502, 2),
    error_event="cgi-failed",
)
