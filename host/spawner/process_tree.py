"""Ends a program with everything it has started, also what has left its group and its session.

A program is started as leader of a session of its own. Its tree is: itself and its descendants; and those children of
this process (the subreaper below which all programs run) that are orphans of the program: still in its session or
group, or carrying its request's UNIQUE_ID in the environment they were started with. Orphans have descendants too.

Nothing here waits: `TreeKill.advance` looks, sends signals and says whether anything is left; the caller comes back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from host.wire.spawn_messages import GRACE_SECONDS

GIVE_UP_SECONDS: Final = 30.0
"""A process that SIGKILL has not ended so long after its grace hangs in the kernel; it is left to it."""

_ROUNDS_AT_ONCE: Final = 8
"""A program that forks faster than it is killed is looked at that often before the caller gets its turn."""


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One line of /proc/PID/stat, as far as it is needed."""

    pid: int
    parent: int
    group: int
    session: int
    is_zombie: bool


def read_processes() -> dict[int, ProcessFacts]:
    """Every process that can be seen, by process id."""
    found: dict[int, ProcessFacts] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            facts = _read_facts(int(name))
            if facts is not None:
                found[facts.pid] = facts
    return found


def _read_facts(pid: int) -> ProcessFacts | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # "PID (name) state parent group session ...": the name may hold spaces and parentheses
            state, parent, group, session, *_ = file.read().rpartition(b")")[2].split()
    except OSError:
        return None  # it has ended meanwhile
    return ProcessFacts(pid, int(parent), int(group), int(session), state in (b"Z", b"X"))


def descendants(roots: Iterable[int], processes: Mapping[int, ProcessFacts]) -> set[int]:
    """`roots` and everything below them."""
    children: dict[int, list[int]] = {}
    for facts in processes.values():
        children.setdefault(facts.parent, []).append(facts.pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def living_tree(
    leader: int,
    request_id: str,
    processes: Mapping[int, ProcessFacts],
    *,
    is_leader_ended: bool,
    spare: Iterable[int] = (),
) -> set[int]:
    """Process ids of what lives, in the table `processes`, of the tree that `leader` led for request `request_id`.

    `spare` are children of this process that are other programs. After the leader was reaped its number may name
    another process: it counts then only through the marks of its orphans.
    """
    here = os.getpid()
    spared = set(spare)
    roots = [] if is_leader_ended else [leader]
    for facts in processes.values():
        if facts.parent != here or facts.pid == leader or facts.pid in spared:
            continue
        if leader in (facts.session, facts.group) or _carries_mark(facts.pid, request_id):
            roots.append(facts.pid)
    tree = descendants(roots, processes) - {here}
    return {pid for pid in tree if pid in processes and not processes[pid].is_zombie}


def find_marked(request_id: str) -> int:
    """The child of this process that carries the request's mark; 0 when there is none."""
    here = os.getpid()
    for facts in read_processes().values():
        if facts.parent == here and _carries_mark(facts.pid, request_id):
            return facts.pid
    return 0


def _carries_mark(pid: int, request_id: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"\0UNIQUE_ID={request_id}\0".encode() in b"\0" + file.read()
    except OSError:
        return False


def send_signal(pids: Iterable[int], number: signal.Signals) -> None:
    """Send `number` to each; one that has ended, or has become another user's, is passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


class TreeKill:
    """One tree on its way out: SIGTERM, `grace_seconds`, then SIGKILL until nothing is left."""

    def __init__(
        self,
        leader: int,
        request_id: str,
        now: float,
        *,
        is_leader_ended: bool = False,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self.leader = leader
        self.request_id = request_id
        self.is_leader_ended = is_leader_ended
        self._kill_at = now + grace_seconds
        self._give_up_at = self._kill_at + GIVE_UP_SECONDS
        self._told: set[int] = set()

    def advance(self, now: float, processes: Mapping[int, ProcessFacts], spare: Iterable[int] = ()) -> bool:
        """Signal what is left; true when nothing is (or when it is time to give up).

        `now` is monotonic seconds, `processes` a fresh table, `spare` as for `living_tree`.
        """
        spared = [pid for pid in spare if pid != self.leader]
        for _ in range(_ROUNDS_AT_ONCE):
            left = living_tree(
                self.leader, self.request_id, processes, is_leader_ended=self.is_leader_ended, spare=spared
            )
            if not left:
                return True
            if now < self._kill_at:
                send_signal(left - self._told, signal.SIGTERM)
                self._told |= left
                break
            send_signal(left, signal.SIGKILL)
            processes = read_processes()
        return now >= self._give_up_at


def kill_everything_below() -> None:
    """Kill and reap every process below this one. Blocks until the last is gone, which is a matter of milliseconds;
    what hangs in the kernel is left to it after five seconds."""
    for _ in range(1000):
        below = descendants([os.getpid()], read_processes()) - {os.getpid()}
        send_signal(below, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)
