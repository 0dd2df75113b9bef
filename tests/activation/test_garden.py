"""What becomes of a demand, and which idle worker leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from host.activation.garden import Answer, GardenFacts, answer_demand
from host.activation.idle import idle_text, idle_timeout, idlest
from host.activation.memory import MachineMemory
from host.activation.numa import count_nodes, numa_nodes
from host.activation.whole_server import WholeServer
from host.activation.worker_facts import WorkerFacts
from host.activation.worker_transitions import WorkerState
from host.config.model import Pool, WebLimits

S = WorkerState
EMPTY = GardenFacts(states=(), leaving=0, known_to_front=0, max_processes=2, on_server=0, most_on_server=100)


@pytest.mark.parametrize(
    ("facts", "answer"),
    [
        (EMPTY, Answer.START),
        (replace(EMPTY, states=(S.STARTING,)), Answer.NOTHING),  # one is on its way
        (replace(EMPTY, states=(S.RUNNING,), known_to_front=1), Answer.START),  # it has no credit left
        (replace(EMPTY, states=(S.RUNNING,), known_to_front=0), Answer.NOTHING),  # said before the front knew it
        (replace(EMPTY, states=(S.RUNNING,), known_to_front=None), Answer.START),
        (replace(EMPTY, states=(S.RUNNING, S.RUNNING), known_to_front=2), Answer.NOTHING),  # maxProcesses
        (replace(EMPTY, states=(S.RUNNING,), known_to_front=1, leaving=1), Answer.NOTHING),  # its place is not free yet
        (replace(EMPTY, states=(S.SUSPENDED,)), Answer.WAKE),
        (replace(EMPTY, states=(S.RUNNING, S.SUSPENDING), known_to_front=1), Answer.WAKE),
        (replace(EMPTY, states=(S.RUNNING, S.SUSPENDED), known_to_front=0), Answer.NOTHING),  # one was woken just now
        (replace(EMPTY, on_server=100), Answer.HELD_BACK),
        (replace(EMPTY, on_server=100, states=(S.SUSPENDED,)), Answer.WAKE),  # that is no start
    ],
)
def test_a_demand_starts_one_worker_only_when_nothing_else_helps(facts: GardenFacts, answer: Answer) -> None:
    """A web garden grows one at a time, when every worker is out of credit."""
    assert answer_demand(facts) is answer


def worker(idle_seconds: float, in_hand: int = 0) -> WorkerFacts:
    return WorkerFacts(now=5000.0, started_at=0.0, idle_seconds=idle_seconds, requests_in_hand=in_hand)


def test_idle_workers_leave_one_by_one_the_one_that_is_idle_longest_first() -> None:
    """Never two at one look."""
    assert idlest([worker(70), worker(90), worker(80)], [60, 60, 60]) == 1
    assert idlest([worker(70), worker(90, in_hand=1)], [60, 60]) == 0
    assert idlest([worker(59), worker(1)], [60, 60]) is None
    assert idlest([worker(70), worker(90)], [60, 120]) == 0  # the other one goes by what it was started with
    assert idlest([worker(9999)], [0]) is None
    assert idlest([], []) is None


@pytest.mark.parametrize(
    ("used", "seconds"),
    [(0, 960), (79, 960), (80, 480), (85, 240), (90, 120), (95, 60), (100, 30), (250, 30)],
)
def test_scarce_memory_shortens_idle_time_outs_step_by_step(used: int, seconds: float) -> None:
    """Halved at 80, 85, 90, 95 and 100 % of dynamicIdleThreshold."""
    assert idle_timeout(960, 100, 100, used) == seconds


def test_the_threshold_is_a_share_of_physical_memory_and_zero_switches_it_off() -> None:
    """50 % of 1000 KB are full at 500 KB."""
    assert idle_timeout(960, 50, 1000, 500) == 30
    assert idle_timeout(960, 50, 1000, 399) == 960
    assert idle_timeout(960, 0, 1000, 1000) == 960
    assert idle_timeout(0, 50, 1000, 1000) == 0


def test_what_is_told_of_an_idle_worker_names_who_has_shortened_its_time() -> None:
    """idleTimeout stands in the configuration as it is; thirty seconds of it stand nowhere."""
    assert idle_text(960.4, 960, 960.0) == "idle for 960 s, idleTimeout is 960 s"
    text = idle_text(31.0, 960, 30.0)
    assert text.startswith("idle for 31 s, idleTimeout is 960 s, which webLimits/@dynamicIdleThreshold makes 30 s")


def test_the_server_measures_memory_every_ten_seconds_and_only_when_the_threshold_is_set() -> None:
    """Reading the machine's memory is no work for every second."""
    measured: list[int] = []

    def measure() -> MachineMemory:
        measured.append(1)
        return MachineMemory(total=1000, available=100)

    pool = Pool(name="P", idle_timeout_seconds=960)
    server = WholeServer(WebLimits(), lambda: 0, measure)
    assert (server.idle_timeout(pool, 0.0), measured) == (960, [])
    server.limits = WebLimits(dynamic_idle_threshold=100)
    assert server.idle_timeout(pool, 0.0) == 120
    assert server.idle_timeout(pool, 9.9) == 120
    assert len(measured) == 1
    server.idle_timeout(pool, 10.0)
    assert len(measured) == 2


@pytest.mark.parametrize(("text", "nodes"), [("0\n", 1), ("0-1\n", 2), ("0-1,4", 3), ("", 1), ("what", 1), ("0-x", 1)])
def test_numa_nodes_are_counted_as_the_kernel_lists_them(text: str, nodes: int) -> None:
    """maxProcesses="0" is one worker for each; one where nobody knows."""
    assert count_nodes(text) == nodes


def test_this_machine_has_a_numa_node(tmp_path: Path) -> None:
    """Read from the real file; a kernel without it counts as one."""
    assert numa_nodes() >= 1
    assert numa_nodes(tmp_path / "online") == 1
