"""The launcher of a process that starts no programs."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence

from host.api import Program, ResourceLimits, StartedProgram, WarmStart


class MissingLauncher:
    """The launcher of a process without a spawner (a dllhost: CGI stays in inetinfo)."""

    async def launch(  # noqa: PLR0913  the parameters are those of an exec
        self,
        argv: Sequence[bytes],
        environment: Mapping[bytes, bytes],
        *,
        directory: bytes,
        stdin: int,
        stdout: int,
        stderr: int,
        request_id: str,
        limits: ResourceLimits | None = None,
        warm: WarmStart | None = None,
        script: bytes = b"",
        private_temp: bool = False,
    ) -> Program:
        """Raises OSError ENOSYS."""
        del environment, directory, stdin, stdout, stderr, request_id, limits, warm, script, private_temp
        raise _starts_nothing(argv)

    def start(  # noqa: PLR0913  the parameters are those of an exec
        self,
        argv: Sequence[bytes],
        environment: Mapping[bytes, bytes],
        *,
        directory: bytes,
        descriptors: tuple[int, int, int],
        request_id: str,
        limits: ResourceLimits | None = None,
        warm: WarmStart | None = None,
        script: bytes = b"",
        private_temp: bool = False,
        told: Callable[[], None] | None = None,
    ) -> StartedProgram:
        """Raises OSError ENOSYS."""
        del environment, directory, descriptors, request_id, limits, warm, script, private_temp, told
        raise _starts_nothing(argv)


def _starts_nothing(argv: Sequence[bytes]) -> OSError:
    return OSError(errno.ENOSYS, "this process starts no programs", os.fsdecode(argv[0]))
