"""The spawner, in a real process, launching real programs."""

from __future__ import annotations

import errno
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.spawner.answers import Answers
from host.spawner.program_records import Worker
from host.spawner.server import Spawner
from host.wire.spawn_messages import (
    LARGEST_PACKET,
    MOST_ANSWERS,
    LaunchFailed,
    LaunchRefused,
    ProgramEnded,
    ProgramLaunched,
    TellStart,
    decode_answers,
    encode_spawn_message,
)
from tests.spawner.client import Launched, SpawnerClient

SH = b"/bin/sh"
PYTHON = sys.executable.encode()


@pytest.fixture(scope="module")
def shared_client() -> Iterator[SpawnerClient]:
    client = SpawnerClient()
    yield client
    client.close()


@pytest.fixture
def client(shared_client: SpawnerClient) -> SpawnerClient:
    return shared_client


def failure(launched: Launched) -> tuple[int, bytes]:
    launched.close()
    assert isinstance(launched.answer, LaunchFailed)
    return launched.answer.errno, launched.answer.path


def test_program_reads_writes_and_ends(client: SpawnerClient, tmp_path: Path) -> None:
    """Standard input, output, error, folder, arguments, environment and exit code all arrive."""
    code = b'read line; echo "$line $1 $COLOUR $(pwd)"; echo oops >&2; exit 3'
    program = client.launch(
        [SH, b"-c", code, b"sh", b"one two"],
        b"hello\n",
        environment={b"COLOUR": b"a=b\xff"},
        directory=bytes(tmp_path),
    )
    assert program.read_all() == b"hello one two a=b\xff " + bytes(tmp_path) + b"\n"
    assert program.read_errors() == b"oops\n"
    assert program.status() == 3


def test_program_sees_only_its_three_descriptors_and_default_signals(client: SpawnerClient) -> None:
    """No socket, pipe or folder of the parent; nothing blocked or ignored; leader of a session of its own."""
    code = """import json, os, signal
mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
# Python itself ignores SIGPIPE and SIGXFSZ: /proc says what this process was given
fields = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
names = sorted(int(n) for n in os.listdir("/proc/self/fd"))
print(json.dumps([names[:3], len(names), fields["SigBlk"], os.getsid(0) == os.getpid() == os.getpgid(0)]))"""
    found = json.loads(client.launch([PYTHON, b"-I", b"-c", code.encode()]).read_all())
    assert found == [[0, 1, 2], 4, "0" * 16, True]  # the fourth is the listing's own


def test_ignored_signals_of_the_parent_are_not_inherited(client: SpawnerClient) -> None:
    """Python ignores SIGPIPE; a program must not: `yes | head` would never end."""
    program = client.launch([b"/bin/cat", b"/proc/self/status"])
    status = program.read_all().decode()
    program.close()
    ignored = int(status.partition("SigIgn:\t")[2].split()[0], 16)
    # glibc's posix_spawn leaves its two internal signals (32 and 33, which no program can use) ignored
    assert ignored & ~0x180000000 == 0


def test_death_by_signal_is_told(client: SpawnerClient) -> None:
    """Minus the signal's number."""
    program = client.launch([SH, b"-c", b"kill -SEGV $$"])
    assert program.status() == -signal.SIGSEGV
    program.close()


@pytest.mark.parametrize(
    ("argv", "directory", "expected"),
    [
        ([b"/nowhere/x"], b"/", (errno.ENOENT, b"/nowhere/x")),
        ([b"/etc/passwd"], b"/", (errno.EACCES, b"/etc/passwd")),
        ([SH], b"/nowhere", (errno.ENOENT, b"/nowhere")),
        ([b"/bin/sh\0x"], b"/", (errno.EINVAL, b"/bin/sh\0x")),
        ([], b"/", (errno.EINVAL, b"/")),
        ([SH, b"x" * 200000], b"/", (errno.E2BIG, SH)),
    ],
)
def test_what_cannot_be_started_is_told_with_its_errno(
    client: SpawnerClient, argv: list[bytes], directory: bytes, expected: tuple[int, bytes]
) -> None:
    """exec's and chdir's own reasons, and the path they concern."""
    assert failure(client.launch(argv, directory=directory)) == expected


def test_file_that_is_no_program_is_told(client: SpawnerClient, tmp_path: Path) -> None:
    """No shell steps in for a script without `#!` line: ENOEXEC."""
    script = tmp_path / "x"
    script.write_text("echo hello\n")
    script.chmod(0o755)
    assert failure(client.launch([bytes(script)])) == (errno.ENOEXEC, bytes(script))


def test_environment_larger_than_a_packet(client: SpawnerClient) -> None:
    """Half a megabyte of variables comes in a memory file, complete."""
    environment = {b"BIG%d" % number: b"v" * 100000 for number in range(5)}
    program = client.launch([SH, b"-c", b"echo ${#BIG0} ${#BIG4}"], environment=environment)
    assert program.read_all() == b"100000 100000\n"
    program.close()


