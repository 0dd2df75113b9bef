"""A FastCGI application of the tests' own, written from the specification and nothing of isapy's: it does what the
query says, and misbehaves when it is told to. Its listening socket is descriptor 0."""

import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")
        self.body_ended = False
        self.number = 1

    def record(self) -> tuple[int, int, bytes] | None:
        header = self.file.read(8)
        if len(header) < 8:
            return None
        _, kind, number, length, padding, _ = struct.unpack(">BBHHBB", header)
        content = self.file.read(length)
        self.file.read(padding)
        return kind, number, content

    def send(self, kind: int, content: bytes = b"", padding: int = 0) -> None:
        for start in range(0, max(len(content), 1), 65535):
            piece = content[start : start + 65535]
            self.sock.sendall(
                struct.pack(">BBHHBB", 1, kind, self.number, len(piece), padding, 0) + piece + b"p" * padding
            )

    def out(self, text: str) -> None:
        self.send(STDOUT, text.encode())

    def end(self, status: int = 0, protocol_status: int = 0) -> None:
        self.send(STDOUT)
        self.send(END, struct.pack(">IB3x", status, protocol_status))

    def body(self) -> Iterator[bytes]:
        """The body, piece by piece, to its end."""
        while not self.body_ended:
            found = self.record()
            if found is None:
                return
            kind, _, content = found
            if kind == STDIN:
                self.body_ended = not content
                if content:
                    yield content
            elif kind == ABORT:
                note("aborted")
                return


def pairs(block: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0

    def length() -> int:
        nonlocal at
        size = block[at]
        if size < 128:
            at += 1
        else:
            size = int(struct.unpack_from(">I", block, at)[0]) & 0x7FFFFFFF
            at += 4
        return size

    while at < len(block):
        name_size = length()
        value_size = length()
        name = block[at : at + name_size]
        at += name_size
        found[name.decode()] = block[at : at + value_size].decode("utf-8", "surrogateescape")
        at += value_size
    return found


def note(text: str) -> None:
    with open(os.environ["NOTES"], "a") as file:
        file.write(text + "\n")


HEAD = "Content-Type: text/plain\r\n\r\n"
served = 0


def serve(connection: Connection, variables: dict[str, str]) -> bool:  # noqa: PLR0912 - one branch for each word
    """One request; the first word of the query says what to do. False: the connection is closed behind it."""
    word, _, rest = variables["QUERY_STRING"].partition("&")
    if word == "environment":
        lines = "".join(f"{name}={value}\n" for name, value in sorted(variables.items()))
        connection.out(HEAD + lines)
    elif word == "process":
        connection.out(f"{HEAD}{os.getpid()} {served}")
    elif word == "echo":
        connection.out(f"X-Length: {variables.get('CONTENT_LENGTH', 'none')}\r\n{HEAD}")
        for piece in connection.body():
            connection.send(STDOUT, piece)
    elif word == "ignore":
        connection.out(HEAD + "not read\n")
    elif word == "answer":
        connection.send(STDOUT, variables["HTTP_X_ANSWER"].encode().decode("unicode_escape").encode("latin-1"), 7)
    elif word == "bytes":
        connection.out(HEAD)
        for _ in range(int(rest)):
            connection.send(STDOUT, b"x" * 1048576)
    elif word == "lines":
        connection.out(HEAD + "one\n")
        with open(variables["HTTP_X_FIFO"]) as fifo:
            connection.out("two " + fifo.read())
    elif word == "byte-by-byte":
        for letter in HEAD + "slowly":
            connection.send(STDOUT, letter.encode(), 3)
    elif word == "error":
        connection.send(STDERR, b"PHP Warning: first\nsecond ")
        connection.send(STDERR, b"line\n")
        connection.out(HEAD + "page")
    elif word == "late-error":
        connection.out(HEAD + "x" * 100000)
        with open(variables["HTTP_X_FIFO"]) as fifo:
            fifo.read()
        connection.send(STDERR, b"late\n")
        connection.out("more")
    elif word == "own-stderr":
        print("from the process itself", file=sys.stderr, flush=True)
        connection.out(HEAD + "page")
    elif word == "status":
        connection.out(HEAD + "good all the same")
        connection.end(status=3)
        return True
    elif word == "overloaded":
        connection.send(END, struct.pack(">IB3x", 0, int(rest)))
        return True
    elif word == "exit":
        os._exit(int(rest))
    elif word == "die-in-body":
        connection.out(HEAD + "x" * 100000)
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "garbage":
        connection.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nno FastCGI at all")
    elif word == "hang":
        note(f"hangs {os.getpid()}")
        time.sleep(1000)
    elif word == "drip":
        connection.out(HEAD)
        note(f"drips {os.getpid()}")
        while True:
            connection.out("drop ")
            time.sleep(0.05)
    elif word == "until-abort":
        note(f"waits {os.getpid()}")
        for _ in connection.body():
            pass
        while (found := connection.record()) is not None:
            if found[0] == ABORT:
                note("aborted")
                break
        connection.end(status=1)
        return True
    elif word == "close":
        connection.out(HEAD + "closes")
        connection.end()
        return False
    elif word == "hang-up-next":
        connection.out(HEAD + "this one is answered")
        connection.end()
        while (found := connection.record()) is not None and found[0] != PARAMS:
            continue  # the next request has begun
        sys.exit(0)
    elif word == "late-output":
        connection.out(HEAD + "this one is answered")
        connection.end()
        while (found := connection.record()) is not None and found[0] != PARAMS:
            continue  # the next request has begun
        connection.out(HEAD + "and this is behind its end")
    elif word == "leave":
        connection.out(HEAD + "leaves")
        connection.end()
        sys.exit(0)
    else:
        connection.out(f"Status: 500 What\r\n{HEAD}unknown word {word}")
    connection.end()
    return True


def main() -> None:
    global served
    if "--refuse-to-start" in sys.argv:
        print("no configuration file", file=sys.stderr)
        sys.exit(4)
    if "--deaf" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    listening = socket.socket(fileno=0)
    note(f"started {os.getpid()} {' '.join(sys.argv[1:])}")
    while True:
        sock, _ = listening.accept()
        connection = Connection(sock)
        block, keeps = b"", False
        while (found := connection.record()) is not None:
            kind, number, content = found
            if kind == BEGIN:
                connection.number = 1 if "--always-one" in sys.argv else number
                block, keeps, connection.body_ended = b"", bool(content[2] & 1), False
            elif kind == PARAMS and content:
                block += content
            elif kind == ABORT:  # of a request that is over: php-cgi closes then, here when it hurts most
                connection.record()
                break
            elif kind == PARAMS:
                served += 1
                if not serve(connection, pairs(block)) or not keeps:
                    break
        connection.file.close()
        sock.close()


if __name__ == "__main__":
    main()
