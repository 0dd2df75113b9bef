"""Writes plugins that implement every hook there is and misbehave in the one that `ARMED` names."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from host.api import hookspecs
from host.worker.hooks import HOOK_NAMES, ISAPI_HOOKS

RAISES = 'raise LookupError("{hook} does not work")'
ANSWERS_WRONG = "return WRONG"

HEAD = """\
from host.api import HandlerMapping, Response, hookimpl, hookspecs

class NobodyWantsThis:
    pass

WRONG = NobodyWantsThis()
ARMED = {armed!r}
MAPPINGS = [HandlerMapping(name="{name}", path="*.{name}")]
"""

HOOK = """
@hookimpl
{kind} {hook}({arguments}):
    if ARMED == "{hook}":
        {misdeed}
    return {answer}
"""

OWN_ANSWERS = {"handler_mappings": "MAPPINGS", "handle": 'Response.text("fine")'}
"""Of the others, what the specification gives by itself."""

HOOKS_PAGE = (Path(__file__).resolve().parents[2] / "docs" / "hooks.md").read_text()


def told_in(beginning: str) -> set[str]:
    """The hooks in the row of docs/hooks.md that begins so."""
    (row,) = [line for line in HOOKS_PAGE.splitlines() if line.startswith(f"| {beginning}")]
    found = set(re.findall(r"`(\w+)`", row.rpartition(" | ")[2]))
    assert found <= set(HOOK_NAMES), row
    return found


PLAIN_ALONE = told_in("`def` alone |")


def is_plain(hook: str) -> bool:
    """Whether the hook has to be a plain def."""
    return hook in PLAIN_ALONE


def hooks_of(name: str) -> tuple[str, ...]:
    """The hooks that the plugin of that name implements: an ISAPI extension has no `handle`."""
    if name == "isapi_bad":
        return (*ISAPI_HOOKS, "handler_mappings")
    return tuple(hook for hook in HOOK_NAMES if hook not in ISAPI_HOOKS)


def write_plugin(
    folder: Path, name: str, misdeed: str, *, kind: str = "def", armed: str = "", without: str = ""
) -> Path:
    """The plugin `name` (`bad` or `isapi_bad`), whose hooks are written `kind` where they may be."""
    parts = [HEAD.format(armed=armed, name=name)]
    for hook in hooks_of(name):
        if hook == without:
            continue
        arguments = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
        parts.append(
            HOOK.format(
                kind="def" if is_plain(hook) else kind,
                hook=hook,
                arguments=arguments,
                misdeed=misdeed.format(hook=hook),
                answer=OWN_ANSWERS.get(hook, f"hookspecs.{hook}({arguments})"),
            )
        )
    path = folder / f"{name}.py"
    path.write_text("".join(parts))
    return path
