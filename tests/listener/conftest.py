"""A listener of this test's own, on both event loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.listener.running_listener import RunningListener, Sizes, running_listener


@pytest.fixture(params=["uvloop", "asyncio"])
def start(request: pytest.FixtureRequest) -> Iterator[Callable[..., RunningListener]]:
    """Starts listeners: `start(queue_length=2)`; all of them are closed at the end."""
    with ExitStack() as stack:

        def begin(**sizes: object) -> RunningListener:
            running = running_listener(Sizes(**sizes), on_uvloop=request.param == "uvloop")  # type: ignore[arg-type]
            return stack.enter_context(running)

        yield begin


@pytest.fixture
def front(start: Callable[..., RunningListener]) -> RunningListener:
    """A listener with the defaults."""
    return start()
