"""Ends a program with everything it has started, also what has left its group and its session.

A program is started as leader of a session of its own. Its tree is: itself and its descendants; and those children of
this process (the subreaper below which all programs run) that are orphans of the program: still in its session or
group, or carrying its request's UNIQUE_ID in the environment they were started with. Orphans have descendants too.

Nothing here waits: `advance_kills` looks, sends signals and says what is left; the caller comes back. All trees are
judged by the same look at /proc: to end hundreds of programs must not read it hundreds of times.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from host.wire.spawn_messages import GRACE_SECONDS

GIVE_UP_SECONDS: Final = 30.0
"""A process that SIGKILL has not ended so long after its grace hangs in the kernel; it is left to it."""

_NO_LEADER: Final = -1
"""Instead of a leader's process id: the tree is known by its mark alone."""

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


class ProcessTable:
    """The processes of one look, and who is below whom. `spare` are children of this process that are known programs:
    no orphans of another one."""

    def __init__(self, processes: Mapping[int, ProcessFacts], spare: Collection[int] = ()) -> None:
        self._processes = processes
        self._children: dict[int, list[int]] = {}
        for facts in processes.values():
            self._children.setdefault(facts.parent, []).append(facts.pid)
        own = self._children.get(os.getpid(), [])
        self._orphans = [processes[pid] for pid in own if pid not in spare]

    def descendants(self, roots: Iterable[int]) -> set[int]:
        """`roots` and everything below them."""
        found: set[int] = set()
        waiting = list(roots)
        while waiting:
            pid = waiting.pop()
            if pid not in found:
                found.add(pid)
                waiting += self._children.get(pid, [])
        return found

    def living_tree(self, leader: int, request_id: str, *, is_leader_ended: bool) -> set[int]:
        """Process ids of what lives of the tree that `leader` led for request `request_id`.

        After the leader was reaped its number may name another process: it counts then only through the marks of its
        orphans.
        """
        roots = [] if is_leader_ended else [leader]
        for facts in self._orphans:
            if facts.pid != leader and (leader in (facts.session, facts.group) or _carries_mark(facts.pid, request_id)):
                roots.append(facts.pid)
        tree = self.descendants(roots) - {os.getpid()}
        return {pid for pid in tree if pid in self._processes and not self._processes[pid].is_zombie}


def find_session(leader: int) -> list[int]:
    """The children of this process that live in the session that `leader` has led."""
    here = os.getpid()
    found = read_processes().values()
    return [one.pid for one in found if one.parent == here and one.session == leader and not one.is_zombie]


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

    def signal(self, now: float, table: ProcessTable) -> bool | None:
        """Signal what is left, as far as `table` shows it. True when nothing is, or when it is time to give up; None
        when SIGKILL was sent: then another look tells at once whether that was all.

        `now` is monotonic seconds.
        """
        left = table.living_tree(self.leader, self.request_id, is_leader_ended=self.is_leader_ended)
        if not left or now >= self._give_up_at:
            send_signal(left, signal.SIGKILL)
            return True
        if now < self._kill_at:
            send_signal(left - self._told, signal.SIGTERM)
            self._told |= left
            return False
        send_signal(left, signal.SIGKILL)
        return None


def marked_tree(request_id: str, now: float) -> TreeKill:
    """What carries that request's mark, and has become this process's when who had started it ended."""
    return TreeKill(_NO_LEADER, request_id, now, is_leader_ended=True)


def advance_kills(
    kills: Iterable[TreeKill],
    now: float,
    spare: Collection[int] = (),
    look: Callable[[], Mapping[int, ProcessFacts]] = read_processes,
) -> list[TreeKill]:
    """Go on with all of them, and give those of which something is left. `now` and `spare` as above; `look` reads the
    processes, once for all of them, and a few times more for those that have been sent SIGKILL."""
    left: list[TreeKill] = []
    waiting = list(kills)
    for _ in range(_ROUNDS_AT_ONCE):
        if not waiting:
            break
        table, killed = ProcessTable(look(), spare), []
        for tree in waiting:
            is_over = tree.signal(now, table)
            if is_over is None:
                killed.append(tree)
            elif not is_over:
                left.append(tree)
        waiting = killed
    return left + waiting


def kill_everything_below() -> None:
    """Kill and reap every process below this one. Blocks until the last is gone, which is a matter of milliseconds;
    what hangs in the kernel is left to it after five seconds."""
    for _ in range(1000):
        below = ProcessTable(read_processes()).descendants([os.getpid()]) - {os.getpid()}
        send_signal(below, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)
