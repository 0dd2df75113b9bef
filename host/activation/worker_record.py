"""What the supervisor keeps about one worker process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from host.activation.children import Channel, describe_exit
from host.activation.crash_site import CrashSite
from host.activation.front_supervisor import FrontSupervisor
from host.activation.questions import ANSWER_SECONDS, Questions
from host.activation.recycling import RecycleReason
from host.activation.worker_facts import WorkerFacts
from host.activation.worker_transitions import IN_PLACE, TRANSITIONS, WorkerCommand, WorkerEvent, WorkerState
from host.config.model import Pool
from host.wire.black_box import BlackBoxOpened, Blame
from host.wire.control_messages import (
    AnyMessage,
    AskExecuting,
    CannotStart,
    Executing,
    Ping,
    Pong,
    Served,
    TellWhenServed,
)
from host.wire.message_rows import Examination, FilterRow, PluginRow, RequestRow


@dataclass(slots=True, kw_only=True)
class WorkerRecord:
    """One worker: its place in the automaton, its channel, and what its last Pong said."""

    name: str  # "DefaultAppPool#1"
    number: int
    channel: Channel
    settings: Pool  # what holds for this worker: its pool's may be others by now, and wait for its recycle
    started_at: float
    why_started: str
    ready_at: float | None = None
    state: WorkerState = WorkerState.STARTING
    pid: int = 0
    replaces: WorkerRecord | None = None
    has_hung_up: bool = False  # its channel has ended: the process is gone, or as good as gone
    is_lost: bool = False  # its link or channel has ended; the exit status is still to come
    is_condemned: bool = False  # it was to be killed
    is_abandoned: bool = False  # its parent has died: it is the service's own child by now
    end_text: str = ""  # why it ends
    failure_text: str = ""  # what it did that counts as a failure
    start_failure: str = ""  # what it said before Ready, when it gave up
    exit_status: int | None = None  # exit code, or minus the signal, once it has ended
    crash_site: CrashSite = field(default_factory=CrashSite)
    blame: Blame | None = None  # the native code in which it has died
    timer: asyncio.TimerHandle | None = None
    requests_served: int = 0
    told_when_served: int = 0  # the number at which it says so
    requests_in_hand: int = 0
    idle_since: float = 0.0
    last_ping_at: float = 0.0
    last_pong_at: float = 0.0
    measured_at: float = 0.0
    virtual_kilobytes: int = 0
    private_kilobytes: int = 0
    plugins: list[PluginRow] = field(default_factory=list)
    filters: list[FilterRow] = field(default_factory=list)
    owed: RecycleReason | None = None  # a recycle that was asked for and has not begun
    not_before: float = 0.0  # when an owed recycle may begin: a replacement has failed
    failed_replacements: int = 0  # in a row
    is_apart: bool = False  # it is recycled without overlap: nobody takes its place before it is gone
    suspension: int = 0  # counts its suspensions, so that a late answer is told from the latest one's
    lost_fronts: set[FrontSupervisor] = field(default_factory=set)  # started again while it was suspended
    awake_since: float = 0.0
    resident_before: int = 0  # kilobytes, before it gave memory back
    answered: asyncio.Event = field(default_factory=asyncio.Event)  # set while no ping waits for its Pong
    examined: asyncio.Future[Examination] | None = None  # while its parent reads its stacks
    examination: Examination | None = None  # what was found
    requests_at_failure: list[RequestRow] = field(default_factory=list)  # what it had when it did not answer
    questions: Questions[Executing] = field(default_factory=Questions)

    def step(self, event: WorkerEvent) -> tuple[WorkerCommand, ...]:
        """Ask the table; the caller carries the commands out."""
        self.state, commands = TRANSITIONS[self.state, event]
        return commands

    @property
    def takes_requests(self) -> bool:
        """Whether it is one of the pool's working or coming workers (what maxProcesses counts)."""
        return self.state in IN_PLACE and not self.is_lost

    @property
    def is_replacement(self) -> bool:
        """Whether it was started to take the place of a worker that still serves."""
        return self.replaces is not None and self.replaces.takes_requests

    def ping(self, now: float) -> None:
        """Ask it whether it is well."""
        self.last_ping_at = now
        self.answered.clear()
        self.channel.send(Ping(number=int(now * 1000)))

    def count_to(self, requests: int) -> None:
        """Have it say when it has served so many requests; 0: never."""
        if requests != self.told_when_served:
            self.told_when_served = requests
            self.channel.send(TellWhenServed(requests=requests))

    def has_said(self, message: AnyMessage, descriptors: list[int], now: float) -> None:
        """Keep what it says of itself; of anything else nothing."""
        match message:
            case Pong():
                self._has_answered(message, now)
            case Served():
                self.requests_served = message.requests
            case CannotStart():
                self.start_failure = message.reason
            case Executing():  # an answer that nobody waits for any more is dropped
                self.questions.answer(message.number, message)
            case BlackBoxOpened():
                self.crash_site.take(descriptors)
            case _:
                pass

    def _has_answered(self, pong: Pong, now: float) -> None:
        self.last_pong_at = now
        self.requests_served = pong.requests_served
        self.requests_in_hand = pong.requests_in_hand
        self.idle_since = now - pong.idle_seconds
        self.answered.set()

    async def executing(self, limit_seconds: float = ANSWER_SECONDS) -> Executing:
        """What it is doing for each request it has, and its plugins' processes. Raises TimeoutError."""
        return await self.questions.ask(lambda number: self.channel.send(AskExecuting(number=number)), limit_seconds)

    def has_woken(self, now: float) -> None:
        """It slept until now: the time does not count as idle, and a ping from before is not waited for."""
        self.awake_since = self.last_ping_at = self.last_pong_at = now
        self.answered.set()

    def facts(self, now: float) -> WorkerFacts:
        """What the policies look at; idle is what the worker last said, since it may have begun a request meanwhile."""
        known_until = now if self.state is WorkerState.SUSPENDED else self.last_pong_at
        return WorkerFacts(
            now=now,
            started_at=self.started_at,
            requests_served=self.requests_served,
            requests_in_hand=self.requests_in_hand,
            idle_seconds=max(0.0, known_until - max(self.idle_since, self.awake_since)),
            virtual_kilobytes=self.virtual_kilobytes,
            private_kilobytes=self.private_kilobytes,
            last_ping_at=self.last_ping_at,
            last_pong_at=self.last_pong_at,
        )

    def has_ended(self, status: int) -> None:
        """Its process is gone: exit code, or minus the signal. Takes in its last words, and what it has left behind."""
        self.exit_status = status
        self.channel.read_rest()
        self.channel.close()
        self.limit(None)
        how = describe_exit(status) + (f": {self.start_failure}" if self.start_failure else "")
        blame = self.crash_site.read()
        if blame is not None and (status or not self.end_text):
            self.blame = blame
            how += "" if blame.sentence in self.end_text else f" {blame.sentence}"
        self.end_text = f"{self.end_text}; {how}" if self.end_text else how

    def limit(self, timer: asyncio.TimerHandle | None) -> None:
        """Replace the running time limit by this one (None: there is none any more)."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = timer
