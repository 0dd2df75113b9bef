"""What becomes of a demand: requests wait and no worker has credit. Pure; a web garden grows by it, one at a time."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from host.activation.worker_transitions import IN_PLACE, WorkerState

_CAN_BE_WOKEN = (WorkerState.SUSPENDED, WorkerState.SUSPENDING)


class Answer(enum.Enum):
    """What is done about a demand."""

    NOTHING = "nothing: enough workers are there or on their way"
    WAKE = "wake a suspended worker"
    START = "start a worker"
    HELD_BACK = "nothing: webLimits/@demandStartThreshold is reached"


@dataclass(frozen=True, slots=True)
class GardenFacts:
    """A pool's workers when a demand comes.

    `states`: of every worker whose process is not known to be lost. `leaving`: workers that drain and must be gone
    before another one takes their place (recycled without overlap). `known_to_front`: how many workers the front said
    it can hand requests to, None when it was not the front that asked. `on_server`: workers of all pools.
    """

    states: Sequence[WorkerState]
    leaving: int
    known_to_front: int | None
    max_processes: int
    on_server: int
    most_on_server: int


def answer_demand(facts: GardenFacts) -> Answer:
    """One more worker only when every worker that runs has no credit left, and none is on its way."""
    working = [state for state in facts.states if state in IN_PLACE]
    if WorkerState.STARTING in working:
        return Answer.NOTHING
    if facts.known_to_front is not None and facts.known_to_front < working.count(WorkerState.RUNNING):
        return Answer.NOTHING  # said before it knew the latest one, started or woken
    if any(state in _CAN_BE_WOKEN for state in working):
        return Answer.WAKE
    if len(working) + facts.leaving >= facts.max_processes:
        return Answer.NOTHING
    return Answer.HELD_BACK if facts.on_server >= facts.most_on_server else Answer.START
