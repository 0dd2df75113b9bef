"""What may be lost when what dies: the table of docs/reliability.md as a pure function over facts.

A failure is excused by a strike, or it is a loss. Strikes that kill nothing (recycling, a changed configuration, other
pools, a mode switch) excuse nothing.
"""

from __future__ import annotations

import enum
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.client import Failure
from tests.chaos.requests import IDEMPOTENT, KINDS

BAD_GATEWAY: Final = 502
CUTS: Final = frozenset({"closed", "closed in the middle", "ConnectionResetError"})
"""How the client says that a connection ended before the answer did."""


class Disturbance(enum.Enum):
    """What is done to the service under load."""

    RECYCLE = "recycle"
    SAVE_PLUGIN = "save plugin"
    CHANGE_CONFIGURATION = "change configuration"
    RESTART_OTHER_POOL = "stop and start other pool"
    SWITCH_MODE = "switch mode"
    KILL_WORKER = "kill worker"
    STOP_WORKER = "SIGSTOP worker"
    KILL_LISTENER = "kill listener"
    STOP_LISTENER = "SIGSTOP listener for a moment"
    KILL_PARENT = "kill pool parent"
    KILL_INETINFO = "kill inetinfo"
    KILL_DLLHOST = "kill dllhost"


EVENTS: Final[Mapping[Disturbance, str]] = {
    Disturbance.RECYCLE: "recycle-on-demand",
    Disturbance.SAVE_PLUGIN: "recycle-plugin-change",
    Disturbance.CHANGE_CONFIGURATION: "configuration-applied",
    Disturbance.RESTART_OTHER_POOL: "pool-started",
    Disturbance.SWITCH_MODE: "isolation-switched",
    Disturbance.KILL_WORKER: "worker-died",
    Disturbance.STOP_WORKER: "worker-ping-failed",
    Disturbance.KILL_LISTENER: "process-died",
    Disturbance.KILL_PARENT: "process-died",
    Disturbance.KILL_INETINFO: "process-died",
    Disturbance.KILL_DLLHOST: "process-died",
}
"""The event that tells the operator of it (a front that was only stopped for a moment tells of nothing)."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One disturbance: from before it began until it had taken effect (a killed process is dead). Monotonic seconds."""

    what: Disturbance
    began: float
    ended: float


def excuse(failure: Failure, strikes: Sequence[Strike]) -> str:
    """The disturbance that excuses the failure; empty when it is a loss. `strikes` are one after the other."""
    first = bisect_left(strikes, failure.connected, key=lambda strike: strike.ended)
    end = bisect_right(strikes, failure.ended, key=lambda strike: strike.began)
    for kinds, rule in _RULES:
        met = [strike for strike in strikes[first:end] if strike.what in kinds]
        if met and rule(failure, met):
            return " and ".join(dict.fromkeys(strike.what.value for strike in met))
    return ""


def judge(failures: Iterable[Failure], strikes: Sequence[Strike]) -> tuple[dict[str, int], list[Failure]]:
    """(excused failures counted by kind, disturbance and text; losses)."""
    excused: dict[str, int] = {}
    losses: list[Failure] = []
    for failure in failures:
        why = excuse(failure, strikes)
        if why:
            line = f"{failure.kind}: {failure.error} ({why})"
            excused[line] = excused.get(line, 0) + 1
        else:
            losses.append(failure)
    return excused, losses


def _is_cut(failure: Failure) -> bool:
    """An answer had begun and did not come to its end."""
    return failure.received > 0 and failure.error in CUTS


def _in_hand(failure: Failure, strikes: Iterable[Strike]) -> int:
    """How many of the strikes met the request itself, not only its connection."""
    return sum(strike.ended >= failure.began for strike in strikes)


def _lost_with_worker(failure: Failure, strikes: list[Strike]) -> bool:
    """A response that had begun is cut. A request that may have been acted on is answered 502; an idempotent one has a
    second try, so two workers must have died under it."""
    deaths = _in_hand(failure, strikes)
    if not deaths:
        return False
    if _is_cut(failure):
        return failure.status == 200
    if failure.status != BAD_GATEWAY:
        return False
    return KINDS[failure.kind].method not in IDEMPOTENT or deaths > 1


def _lost_with_dllhost(failure: Failure, strikes: list[Strike]) -> bool:
    """As with a worker, but that a request with a body has no second try: inetinfo keeps none."""
    if KINDS[failure.kind].pieces and failure.status == BAD_GATEWAY:
        return _in_hand(failure, strikes) > 0
    return _lost_with_worker(failure, strikes)


def _lost_with_front(failure: Failure, _strikes: list[Strike]) -> bool:
    """Its connection was open, or being opened, when the front died; nobody answered in its place."""
    return not failure.error.startswith(("status", "wrong", "connect: ConnectionRefused"))


def _lost_with_parent(failure: Failure, strikes: list[Strike]) -> bool:
    """A CGI program ended with its pool's parent: 502, or a cut response."""
    if not KINDS[failure.kind].is_program or not _in_hand(failure, strikes):
        return False
    return _is_cut(failure) or failure.status == BAD_GATEWAY


_RULES: Final[Sequence[tuple[frozenset[Disturbance], Callable[[Failure, list[Strike]], bool]]]] = (
    (frozenset({Disturbance.KILL_LISTENER, Disturbance.KILL_INETINFO}), _lost_with_front),
    (frozenset({Disturbance.KILL_WORKER, Disturbance.STOP_WORKER}), _lost_with_worker),  # both are a worker's death
    (frozenset({Disturbance.KILL_DLLHOST}), _lost_with_dllhost),
    (frozenset({Disturbance.KILL_PARENT}), _lost_with_parent),
)
