"""The load as its runner sees it: started, asked how far it is, ended, and its result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.chaos.client import Count, Failure, Options

ROOT: Final = Path(__file__).resolve().parents[2]
WAIT_SECONDS: Final = 90.0


class Load:
    """A running client. Leave the `with` (or call `stop`) and read `counts` and `failures`."""

    def __init__(self, options: Options) -> None:
        self._changed = threading.Condition()
        self._answered: dict[str, int] = {}
        self.failures: list[Failure] = []
        self.counts: dict[str, Count] = {}
        self.began = time.monotonic()
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.client", json.dumps(asdict(options))],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def answered(self) -> Mapping[str, int]:
        """Right answers by kind so far."""
        with self._changed:
            return dict(self._answered)

    def wait_for_answers(self, count: int) -> None:
        """Wait until each kind has got so many more right answers: the service does again what it is there for."""
        start = self.answered

        def has_come() -> bool:
            return bool(self._answered) and all(
                now >= start.get(kind, 0) + count for kind, now in self._answered.items()
            )

        with self._changed:
            came = self._changed.wait_for(has_come, WAIT_SECONDS)
        assert came, f"after {WAIT_SECONDS:.0f} s: {self.answered}, before: {start}; {self.failures[-5:]}"

    def stop(self) -> None:
        """Let every request in hand end, and take in the result."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
            status = self._process.wait(WAIT_SECONDS)
            self._reader.join(WAIT_SECONDS)
            assert status == 0, f"the load ended with {status}"
            assert self.counts, "the load gave no summary"
            for name, count in self.counts.items():
                assert count.sent == count.answered + count.failed, f"{name}: {count}"
            assert sum(count.failed for count in self.counts.values()) == len(self.failures)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                ((what, facts),) = json.loads(line).items()
                with self._changed:
                    if what == "answered":
                        self._answered = facts
                    elif what == "failed":
                        self.failures.append(Failure(**facts))
                    else:
                        self.counts = {name: Count(**one) for name, one in facts.items()}
                    self._changed.notify_all()
