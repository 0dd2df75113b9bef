"""Which command lines and which variables a script may be started with, whoever asks for it. Pure.

A worker asks, and a worker may have been broken into: it could name another program in the place of the script, or have
the script's interpreter load its own code (LD_PRELOAD, PERL5LIB, BASH_ENV). So only commands that the server's file
gives are taken, and of the environment only what CGI has, as suexec does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from host.gateway.first_line import command_by_extension, own_command, read_first_line
from host.gateway.interpreter import processor_command

_OF_CGI: Final = re.compile(
    rb"(?:HTTP|REDIRECT|HTTPS|CERT|SSL|SERVER|REMOTE|REQUEST|SCRIPT|CONTENT|INSTANCE|APPL)_[A-Za-z0-9_]+"
    rb"|HTTPS|AUTH_TYPE|AUTH_USER|LOGON_USER|DOCUMENT_ROOT|GATEWAY_INTERFACE|LOCAL_ADDR|PATH_INFO|PATH_TRANSLATED"
    rb"|QUERY_STRING|WARMUP_REQUEST"
)
_NEVER: Final = frozenset({b"HTTP_PROXY"})


def checked_command(
    argv: Sequence[bytes],
    script: bytes,
    start: bytes,
    *,
    processors: Iterable[str],
    languages: Mapping[str, str],
    is_there: Callable[[bytes], bool],
) -> list[bytes] | None:
    """The command line to be executed for `argv`, as a worker asks for it; None when it is none of this script's.

    `start` is the beginning of the file. What stands behind the script are words of a query: never a switch.
    """
    if script not in argv:
        return None
    place = list(argv).index(script)
    words = list(argv[place + 1 :])
    if any(word.startswith(b"-") for word in words):
        return None
    line = read_first_line(start)
    own = None
    if line is None:
        own = command_by_extension(script, start, languages)
    elif languages or not line.is_linuxs:
        own = own_command(line, languages, is_there)
    command = [*(own or []), script, *words]
    if place == 0 or list(argv) == command:
        return command
    return list(argv) if any(_is_of(processor, argv, script, words) for processor in processors) else None


def _is_of(processor: str, argv: Sequence[bytes], script: bytes, words: Sequence[bytes]) -> bool:
    try:
        return processor_command(processor, script, words) == list(argv)
    except ValueError:
        return False


def wants_module_cgi(variables: Mapping[bytes, bytes], of_pool: Mapping[bytes, bytes]) -> bool:
    """Whether the worker has added a folder to the pool's PYTHONPATH: it does where a Python lacks the module cgi."""
    asked = variables.get(b"PYTHONPATH")
    return asked is not None and asked != of_pool.get(b"PYTHONPATH", b"")


def clean_environment(variables: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Those that CGI has."""
    return {
        name: value for name, value in variables.items() if _OF_CGI.fullmatch(name) is not None and name not in _NEVER
    }
