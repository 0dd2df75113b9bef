"""Exit codes are vocabulary: which of them say that another start is pointless."""

from __future__ import annotations

import signal

from host.activation.children import describe_exit
from host.wire.exit_codes import REMEDIES, ExitCode, cannot_load


def test_starts_that_can_never_succeed_have_codes_of_their_own_and_a_remedy_each() -> None:
    """An ordinary end, an unexpected exception (Python's 1) and signals are not among them."""
    assert {code for code in ExitCode if cannot_load(code) is code} == set(REMEDIES)
    for status in (0, 1, 2, 3, 255, -signal.SIGKILL, -signal.SIGSEGV):
        assert cannot_load(status) is None
    assert all(REMEDIES.values())


def test_an_exit_is_described_by_code_meaning_or_signal() -> None:
    """What the event log says of it."""
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(ExitCode.BAD_CONFIGURATION) == "exit code 78 (bad configuration)"
    assert describe_exit(-9) == "signal 9 (SIGKILL)"
