"""What slow attacks cost other clients: the client that is measured, the attack, and the table."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.contestants import CONTESTANTS
from bench.packages import missing_packages
from bench.safety import ATTACKS, TAKING_PART, Attack, Round, Seen, cost_of, established, measure, probe, report
from bench.server import Server
from bench.site import compile_program, write_site
from bench.slow_chunks import attack
from tests.bench.tiny_contestant import tiny_contestant


@contextmanager
def tiny(tmp_path: Path, *arguments: str) -> Iterator[Server]:
    """A server that answers every path."""
    server = Server(tiny_contestant(*arguments), tmp_path / "tiny", write_site(tmp_path / "site", with_program=False))
    try:
        server.start("/")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled client that is measured."""
    program = tmp_path_factory.mktemp("client") / "steady"
    compile_program("steady", program)
    return program


def test_the_client_counts_answers_and_failures(tmp_path: Path, client: Path) -> None:
    """All of a server that answers; none where nobody listens any more."""
    with tiny(tmp_path) as server:
        seen = probe(client, server.port, "/", seconds=0.2)
        assert (len(seen.seconds), seen.failed) == (80, 0)
        assert all(second > 0.0 for second in seen.seconds)
    assert probe(client, server.port, "/", seconds=0.05) == Seen((), 20)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    ],
    ids=["refused", "cut", "endless"],
)
def test_what_is_no_whole_answer_has_failed(answer: bytes, client: Path) -> None:
    """Another status, fewer bytes than announced, or no length."""

    def serve(listening: socket.socket) -> None:
        for _ in range(4):
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        assert probe(client, listening.getsockname()[1], "/", seconds=0.01) == Seen((), 4)
        thread.join()


def test_a_late_answer_makes_those_late_that_were_due_meanwhile(client: Path) -> None:
    """A server that holds the first answer back: a client that waited politely would have seen one slow request."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    may_answer = threading.Event()

    def serve(listening: socket.socket) -> None:
        for _ in range(20):
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                may_answer.wait(0.5)
                connection.sendall(answer)
            may_answer.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        seen = probe(client, listening.getsockname()[1], "/", seconds=0.05)
        thread.join()
    assert seen.failed == 0
    assert min(seen.seconds) > 0.4


def test_an_attack_holds_its_connections_until_it_is_over(tmp_path: Path) -> None:
    """Slow headers, and nothing of it is left behind."""
    with tiny(tmp_path) as server:
        with Attack(ATTACKS["slow headers"][0], server.port, "/", connections=20) as under_way:
            under_way.wait_until_open()
            assert established(server.port) >= 16
        assert not under_way._thread.is_alive()


def test_slow_chunks_hold_their_connections_while_the_server_does(tmp_path: Path) -> None:
    """Our own client: one that is never answered goes on, and it ends with its last connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=attack, args=(port, "/x", 3))
        thread.start()
        held = [listening.accept()[0] for _ in range(3)]
        for connection in held:
            with connection, connection.makefile("rb") as file:
                assert file.readline() == b"POST /x HTTP/1.1\r\n"
                while file.readline() != b"\r\n":
                    pass
                assert file.read(12) == b"1\r\nx\r\n" * 2
        thread.join()
    with tiny(tmp_path) as server, Attack(ATTACKS["slow chunks"][0], server.port, "/", connections=20) as under_way:
        assert under_way._command[2] == "bench.slow_chunks"


def test_a_round_is_compared_with_its_own_quiet() -> None:
    """The middle of the quotients, not the quotient of the middles; the worst number of failures is a sum."""
    rounds = [
        Round(Seen((0.001,), 0), Seen((0.004,), 0), Seen((0.002,), 1), 5),
        Round(Seen((0.010,), 0), Seen((0.010,), 2), Seen((0.010,), 0), 9),
        Round(Seen((0.004,), 0), Seen((0.012,), 0), Seen((0.012,), 0), 7),
    ]
    cost = cost_of("isapy", "static", "slow read", rounds)
    assert (cost.held, cost.asked, cost.failed, cost.coming_quotient, cost.quotient) == (9, 9, 3, 3.0, 2.0)
    assert (cost.quiet_p99, cost.coming_p99, cost.p99) == (0.004, 0.010, 0.010)
    assert (cost.whole_p99, cost.whole_quotient) == (0.010, 3.0)
    row = "| isapy | static | slow read | 9 | 9 | 3 | 4.00 ms | 10.00 ms | 3.00 | 10.00 ms | 2.00 | 10.00 ms | 3.00 |"
    assert report([cost]).splitlines()[-1] == row


def test_quantiles_are_of_answers_that_came() -> None:
    """Of a hundred the 99th; of none there is no time."""
    seen = Seen(tuple(float(number) for number in range(100, 0, -1)), 0)
    assert (seen.quantile(0.5), seen.quantile(0.99), seen.quantile(1.0)) == (50.0, 99.0, 100.0)
    assert Seen((), 3).quantile(0.99) == math.inf


def test_all_that_take_part_can_be_asked_and_installed() -> None:
    """A name that nobody has would end the run."""
    assert "slowhttptest" not in missing_packages(["slowhttptest"])
    for name, scenario in TAKING_PART:
        assert scenario in CONTESTANTS[name].paths
        missing_packages(CONTESTANTS[name].packages)


@pytest.mark.slow
def test_isapy_answers_others_under_all_four_attacks(tmp_path: Path) -> None:
    """Nobody is timed; every request is answered while the attacks hold connections."""
    tmp_path.chmod(0o755)
    site = write_site(tmp_path / "site")
    costs = measure("isapy", "static", tmp_path, site, connections=50, seconds=0.5, rounds=1)
    assert [cost.attack for cost in costs] == list(ATTACKS)
    assert all((cost.asked, cost.failed) == (400, 0) for cost in costs)
    assert all(cost.held >= 20 for cost in costs if cost.attack != "ranges")
