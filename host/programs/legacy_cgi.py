"""`import cgi` in old scripts: Python 3.13 no longer has the module, the distribution legacy-cgi brings it back.

Scripts run under any Python of the machine, not under isapy's. One that lacks `cgi` gets a folder on PYTHONPATH with
`cgi.py` and `cgitb.py` and nothing else, so that no other module of isapy's environment can shadow one of the script's.
A Python that has `cgi`, or is no Python 3, gets nothing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Final

from host.api import ProgramLauncher
from host.gateway.interpreter import is_python_3
from host.programs.legacy_folder import DISTRIBUTION, make_legacy_folder

_PROBE_SECONDS: Final = 10.0
_LACKS_CGI: Final = 3
_PROBE: Final = b"import importlib.util, sys; sys.exit(0 if importlib.util.find_spec('cgi') else 3)"


class LegacyCgi:
    """Decides once for each interpreter; the private folder is made when the first one needs it."""

    def __init__(
        self, launcher: ProgramLauncher, environment: Mapping[bytes, bytes], warn: Callable[[str], None]
    ) -> None:
        self._launcher = launcher
        self._environment = environment
        self._warn = warn
        self._lacking: dict[str, asyncio.Future[bool]] = {}
        self._folder: bytes | None = None
        self._complete: set[bytes] = set()

    def needs_nothing(self, interpreter: bytes) -> bool:
        """Whether that is known without asking anybody: it is no Python 3, or one that has the module."""
        return not is_python_3(interpreter) or interpreter in self._complete

    async def folder_for(self, interpreter: bytes) -> bytes:
        """What PYTHONPATH needs for scripts run by `interpreter` (a path, or a name to be searched for in PATH);
        empty when nothing is needed."""
        if not is_python_3(interpreter):
            return b""
        search_path = os.fsdecode(self._environment.get(b"PATH", b""))
        program = shutil.which(os.fsdecode(interpreter), path=search_path)
        if program is None:
            return b""
        if program not in self._lacking:
            self._lacking[program] = asyncio.ensure_future(self._lacks_cgi(program))
        # shielded: the request that asked first may be cancelled, the answer is for all
        if not await asyncio.shield(self._lacking[program]):
            if os.path.isabs(interpreter):  # a name may be another program's tomorrow
                self._complete.add(interpreter)
            return b""
        if self._folder is None:
            self._folder = self._make_folder(program)
        return self._folder

    def close(self) -> None:
        """Remove the folder."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = b""

    async def _lacks_cgi(self, program: str) -> bool:
        """Ask the interpreter itself; it runs like any CGI program, once."""
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            asked = await self._launcher.launch(
                [os.fsencode(program), b"-I", b"-c", _PROBE],
                self._environment,
                directory=b"/",
                stdin=null,
                stdout=null,
                stderr=null,
                request_id=f"legacy-cgi {program}",
            )
        except OSError:
            return False  # the script will say why
        finally:
            os.close(null)
        try:
            return (await asyncio.wait_for(asked.wait(), _PROBE_SECONDS)).status == _LACKS_CGI
        except TimeoutError:
            await asked.kill("it did not say in time whether it has the module cgi")
            return False

    def _make_folder(self, program: str) -> bytes:
        folder = make_legacy_folder()
        if not folder:
            self._warn(f"{program} has no module cgi: for old scripts, pip install {DISTRIBUTION} beside isapy")
        return folder
