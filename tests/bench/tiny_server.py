"""A server of two processes: the child answers every GET and POST (of 2^20 bytes) with `tiny`, the parent waits.

Usage: tiny_server.py PORT [never-ready] [stubborn]

A stubborn child is ended by SIGKILL only.
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BODY = b"tiny" * 16


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(503 if "never-ready" in sys.argv else 200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        if length != 1 << 20 or len(self.rfile.read(length)) != length:
            self.send_error(400)
        else:
            self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


child = os.fork()
if child == 0:
    Path("child.pid").write_text(str(os.getpid()))
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
os.waitpid(child, 0)
