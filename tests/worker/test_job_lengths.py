"""When jobs count as long ones."""

from __future__ import annotations

from host.worker.job_lengths import SHORT_SECONDS, JobLengths

SHORT, LONG = SHORT_SECONDS / 5, SHORT_SECONDS * 20


def test_short_jobs_are_short() -> None:
    """Nothing is remembered of them."""
    lengths = JobLengths()
    for _ in range(100):
        lengths.note(SHORT)
    assert not lengths.are_long
    assert lengths.score == 0


def test_a_single_long_job_changes_nothing() -> None:
    """Any job is interrupted now and then; by the time of the next one the first is forgotten."""
    lengths = JobLengths()
    for _ in range(20):
        lengths.note(LONG)
        assert not lengths.are_long
        for _ in range(4):
            lengths.note(SHORT)
    assert lengths.score == 0


def test_long_jobs_are_noticed_at_once_and_forgotten_after_some_short_ones() -> None:
    """Two in a row are enough; however many there were, twenty short ones are, too."""
    lengths = JobLengths()
    lengths.note(LONG)
    lengths.note(LONG)
    assert lengths.are_long
    for _ in range(1000):
        lengths.note(LONG)
    for _ in range(20):
        lengths.note(SHORT)
    assert not lengths.are_long


def test_one_long_job_in_four_counts() -> None:
    """Mixed with short ones that should not wait for it."""
    lengths = JobLengths()
    for _ in range(30):
        for seconds in (LONG, SHORT, SHORT, SHORT):
            lengths.note(seconds)
    assert lengths.are_long
