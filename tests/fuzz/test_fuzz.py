"""A few seconds of what `make fuzz` does for longer."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from host.http1.errors import RemoteProtocolError
from host.http1.limits import Limits
from host.http1.policy import HeadPolicy
from host.http1.reader import RequestReader, Signal
from host.http1.request_head import RequestHead
from tests.fuzz.__main__ import NAMES, changed
from tests.fuzz.seeds import SEEDS, SMUGGLING
from tests.fuzz.targets import TARGETS
from tests.running_service import ROOT

ROUNDS = 2000


def test_every_target_has_seeds_and_is_fuzzed() -> None:
    """The runner names them by itself, since it may import none of them before it instruments."""
    assert tuple(TARGETS) == tuple(SEEDS) == NAMES


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_changed_seeds_break_no_promise(name: str) -> None:
    """The same inputs in every run: what fails here fails everywhere."""
    rng = random.Random(name)
    for raw in (*SEEDS[name], *(changed(rng, SEEDS[name]) for _ in range(ROUNDS))):
        try:
            TARGETS[name](raw)
        except BaseException as error:
            error.add_note(f"input: {raw!r}")
            raise


@pytest.mark.parametrize("raw", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_what_two_servers_may_read_as_two_requests_is_never_read_so_here(raw: bytes) -> None:
    """Refused before the hidden request is met; or that is the body which its one length says it is."""
    reader = RequestReader(HeadPolicy(Limits()))
    reader.receive(raw)
    heads, is_refused = 0, False
    try:
        while (event := reader.next_event()) is not Signal.NEED_DATA:
            heads += isinstance(event, RequestHead)
            if event is Signal.PAUSED:
                reader.start_next()
    except RemoteProtocolError:
        is_refused = True
    assert heads <= 1
    assert is_refused or raw == SMUGGLING["a body of GET that is a request"]


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run_of_the_fuzzer_finds_nothing(name: str, tmp_path: Path) -> None:
    """Guided by coverage where atheris is to be had, by chance elsewhere."""
    command = [sys.executable, "-m", "tests.fuzz", f"--one={name}", "--seconds=2", f"--work={tmp_path}", "--seed=1"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    assert not list(tmp_path.glob("crash-*"))
