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
        (WorkerState.RUNNING, WorkerEvent.LATE),
    ],
)
def test_what_rapid_fail_protection_counts(state: WorkerState, event: WorkerEvent) -> None:
    """A crash, a start that takes too long, a failed ping and a lost link are failures."""
    _, commands = WORKER[state, event]
    assert WorkerCommand.COUNT_FAILURE in commands


def test_a_failure_is_told_before_it_is_counted() -> None:
    """The event of rapid-fail protection names the cause of each failure, which the report puts down."""
    for _, commands in WORKER.values():
        names = [command.name for command in commands]
        for command in (WorkerCommand.COUNT_FAILURE, WorkerCommand.TAKE_OFFLINE):
            if command in commands:
                assert any(name.startswith("REPORT_") for name in names[: commands.index(command)])


def test_only_a_start_that_can_never_succeed_takes_the_pool_off_line_at_once() -> None:
    """It burns no failure; the same exit code of a worker that had loaded is a crash."""
    cells = [cell for cell, (_, commands) in WORKER.items() if WorkerCommand.TAKE_OFFLINE in commands]
    assert cells == [(WorkerState.STARTING, WorkerEvent.CANNOT_LOAD)]
    assert WorkerCommand.COUNT_FAILURE in WORKER[WorkerState.RUNNING, WorkerEvent.CANNOT_LOAD][1]


def test_a_lost_link_gives_a_running_worker_a_moment_to_end_and_is_nothing_to_one_that_drains() -> None:
    """The exit status tells more than the link; a worker that lives on without its link is killed."""
    assert WORKER[WorkerState.RUNNING, WorkerEvent.LINK_LOST] == (WorkerState.RUNNING, (WorkerCommand.AWAIT_EXIT,))
    assert WorkerCommand.KILL in WORKER[WorkerState.RUNNING, WorkerEvent.LATE][1]
    assert WORKER[WorkerState.DRAINING, WorkerEvent.LINK_LOST] == (WorkerState.DRAINING, ())


@pytest.mark.parametrize("state", [PoolState.STARTING, PoolState.STARTED])
@pytest.mark.parametrize(
    ("event", "refusal"),
    [
        (PoolEvent.STOP, PoolCommand.REFUSE_DISABLED),
        (PoolEvent.RAPID_FAIL, PoolCommand.REFUSE_OFFLINE),
        (PoolEvent.CANNOT_LOAD, PoolCommand.REFUSE_OFFLINE),
        (PoolEvent.SHUT_DOWN, PoolCommand.REFUSE_SHUTDOWN),
    ],
)
def test_a_pool_that_stops_refuses_with_the_reason_of_its_stop(
    state: PoolState, event: PoolEvent, refusal: PoolCommand
) -> None:
    """Disabled: an administrator; AppOffline: its workers fail; AppShutdown: a policy, which kills what it drains."""
    following, commands = POOL[state, event]
    assert following is PoolState.STOPPING
    assert commands[:2] == (refusal, PoolCommand.DRAIN_WORKERS)
    assert (PoolCommand.KILL_WORKERS in commands) is (event is PoolEvent.SHUT_DOWN)
    assert (PoolCommand.RUN_AUTO_SHUTDOWN in commands) is (event is not PoolEvent.STOP)


@pytest.mark.parametrize("state", [PoolState.STOPPING, PoolState.STOPPED])
def test_nothing_but_a_start_makes_a_stopped_pool_accept(state: PoolState) -> None:
    """And that forgets its failures; an administrator's stop has the last word over the others."""
    accepting = [event for event in PoolEvent if PoolCommand.ACCEPT in POOL[state, event][1]]
    assert accepting == [PoolEvent.START]
    assert PoolCommand.FORGET_FAILURES in POOL[state, PoolEvent.START][1]
    assert POOL[state, PoolEvent.STOP] == (state, (PoolCommand.REFUSE_DISABLED,))


def test_a_pool_is_started_when_its_parent_can_fork_and_starting_again_when_it_is_lost() -> None:
    """Requests wait meanwhile: neither cell refuses anything."""
    assert POOL[PoolState.STARTING, PoolEvent.PARENT_READY] == (PoolState.STARTED, (PoolCommand.START_WORKERS,))
    assert POOL[PoolState.STARTED, PoolEvent.PARENT_LOST] == (PoolState.STARTING, (PoolCommand.DRAIN_ABANDONED,))


@pytest.mark.parametrize("state", list(PoolState))
def test_a_pool_that_the_service_before_had_taken_off_line_stays_so_and_no_program_is_run_again(
    state: PoolState,
) -> None:
    """Over an upgrade: whatever the new service had done with the pool until then."""
    following, commands = POOL[state, PoolEvent.FOUND_OFFLINE]
    assert following in (PoolState.STOPPING, PoolState.STOPPED)
    assert commands[0] is PoolCommand.REFUSE_OFFLINE
    assert PoolCommand.RUN_AUTO_SHUTDOWN not in commands


def test_nothing_of_a_stopped_pool_runs() -> None:
    """Its last worker takes the parent with it."""
    assert POOL[PoolState.STOPPING, PoolEvent.EMPTY] == (PoolState.STOPPED, (PoolCommand.END_PARENT,))


def test_start_clears_failures_also_on_a_pool_that_runs() -> None:
    """`isapy start pool` is the administrator's word that it has been looked after."""
    assert all(PoolCommand.FORGET_FAILURES in POOL[state, PoolEvent.START][1] for state in PoolState)


def test_a_worker_that_does_not_answer_is_examined_before_anything_else_is_done_about_it() -> None:
    """Killed at once, it could not tell any more what held it; what it had in hand is saved before its end."""
    assert WORKER[WorkerState.RUNNING, WorkerEvent.UNRESPONSIVE][1] == (WorkerCommand.EXAMINE,)
    commands = WORKER[WorkerState.UNRESPONSIVE, WorkerEvent.EXAMINED][1]
    assert commands.index(WorkerCommand.DROP) < commands.index(WorkerCommand.KILL)


def test_an_orphan_is_never_killed_by_its_table() -> None:
    """It belongs to a debugger, until the service ends."""
    commands = [each for (state, _), (_, found) in WORKER.items() if state is WorkerState.ORPHANED for each in found]
    assert set(commands) == {WorkerCommand.REPORT_END}


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
