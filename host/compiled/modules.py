"""Which modules are compiled: those that every request runs through in listener, worker and whoever starts programs.

A room is compiled whole where its classes use each other's attributes: a compiled class is fast for compiled code, and
a little slower than a Python one for everybody else. What mypyc (2.4) makes of a module differs from Python in few
things that matter here:

- numbers have no identity: compare them with `==`, never with `is`;
- a slice of bytes whose end lies before its begin is a SystemError instead of empty;
- an argument of another type than annotated is a TypeError at once;
- classes have no `__dict__`, and `copy.copy` does not copy their instances;
- frames are in tracebacks, but not on the interpreter's stack;
- a coroutine that waits inside `except` or `finally` leaves its exception to whoever runs meanwhile.

It refuses asynchronous generators, classes that inherit from built-in ones other than Exception, and `continue` in a
`try` with `finally`; an enumeration with an `__init__` is compiled and then cannot be imported.
"""

from __future__ import annotations

import os
from typing import Final

_ROOMS: Final = ("host.fastcgi", "host.http1", "host.listener")
_WORKER: Final = (
    "admission",
    "cache_offers",
    "calling",
    "channel",
    "connection_facts",
    "everyday",
    "exchange",
    "filter_changes",
    "front_link",
    "handler_choice",
    "handler_map",
    "launched_program",
    "link",
    "pending",
    "pipeline",
    "plan",
    "request_task",
    "response_head",
    "routes",
    "script_launcher",
    "small_answers",
)
_FURTHER: Final = (
    "host.api.thread_work",
    "host.gateway.cgi_response",
    "host.gateway.environment",
    "host.gateway.fastcgi_records",
    "host.gateway.fastcgi_response",
    "host.gateway.variable_group",
    "host.gateway.variable_pairs",
    "host.isapi.brief_answer",
    "host.isapi.extension_files",
    "host.logs.record",
    "host.native.blocks",
    "host.native.front",
    "host.native.quick",
    "host.programs.gateway_answer",
    "host.programs.output_stream",
    "host.programs.program_call",
    "host.programs.request_pieces",
    "host.python_apps.applications",
    "host.python_apps.asgi",
    "host.python_apps.asgi_head",
    "host.python_apps.asgi_scope",
    "host.python_apps.mount_point",
    "host.python_apps.turn",
    "host.python_apps.wsgi",
    "host.python_apps.wsgi_call",
    "host.python_apps.wsgi_environ",
    "host.python_apps.wsgi_main_call",
    "host.python_apps.wsgi_streams",
    "host.python_apps.wsgi_thread_call",
    "host.spawner.answers",
    "host.spawner.packets",
    "host.spawner.program_records",
    "host.spawner.program_start",
    "host.spawner.server",
    "host.wire.codec",
    "host.wire.errors",
    "host.wire.frames",
)
_PYTHON_ALONE: Final = {
    "host.http1.errors",  # an enumeration with an __init__
    "host.listener.descriptors",  # these work once a second, or at a start and a change
    "host.listener.encrypted_file_sender",
    "host.listener.endpoints",
    "host.listener.error_log",
    "host.listener.handshakes",  # what a handshake costs is OpenSSL's
    "host.listener.tls",
}


def compiled_modules(project: str) -> tuple[str, ...]:
    """Full names, of the sources in that folder. They become one library: they are used together or not at all."""
    names = [
        f"{room}.{file.removesuffix('.py')}"
        for room in _ROOMS
        for file in sorted(os.listdir(os.path.join(project, *room.split("."))))
        if file.endswith(".py") and file != "__init__.py"
    ]
    worker = (f"host.worker.{name}" for name in _WORKER)
    return (*(name for name in names if name not in _PYTHON_ALONE), *worker, *_FURTHER)
