"""Finds out whether an application is WSGI or ASGI, by loading it once in a process of its own.

What the module does at its import, and a module that cannot be imported, stay there; the traceback is told here, before
anything is started.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Final

from host.cli.application_site import Place
from host.cli.failures import CommandLineError
from host.python_apps.callable_name import parse_callable_name
from host.python_apps.interface import Interface, interface_of
from host.python_apps.loading import LoadFailure, load_callable
from host.python_apps.process_paths import Wanted

_AS_THE_COMMAND_LINE_SAYS: Final = (
    ("scriptProcessor", "what stands behind --app"),
    ("pythonApplication/@virtualEnvironment", "--venv"),
)


def find_interface(name: str, place: Place, python: list[str]) -> Interface:
    """What the application in that place speaks; `python` starts an interpreter that finds isapy.

    Raises CommandLineError when it cannot be loaded, and when its signature does not say.
    """
    read_end, write_end = os.pipe()
    try:
        arguments = [*python, "-m", __name__, str(write_end), name, str(place.folder.resolve()), place.environment]
        with subprocess.Popen(arguments, pass_fds=(write_end,), stdin=subprocess.DEVNULL) as process:
            os.close(write_end)
            write_end = -1
            with open(read_end, encoding="utf-8") as answer:
                read_end = -1
                text = answer.readline()
    finally:
        for end in (read_end, write_end):
            if end >= 0:
                os.close(end)
    found = json.loads(text) if text else {"problem": f"loading {name} ended the process with {process.returncode}"}
    if problem := found.get("problem"):
        remedy = found.get("remedy", "")
        for configured, said in _AS_THE_COMMAND_LINE_SAYS:
            remedy = remedy.replace(configured, said)
        remedies = [*found.get("failure", "").splitlines(), remedy]
        raise CommandLineError(problem, remedies)
    if found["interface"] is None:
        text = f"the signature of {name} does not say whether it is a WSGI or an ASGI application"
        raise CommandLineError(text, "say it: --interface wsgi, or --interface asgi")
    return Interface(found["interface"])


def answer(name: str, folder: str, environment: str) -> dict[str, str | None]:
    """What the process says: `interface`, or `problem` with `failure` and `remedy`."""
    try:
        wanted = Wanted(application="the application", environment=environment, folder=folder, insists_on_folder=True)
        function, _ = load_callable(parse_callable_name(name), wanted)
    except LoadFailure as failure:
        return {"problem": f"{name} cannot be used: {failure}", "failure": failure.failure, "remedy": failure.remedy}
    found = interface_of(function)
    return {"interface": found.value if found is not None else None}


if __name__ == "__main__":
    told = json.dumps(answer(sys.argv[2], sys.argv[3], sys.argv[4]))
    os.write(int(sys.argv[1]), told.encode() + b"\n")
    os._exit(0)  # threads that the module has begun are not waited for
