"""The same script, run cold by exec and warm by a fork, through one real spawner."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import NamedTuple

from host.gateway.perl_preamble import perl_modules
from host.gateway.warm_command import warm_processor
from host.wire.spawn_messages import NO_LIMITS, Limits, ProgramLaunched, WarmStart
from tests.spawner.client import PATIENCE_SECONDS, Launched, SpawnerClient

_ADDRESS = re.compile(r"0x[0-9a-f]{6,}|started \d{9,}|\[\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}\]")
PROBE = "import os\nprint(os.getppid())\n"


class Ending(NamedTuple):
    """Everything that a script leaves behind."""

    output: str
    errors: str
    status: int


class WarmRig:
    """A folder of scripts and an interpreter; `command` is its path and its options."""

    probe_name = "isapy-probe.py"
    script_name = "script.py"

    def __init__(self, folder: Path, client: SpawnerClient, *command: str) -> None:
        self.folder = folder
        self.client = client
        self.command = [word.encode() for word in command]
        self.environment: dict[bytes, bytes] = {}
        self.remarks: list[str] = []

    def write(self, name: str, text: str | bytes) -> Path:
        """A script that may be executed."""
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o755)
        return path

    def launch(
        self, script: Path, *words: str, is_warm: bool, stdin: bytes = b"", limits: Limits = NO_LIMITS
    ) -> Launched:
        """Start it; as `interpreter script` when cold."""
        arguments = [bytes(script), *(word.encode() for word in words)]
        lasting = [b"PATH", *self.environment]
        launched = self.client.launch(
            [*self.command, *arguments],
            stdin,
            environment=self.environment,
            directory=bytes(self.folder),
            limits=limits,
            warm=self.warm_start(arguments, lasting) if is_warm else None,
        )
        assert isinstance(launched.answer, ProgramLaunched)
        if launched.answer.remark:
            self.remarks.append(launched.answer.remark)
        return launched

    def warm_start(self, arguments: list[bytes], lasting: list[bytes]) -> WarmStart:
        """What a worker would ask for."""
        return WarmStart(program=self.command[0], command=self.command, arguments=arguments, lasting=lasting)

    def probe(self) -> str:
        """A script that prints its parent's process id."""
        return PROBE

    def run(self, script: Path, *words: str, is_warm: bool, stdin: bytes = b"", limits: Limits = NO_LIMITS) -> Ending:
        """Start it and wait for its end."""
        launched = self.launch(script, *words, is_warm=is_warm, stdin=stdin, limits=limits)
        output, errors = launched.read_all(), launched.read_errors()
        output_text, errors_text = (_ADDRESS.sub("address", raw.decode(errors="replace")) for raw in (output, errors))
        return Ending(output_text, errors_text, launched.status())

    def server(self) -> int:
        """Process id of the warm interpreter, once there is one."""
        probe = self.folder / self.probe_name
        if not probe.exists():
            self.write(probe.name, self.probe())
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up_at:
            parent = int(self.run(probe, is_warm=True).output)
            if parent != self.client.process.process.pid:
                return parent
        raise AssertionError(f"nothing was started warm: {self.remarks}")

    def both(self, script: Path, *words: str, **options: bytes) -> tuple[Ending, Ending]:
        """What is left of it cold, and warm: without doubt, since the server before and after it is the same."""
        cold = self.run(script, *words, is_warm=False, stdin=options.get("stdin", b""))
        server = self.server()
        warm = self.run(script, *words, is_warm=True, stdin=options.get("stdin", b""))
        again = self.run(script, *words, is_warm=True, stdin=options.get("stdin", b""))
        assert warm == again, "the second time is not as the first"
        assert self.server() == server
        return cold, warm

    def same(self, text: str | bytes, *words: str, stdin: bytes = b"") -> Ending:
        """Run a script both ways; it must leave the same. Gives that."""
        cold, warm = self.both(self.write(self.script_name, text), *words, stdin=stdin)
        assert warm._asdict() == cold._asdict()
        return warm


class PerlRig(WarmRig):
    """The same with Perl, whose servers differ by the modules that a script names at its beginning."""

    script_name = "script.pl"

    def warm_start(self, arguments: list[bytes], lasting: list[bytes]) -> WarmStart:
        text = Path(arguments[0].decode()).read_bytes()
        found = warm_processor([*self.command, *arguments], arguments[0], text, lasting)
        assert found is not None
        return WarmStart(
            program=found.program,
            command=self.command,
            arguments=arguments,
            lasting=lasting,
            language="perl",
            modules=list(found.modules),
        )

    def _modules(self) -> tuple[bytes, ...]:
        script = self.folder / self.script_name
        return perl_modules(script.read_bytes()) if script.exists() else ()

    @property
    def probe_name(self) -> str:  # type: ignore[override]
        """One for each set of modules that the script names."""
        return f"isapy-probe-{b'-'.join(self._modules()).decode().replace('::', '_')}.pl"

    def probe(self) -> str:
        return "".join(f"use {name.decode()} ();\n" for name in self._modules()) + 'print getppid(), "\\n";\n'
