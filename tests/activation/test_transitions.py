"""Both automata are complete, and say what IIS does in the cells that matter."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from enum import Enum
from typing import Any

import pytest

from host.activation import pool_transitions, worker_transitions
from host.activation.pool_transitions import PoolCommand, PoolEvent, PoolState
from host.activation.worker_transitions import WorkerCommand, WorkerEvent, WorkerState

POOL = pool_transitions.TRANSITIONS
WORKER = worker_transitions.TRANSITIONS


@pytest.mark.parametrize(("state", "event"), list(itertools.product(PoolState, PoolEvent)))
def test_every_cell_of_the_pool_table_is_filled(state: PoolState, event: PoolEvent) -> None:
    """No event in any state is a surprise."""
    following, commands = POOL[state, event]
    assert isinstance(following, PoolState)
    assert all(isinstance(command, PoolCommand) for command in commands)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(WorkerState, WorkerEvent)))
def test_every_cell_of_the_worker_table_is_filled(state: WorkerState, event: WorkerEvent) -> None:
    """No event in any state is a surprise."""
    following, commands = WORKER[state, event]
    assert isinstance(following, WorkerState)
    assert all(isinstance(command, WorkerCommand) for command in commands)


def test_the_tables_have_no_other_cells() -> None:
    """A cell for a state that does not exist would never be read."""
    assert set(POOL) == set(itertools.product(PoolState, PoolEvent))
    assert set(WORKER) == set(itertools.product(WorkerState, WorkerEvent))


def reachable(table: Mapping[Any, Any], start: Enum) -> set[Enum]:
    found = {start}
    while True:
        following = found | {target for (state, _), (target, _) in table.items() if state in found}
        if following == found:
            return found
        found = following


def test_every_state_can_be_reached_and_gone_is_the_end_of_a_worker() -> None:
    """A worker starts once and is gone once; a pool can always be started again."""
    assert reachable(WORKER, WorkerState.STARTING) == set(WorkerState)
    assert reachable(WORKER, WorkerState.GONE) == {WorkerState.GONE}
    for state in PoolState:
        assert PoolState.STARTED in reachable(POOL, state)


def test_a_worker_is_given_to_the_front_only_when_it_becomes_ready() -> None:
    """ATTACH stands in one cell."""
    cells = [cell for cell, (_, commands) in WORKER.items() if WorkerCommand.ATTACH in commands]
    assert cells == [(WorkerState.STARTING, WorkerEvent.READY)]


@pytest.mark.parametrize("event", list(WorkerEvent))
def test_an_orderly_end_is_no_failure(event: WorkerEvent) -> None:
    """Rapid-fail protection counts nothing that happens while a worker drains (missing shutdownTimeLimit included)."""
    _, commands = WORKER[WorkerState.DRAINING, event]
    assert WorkerCommand.COUNT_FAILURE not in commands


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (WorkerState.STARTING, WorkerEvent.EXITED),
        (WorkerState.STARTING, WorkerEvent.LATE),
        (WorkerState.RUNNING, WorkerEvent.EXITED),
        (WorkerState.UNRESPONSIVE, WorkerEvent.EXAMINED),
        (WorkerState.UNRESPONSIVE, WorkerEvent.EXAMINED_TO_ORPHAN),
        (WorkerState.UNRESPONSIVE, WorkerEvent.EXITED),
        (WorkerState.SUSPENDED, WorkerEvent.EXITED),
    ],
)
def test_what_rapid_fail_protection_counts(state: WorkerState, event: WorkerEvent) -> None:
    """A crash, a start that takes too long and a failed ping are failures."""
    _, commands = WORKER[state, event]
    assert WorkerCommand.COUNT_FAILURE in commands


def test_a_stopped_pool_refuses_with_the_reason_of_its_stop() -> None:
    """Disabled when an administrator stopped it, AppOffline when rapid-fail protection did."""
    assert PoolCommand.REFUSE_DISABLED in POOL[PoolState.STARTED, PoolEvent.STOP][1]
    assert PoolCommand.REFUSE_OFFLINE in POOL[PoolState.STARTED, PoolEvent.RAPID_FAIL][1]
    assert POOL[PoolState.STOPPED, PoolEvent.START] == (PoolState.STARTED, (PoolCommand.ACCEPT,))


def test_a_worker_that_does_not_answer_is_examined_before_anything_else_is_done_about_it() -> None:
    """Killed at once, it could not tell any more what held it; what it had in hand is saved before its end."""
    assert WORKER[WorkerState.RUNNING, WorkerEvent.UNRESPONSIVE][1] == (WorkerCommand.EXAMINE,)
    commands = WORKER[WorkerState.UNRESPONSIVE, WorkerEvent.EXAMINED][1]
    assert commands.index(WorkerCommand.DROP) < commands.index(WorkerCommand.KILL)


def test_an_orphan_is_never_killed_by_its_table() -> None:
    """It belongs to a debugger, until the service ends."""
    commands = [each for (state, _), (_, found) in WORKER.items() if state is WorkerState.ORPHANED for each in found]
    assert commands == [WorkerCommand.REPORT_END]


def test_a_worker_is_stopped_only_after_the_front_has_let_go_of_it_and_it_has_said_so() -> None:
    """Nothing can be on its way to a process that is stopped."""
    cells = [cell for cell, (_, commands) in WORKER.items() if WorkerCommand.STOP in commands]
    assert cells == [(WorkerState.SUSPENDING, WorkerEvent.RELEASED)]
    asked = [cell for cell, (_, commands) in WORKER.items() if WorkerCommand.RELEASE in commands]
    assert asked == [(WorkerState.SUSPENDING, WorkerEvent.PAUSED)]


@pytest.mark.parametrize("event", list(WorkerEvent))
def test_a_stopped_process_is_continued_before_anything_is_asked_of_it(event: WorkerEvent) -> None:
    """Every way out of Suspended begins with SIGCONT, but its death."""
    following, commands = WORKER[WorkerState.SUSPENDED, event]
    if following not in (WorkerState.SUSPENDED, WorkerState.GONE):
        assert commands[0] is WorkerCommand.CONTINUE
