"""A FastCGI application of the tests' own, written from the specification and nothing of isapy's: it does what the
query says, and misbehaves when it is told to. Its listening socket is descriptor 0."""

import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")
        self.body_ended = False
        self.number = 1
        self.is_done = False

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

    def await_next_request(self) -> None:
        """Returns when the next request has begun, or the connection has ended."""
        while (found := self.record()) is not None and found[0] != PARAMS:
            continue


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


def environment(connection: Connection, variables: dict[str, str], rest: str) -> None:
    lines = "".join(f"{name}={value}\n" for name, value in sorted(variables.items()))
    connection.out(HEAD + lines)


def process(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.out(f"{HEAD}{os.getpid()} {served}")


def echo(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.out(f"X-Length: {variables.get('CONTENT_LENGTH', 'none')}\r\n{HEAD}")
    for piece in connection.body():
        connection.send(STDOUT, piece)


def ignore(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.out(HEAD + "not read\n")


def answer(connection: Connection, variables: dict[str, str], rest: str) -> None:
    """What the client's field says, to the letter."""
    connection.send(STDOUT, variables["HTTP_X_ANSWER"].encode().decode("unicode_escape").encode("latin-1"), 7)


def megabytes(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.out(HEAD)
    for _ in range(int(rest)):
        connection.send(STDOUT, b"x" * 1048576)


def lines_of_fifo(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.out(HEAD + "one\n")
    with open(variables["HTTP_X_FIFO"]) as fifo:
        connection.out("two " + fifo.read())


def byte_by_byte(connection: Connection, variables: dict[str, str], rest: str) -> None:
    for letter in HEAD + "slowly":
        connection.send(STDOUT, letter.encode(), 3)


def error(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.send(STDERR, b"PHP Warning: first\nsecond ")
    connection.send(STDERR, b"line\n")
    connection.out(HEAD + "page")


def late_error(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.out(HEAD + "x" * 100000)
    with open(variables["HTTP_X_FIFO"]) as fifo:
        fifo.read()
    connection.send(STDERR, b"late\n")
    connection.out("more")


def own_stderr(connection: Connection, variables: dict[str, str], rest: str) -> None:
    print("from the process itself", file=sys.stderr, flush=True)
    connection.out(HEAD + "page")


def status(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.out(HEAD + "good all the same")
    connection.end(status=3)


def overloaded(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.send(END, struct.pack(">IB3x", 0, int(rest)))


def leave_at_once(connection: Connection, variables: dict[str, str], rest: str) -> None:
    os._exit(int(rest))


def die_in_body(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.out(HEAD + "x" * 100000)
    os.kill(os.getpid(), signal.SIGKILL)


def garbage(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nno FastCGI at all")


def hang(connection: Connection, variables: dict[str, str], rest: str) -> None:
    note(f"hangs {os.getpid()}")
    time.sleep(1000)


def drip(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.out(HEAD)
    note(f"drips {os.getpid()}")
    while True:
        connection.out("drop ")
        time.sleep(0.05)


def until_abort(connection: Connection, variables: dict[str, str], rest: str) -> None:
    note(f"waits {os.getpid()}")
    for _ in connection.body():
        pass
    while (found := connection.record()) is not None:
        if found[0] == ABORT:
            note("aborted")
            break
    connection.end(status=1)


def close(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.out(HEAD + "closes")
    connection.end()
    connection.is_done = True


def hang_up_next(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.out(HEAD + "this one is answered")
    connection.end()
    connection.await_next_request()
    sys.exit(0)


def late_output(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.out(HEAD + "this one is answered")
    connection.end()
    connection.await_next_request()
    connection.out(HEAD + "and this is behind its end")
    connection.end()


def leave(connection: Connection, variables: dict[str, str], rest: str) -> None:
    connection.out(HEAD + "leaves")
    connection.end()
    sys.exit(0)


Answer = Callable[[Connection, dict[str, str], str], None]

ANSWERS: dict[str, Answer] = {  # whoever says the end of the request himself stands in ENDING
    "environment": environment,
    "process": process,
    "echo": echo,
    "ignore": ignore,
    "answer": answer,
    "bytes": megabytes,
    "lines": lines_of_fifo,
    "byte-by-byte": byte_by_byte,
    "error": error,
    "late-error": late_error,
    "own-stderr": own_stderr,
    "exit": leave_at_once,
    "die-in-body": die_in_body,
    "garbage": garbage,
    "hang": hang,
    "drip": drip,
}
ENDING: dict[str, Answer] = {
    "status": status,
    "overloaded": overloaded,
    "until-abort": until_abort,
    "close": close,
    "hang-up-next": hang_up_next,
    "late-output": late_output,
    "leave": leave,
}


def serve(connection: Connection, variables: dict[str, str]) -> bool:
    """One request; the first word of the query says what to do. False: the connection is closed behind it."""
    word, _, rest = variables["QUERY_STRING"].partition("&")
    if word in ENDING:
        ENDING[word](connection, variables, rest)
        return not connection.is_done
    if word in ANSWERS:
        ANSWERS[word](connection, variables, rest)
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