def test_kill_ends_the_whole_tree(client: SpawnerClient) -> None:
    """Children, grandchildren, one that left the session, one that was orphaned and deaf to SIGTERM."""
    code = rb"""
sleep 1000 &
setsid sleep 1000 &
(setsid sh -c 'trap "" TERM; sleep 1000 & echo deaf; while :; do wait; done' &)
echo started; wait"""
    program = client.launch([SH, b"-c", code])
    assert {program.read_line(), program.read_line()} == {b"started\n", b"deaf\n"}
    client.kill(program.number)
    client.kill(program.number)  # asked twice: harmless
    assert program.read_all() == b""  # every process has closed it
    assert program.status() == -signal.SIGTERM
    program.close()


def test_kill_reaches_the_children_of_a_program_that_has_ended(client: SpawnerClient) -> None:
    """The background process keeps the output open until the worker has had enough."""
    program = client.launch([SH, b"-c", b"setsid sleep 1000 & exit 0"])
    assert program.status() == 0
    client.kill(program.number)
    assert program.read_all() == b""
    program.close()


def test_kill_spares_other_programs(client: SpawnerClient) -> None:
    """Only the request's own tree goes; a number that was never used is ignored."""
    other = client.launch([b"/bin/cat", b"/dev/stdin", b"/dev/fd/0"], request_id="other")
    survivor = client.launch([SH, b"-c", b"echo up; exec sleep 1000"], request_id="survivor")
    victim = client.launch([SH, b"-c", b"echo up; exec sleep 1000"], request_id="victim")
    assert survivor.read_line() == victim.read_line() == b"up\n"
    client.kill(victim.number)
    client.kill(9999)
    assert victim.status() == -signal.SIGTERM
    os.kill(survivor.pid, 0)
    client.kill(survivor.number)
    assert survivor.status() == -signal.SIGTERM
    for program in (other, survivor, victim):
        program.close()


@pytest.mark.slow
def test_programs_die_with_their_worker(tmp_path: Path) -> None:
    """The worker's socket is closed: its programs are killed, also deaf ones, and the spawner has nothing left."""
    client = SpawnerClient()
    code = b"trap '' TERM; echo up; sleep 1000 & while :; do wait; done"
    program = client.launch([SH, b"-c", code])
    assert program.read_line() == b"up\n"
    client.close()
    assert program.read_all() == b""
    program.close()


@pytest.mark.slow
@pytest.mark.parametrize("packet", [b"\xc1", b"\0", b"x" * (LARGEST_PACKET + 10)])
def test_worker_that_breaks_the_dialogue_is_dropped(packet: bytes) -> None:
    """Garbage, a memory file that did not come, a packet too large: the socket is closed, its programs are killed."""
    client = SpawnerClient()
    program = client.launch([SH, b"-c", b"echo up; exec sleep 1000"])
    assert program.read_line() == b"up\n"
    client.sock.send(packet)
    assert client.sock.recv(1) == b""
    assert program.read_all() == b""
    program.close()
    client.close()


def test_worker_that_does_not_read_holds_up_nobody() -> None:
    """Its answers wait in the spawner and come in order once it reads."""
    selector = selectors.DefaultSelector()
    spawner = Spawner(selector)
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(60)
    its.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    spawner.add_worker("slow", its)
    null = os.open(os.devnull, os.O_RDWR)
    client = SpawnerClient.__new__(SpawnerClient)
    client.sock, client._number, client._heard = ours, 0, []
    count = 100
    for _ in range(count):
        client.send_launch([b"/nowhere"], [null] * 3)
        for key, _ in selector.select(0):
            key.data()
    answers: list[int] = []
    while len(answers) < count:
        answers += [answer.number for answer in decode_answers(ours.recv(LARGEST_PACKET))]
        for key, _ in selector.select(0):
            key.data()
    assert answers == list(range(1, count + 1))
    ours.close()
    os.close(null)
    for key, _ in selector.select(60):
        key.data()
    assert not spawner.is_needed
    spawner.forget()
    selector.close()


def test_forked_worker_lets_go_of_the_sockets_only() -> None:
    """`forget` closes the spawner's descriptors in a fork; programs are left alone."""
    selector = selectors.DefaultSelector()
    spawner = Spawner(selector)
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    spawner.add_worker("w", its)
    spawner.forget()
    assert ours.recv(1) == b""
    assert not spawner.is_needed
    ours.close()
    selector.close()


def test_many_programs_at_once(client: SpawnerClient) -> None:
    """Fifty programs, fifty ends, each told under its own number."""
    null = os.open(os.devnull, os.O_RDWR)
    numbers = [client.send_launch([SH, b"-c", b"exit %d" % (code % 50)], [null] * 3) for code in range(50)]
    os.close(null)
    found = []
    for number in numbers:
        ended = client.hear(ProgramEnded, number=number)
        assert isinstance(ended, ProgramEnded)
        found.append(ended.status)
    assert found == list(range(50))


