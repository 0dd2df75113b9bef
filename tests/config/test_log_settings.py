"""Which answers httpLogging lets into the log."""

from __future__ import annotations

import pytest

from host.config.log_settings import LOGS_EVERYTHING, HttpLogging, is_logged_variable

STATUSES = (100, 200, 304, 399, 400, 404, 500, 999)


@pytest.mark.parametrize(
    ("selective", "logged"),
    [("LogAll", STATUSES), ("LogSuccessful", (100, 200, 304, 399)), ("LogError", (400, 404, 500, 999))],
)
def test_success_ends_at_400(selective: str, logged: tuple[int, ...]) -> None:
    """IIS's ranges: 100 to 399, 400 to 999."""
    logging = HttpLogging(selective_logging=selective)
    assert tuple(status for status in STATUSES if logging.is_logged(status)) == logged


def test_dont_log_is_stronger_than_a_selection() -> None:
    """No status is logged then."""
    logging = HttpLogging(dont_log=True, selective_logging="LogError")
    assert not any(logging.is_logged(status) for status in STATUSES)
    assert all(LOGS_EVERYTHING.is_logged(status) for status in STATUSES)


def test_variables_are_known_in_any_case() -> None:
    """As server variables are; HTTP_ alone names no field."""
    assert [is_logged_variable(name) for name in ("https", "Http_X_A", "HTTP_", "SCRIPT_NAME")] == [
        True,
        True,
        False,
        False,
    ]
