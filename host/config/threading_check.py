"""Mappings with threadingModel="Single": `isapy check` says where that has no effect, and what it costs elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from host.config.inheritance import Effective
from host.config.model import Application, ApplicationIsolation, IsolationMode, Snapshot
from host.config.problems import Problems

INDIFFERENT_MODULES: Final = frozenset(
    {
        "AsgiModule",
        "CgiModule",
        "DefaultDocumentModule",
        "DirectoryListingModule",
        "FastCgiModule",
        "ManagedEngine",
        "ManagedPipelineHandler",
        "ProtocolSupportModule",
        "ScgiModule",
        "StaticFileModule",
    }
)
"""Modules of isapy's own whose answers are made elsewhere: on the event loop as they are, by other processes, or in
parts that wait for one another (managed handlers)."""

_INDIFFERENT: Final = frozenset(name.lower() for name in INDIFFERENT_MODULES)


def check_threading_model(
    sections: Mapping[str, Effective], application: Application, snapshot: Snapshot, problems: Problems
) -> None:
    """Warns of such mappings among `sections`, in force for one path of `application`."""
    handlers = sections.get("system.webServer/handlers")
    if handlers is None:
        return
    for handler in (entry.effective for entry in handlers.entries):
        if handler.node is None or handler.text("threadingModel") != "Single":
            continue
        message, remedy = _trouble(handler, application, snapshot)
        if message:
            problems.warnings.append(handler.node.error(message, remedy, attribute="threadingModel"))


def _trouble(handler: Effective, application: Application, snapshot: Snapshot) -> tuple[str, str]:
    """What is wrong, and the remedy; empty where nothing is known to be."""
    names = [name.strip() for name in handler.text("modules").split(",") if name.strip()]
    if names and all(name.lower() in _INDIFFERENT for name in names) and not _is_library(handler):
        return f"it has no effect on {', '.join(names)}", "WSGI, ISAPI and plain plugins obey it: take it out here"
    if snapshot.isolation_mode is IsolationMode.IIS5:
        if application.isolation is ApplicationIsolation.LOW:
            return (
                "the application runs in inetinfo, where the whole web server stands still while a call is at work",
                'give the application isolation="Medium" or "High"',
            )
        return "", ""
    pool = next((pool for pool in snapshot.pools if pool.name == application.pool_name), None)
    if pool is not None and not pool.pinging_enabled:
        return (
            f'pool {pool.name} has pingingEnabled="false": nothing finds a worker whose main thread is held by a call',
            "let the pool be pinged",
        )
    return "", ""


def _is_library(handler: Effective) -> bool:
    """Whether the mapping is an ISAPI extension's although it names no module (its scriptProcessor is a library)."""
    program = handler.text("scriptProcessor").partition("|")[0].lower()
    return handler.text("modules").lower() == "managedpipelinehandler" and program.endswith((".so", ".dll"))
