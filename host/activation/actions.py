"""Programs that the configuration names for an occasion (`orphanActionExe`): run without a shell, told in events."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from host.activation.children import Surroundings, describe_exit


def run_action(
    around: Surroundings, executable: str, parameters: str, first: str, occasion: str, fields: Mapping[str, str]
) -> None:
    """Run `executable` with `parameters`, split as a shell splits words; `%1%` in a word becomes `first`.

    It runs as the service's user, with PATH as its only variable, and ends with the service at the latest. How it
    ended, and the end of what it wrote, is an event; so is a failure to start it. `occasion` says what it was run for.
    """

    def ended(status: int, output: str) -> None:
        event_id = "action-failed" if status else "action-ended"
        text = f"{occasion}: {os.path.basename(executable)} ended with {describe_exit(status)}"
        around.report(event_id, text, {**fields, **({"output": output} if output else {})})

    try:
        words = [word.replace("%1%", first) for word in shlex.split(parameters)]
        around.launcher.run_program([executable, *words], ended)
    except (OSError, ValueError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        around.report("action-failed", f"{occasion}: {executable} could not be started: {reason}", fields)
