"""An SCGI application in Python: a server that somebody else runs."""

from tests.conformance.handlers.kind import HandlerKind
from tests.running_service import free_port

PORT = free_port()

SERVER = """\
import socket, struct, sys, threading
sys.path.append({lib!r})
from conformance_application import begin, facts_of_environ

def serve(sock):
    file = sock.makefile("rb")
    length = b""
    while (digit := file.read(1)) not in (b":", b""):
        length += digit
    texts = file.read(int(length or 0) + 1)[:-2].decode("utf-8", "surrogateescape").split("\\0")
    environ = dict(zip(texts[::2], texts[1::2]))
    left = int(environ.get("CONTENT_LENGTH") or 0)

    def read():
        nonlocal left
        piece = file.read1(min(left, 65536)) if left else b""
        left -= len(piece)
        return piece

    try:
        status, fields, body = begin(facts_of_environ(environ), read)
        head = [("Status", str(status)), *fields]
        sock.sendall("".join(f"{{name}}: {{value}}\\n" for name, value in head).encode("latin-1") + b"\\n")
        for piece in body:
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
    except RuntimeError:  # the connection's end is the end of the answer: only a reset breaks it off
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass  # nobody wants it any more
    file.close()
    sock.close()

listening = socket.create_server(("127.0.0.1", PORT), backlog=128)
print("listening", flush=True)
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""

KIND = HandlerKind(
    name="scgi",
    url="/x.scgi",
    files={"lib/scgi_server.py": SERVER.replace("PORT", str(PORT))},
    server="lib/scgi_server.py",
    handlers='<add name="Scgi" path="*.scgi" verb="*" modules="ScgiModule" '
    f'scriptProcessor="tcp://127.0.0.1:{PORT}" />',
    error=(502, 0),
    error_event="scgi-failed",
)
