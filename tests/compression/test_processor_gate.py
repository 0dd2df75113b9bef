"""The limits of processor usage, with a clock and a machine that the test moves."""

from __future__ import annotations

from host.compression.processor_gate import LOOK_SECONDS, ProcessorGate, times_of


class Machine:
    """A clock and the times that /proc/stat would show."""

    def __init__(self) -> None:
        self.now = 100.0
        self.busy = 5000
        self.everything = 90000

    def pass_time(self, percent: int, seconds: float = LOOK_SECONDS) -> None:
        """Let time pass in which the machine was that busy."""
        self.now += seconds
        self.everything += 1000
        self.busy += 10 * percent

    def gate(self) -> ProcessorGate:
        return ProcessorGate(lambda: self.now, lambda: (self.busy, self.everything))


def test_it_shuts_above_one_limit_and_opens_below_the_other() -> None:
    """Between the two it stays as it was."""
    machine = Machine()
    gate = machine.gate()
    seen = []
    for percent in (89, 90, 60, 50, 49, 60):
        machine.pass_time(percent)
        seen.append(gate.is_open("dynamic", 90, 50))
    assert seen == [True, False, False, False, True, True]


def test_it_looks_every_thirty_seconds() -> None:
    """A peak in between is part of an average, and what was before the worker began counts for nothing."""
    machine = Machine()
    gate = machine.gate()
    machine.pass_time(100, LOOK_SECONDS - 1)
    assert gate.is_open("dynamic", 90, 50)
    machine.pass_time(0, 1)
    assert gate.is_open("dynamic", 90, 50)
    machine.pass_time(100, LOOK_SECONDS)
    assert not gate.is_open("dynamic", 90, 50)


def test_a_hundred_percent_is_never_reached() -> None:
    """The default of static compression: a machine that is fully busy goes on compressing."""
    machine = Machine()
    gate = machine.gate()
    machine.pass_time(100)
    assert gate.is_open("static", 100, 50)
    assert not gate.is_open("dynamic", 99, 50)
    assert gate.is_open("static", 100, 50)


def test_the_two_kinds_have_doors_of_their_own() -> None:
    """Static compression may go on where dynamic compression has stopped."""
    machine = Machine()
    gate = machine.gate()
    machine.pass_time(92)
    assert not gate.is_open("dynamic", 90, 50)
    assert gate.is_open("static", 95, 50)


def test_a_clock_without_ticks_tells_nothing() -> None:
    """A machine whose counters stand still is not judged."""
    machine = Machine()
    gate = machine.gate()
    machine.now += LOOK_SECONDS
    assert gate.is_open("dynamic", 0, 0)


def test_waiting_for_disks_is_not_being_busy() -> None:
    """proc(5): the fourth and fifth number are idle and iowait; guests are counted in user already."""
    assert times_of("cpu  10 1 5 100 20 2 2 3 7 0\n") == (23, 143)
