"""`system.webServer/pythonApplication` (ours): how the WSGI and ASGI applications of an application run."""

from __future__ import annotations

from typing import Final

from host.config.schema_types import Element, Expansion, Scope, Section, boolean, choice, string, time_span

PYTHON_APPLICATION: Final = Section(
    path="system.webServer/pythonApplication",
    scope=Scope.MACHINE_TO_APPLICATION,
    ours=True,
    element=Element(
        name="pythonApplication",
        meaning="how WSGI and ASGI applications run (mappings with WsgiModule or AsgiModule)",
        ours=True,
        attributes=(
            string(
                "virtualEnvironment",
                "folder of the virtual environment whose packages the application imports; empty: those of isapy",
                expansion=Expansion.PATH,
                case_sensitive=True,
            ),
            string(
                "workingDirectory",
                "current folder, and where its modules are found; empty: the folder of the application",
                expansion=Expansion.PATH,
                case_sensitive=True,
            ),
            string(
                "monitorChangesTo",
                "a file whose change replaces the processes that run the application, beside the file of its module",
                expansion=Expansion.PATH,
                case_sensitive=True,
            ),
            boolean("monitorChanges", True, "false: no change of a file replaces a process", ours=True),
            boolean(
                "multithread",
                True,
                "WSGI: false for code that may run on one thread of a process at a time only",
                ours=True,
            ),
            choice(
                "lifespan",
                "Auto",
                "ASGI: whether the application is told of its start and end; Auto: if it knows of them",
                {"Auto": 0, "On": 1, "Off": 2},
                ours=True,
            ),
            time_span(
                "disconnectTimeLimit",
                "00:00:10",
                "ASGI: how long the application may go on for a client that has left, before it is cancelled",
                within=(0, 3600),
                ours=True,
            ),
        ),
    ),
)