def test_each_program_of_a_turn_has_its_own_folder(client: SpawnerClient, tmp_path: Path) -> None:
    """Also behind one that could not be started, and one that is in the same folder."""
    folders = [tmp_path / name for name in ("a", "a", "missing", "b", "a")]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    (tmp_path / "missing").rmdir()
    null = os.open(os.devnull, os.O_RDWR)
    reading, writing = os.pipe()
    for folder in folders:
        client.send_launch([b"/bin/pwd"], [null, writing, null], directory=bytes(folder))
    os.close(null)
    os.close(writing)
    with os.fdopen(reading, "rb") as output:
        found = sorted(output.read().decode().split())
    assert found == [f"{tmp_path}/a"] * 3 + [f"{tmp_path}/b"]
    program = client.launch([b"/bin/true"], directory=bytes(tmp_path))
    assert program.status() == 0  # which is told in another turn
    assert os.readlink(f"/proc/{client.process.process.pid}/cwd") == os.getcwd()
    program.close()


def test_a_brief_program_is_told_of_with_its_end(client: SpawnerClient) -> None:
    """One message says that it ran, and how it ended; of one that goes on it is said when somebody asks."""
    null = os.open(os.devnull, os.O_RDWR)
    brief = client.send_launch([SH, b"-c", b"exit 4"], [null] * 3, is_brief=True)
    ended = client.hear(ProgramLaunched, ProgramEnded, number=brief)
    assert isinstance(ended, ProgramEnded)
    assert ended.pid > 0
    assert ended.status == 4
    longer = client.send_launch([b"/bin/sleep", b"1000"], [null] * 3, is_brief=True)
    client.sock.send(encode_spawn_message(TellStart(number=longer)))
    client.sock.send(encode_spawn_message(TellStart(number=brief)))  # nothing is to be said of it any more
    started = client.hear(ProgramLaunched, ProgramEnded, number=longer)
    assert isinstance(started, ProgramLaunched)
    client.kill(longer)
    ended = client.hear(ProgramLaunched, ProgramEnded, number=longer)
    assert ended == ProgramEnded(number=longer, status=-signal.SIGTERM)
    failed = client.send_launch([b"/nowhere"], [null] * 3, is_brief=True)
    assert isinstance(client.hear(ProgramLaunched, LaunchFailed, number=failed), LaunchFailed)
    os.close(null)


def test_a_socket_that_takes_small_packets_only_gets_every_answer() -> None:
    """A system may give sockets little room (net.core.wmem_default): what has ended is told, if not all about it."""
    selector = selectors.DefaultSelector()
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    its.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    its.setblocking(False)
    ours.settimeout(60)
    worker = Worker("worker", its, lambda _worker: None)
    selector.register(its, selectors.EVENT_READ, worker.serve)
    answers = Answers(selector)
    for number in range(MOST_ANSWERS):
        answers.say(worker, ProgramEnded(number=number, status=7, pid=1, remark="x" * 8000))
    answers.say(worker, LaunchFailed(number=MOST_ANSWERS, errno=2, path=b"y" * 8000))
    answers.say(worker, LaunchRefused(number=MOST_ANSWERS + 1, check="c", reason="r" * 8000, remedy="m" * 8000))
    answers.tell()
    heard: list[object] = []
    while len(heard) < MOST_ANSWERS + 2:
        heard += decode_answers(ours.recv(LARGEST_PACKET))
        answers.flush(worker)
    assert [getattr(answer, "number", -1) for answer in heard] == list(range(MOST_ANSWERS + 2))
    assert isinstance(heard[0], ProgramEnded)
    assert (heard[0].status, set(heard[0].remark)) == (7, {"x"})
    ours.close()
    its.close()
    selector.close()


def test_what_is_said_at_length_comes_in_packets_that_a_worker_takes() -> None:
    """Many answers with long remarks: all of them, in order, and no packet is cut."""
    selector = selectors.DefaultSelector()
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    its.setblocking(False)
    ours.settimeout(60)
    worker = Worker("worker", its, lambda _worker: None)
    selector.register(its, selectors.EVENT_READ, worker.serve)
    answers = Answers(selector)
    said = [ProgramEnded(number=number, status=0, pid=1, remark="x" * 3000) for number in range(2 * MOST_ANSWERS)]
    for answer in said:
        answers.say(worker, answer)
    answers.tell()
    heard: list[object] = []
    while len(heard) < len(said):
        heard += decode_answers(ours.recv(LARGEST_PACKET))
        answers.flush(worker)
    assert heard == said
    ours.close()
    its.close()
    selector.close()
