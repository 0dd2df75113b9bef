"""What is looked at, and what is found: a script with the facts of its file, and findings about it."""

from __future__ import annotations

import enum
import os
import stat
from dataclasses import dataclass, field
from typing import Final

from host.gateway.interpreter import shebang_command

LOOKED_AT: Final = 1 << 20
"""Bytes of a file that are read; scripts are smaller."""

UTF8_MARK: Final = b"\xef\xbb\xbf"

_LANGUAGES: Final = {
    ".py": "python",
    ".pl": "perl",
    ".sh": "shell",
    ".php": "php",
    ".rb": "ruby",
    ".tcl": "tcl",
    ".lua": "lua",
}
_SHELLS: Final = frozenset({"sh", "bash", "dash", "ksh", "ash", "zsh"})


class Severity(enum.Enum):
    """ERROR: the script will not run. WARNING: it may fail or be a danger. NOTE: good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Repair(enum.Enum):
    """What `--fix` can do without a doubt about the outcome."""

    BYTE_ORDER_MARK = "byte order mark removed"
    LINE_ENDS = "line ends made LF"
    EXECUTABLE = "made executable for those who may read it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about a script: `rule` is its stable name, `line` counts from 1 and is 0 for the whole file."""

    rule: str
    severity: Severity
    text: str
    remedy: str = ""
    line: int = 0
    repair: Repair | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom scripts run as: a user's number, and its groups'. 0 may pass every folder and read every file."""

    name: str
    uid: int
    groups: frozenset[int]

    def may(self, permission: int, mode: int, owner: int, group: int) -> bool:
        """Whether it has `permission` (4 read, 2 write, 1 execute or pass through) by these permission bits."""
        if self.uid == 0:
            return permission != 1 or stat.S_ISDIR(mode) or bool(mode & 0o111)
        shift = 6 if owner == self.uid else 3 if group in self.groups else 0
        return bool(mode >> shift & permission)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder: its permissions decide who gets to what lies in it."""

    path: str
    mode: int
    owner: int
    group: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A file and what is known of it. `content` has at most LOOKED_AT bytes; None when it could not be read.

    `folders` are those that lead to it, the uppermost first; `neighbours` the names in its own. `leads_to` is where it
    really is when it is a link that leads out of the folder that is looked at, or (`is_dangling`) to nothing.
    """

    path: str
    mode: int = 0o100755
    owner: int = 0
    group: int = 0
    content: bytes | None = b""
    folders: tuple[Place, ...] = ()
    neighbours: frozenset[str] = frozenset()
    is_on_noexec: bool = False
    leads_to: str = ""
    is_dangling: bool = False
    words: tuple[str, ...] = field(init=False)
    """The words of its `#!` line, `env` taken away, without a CR at the end; empty when it has none."""

    def __post_init__(self) -> None:
        words = [os.fsdecode(word) for word in shebang_command(self.raw_first_line.rstrip(b"\r"))]
        object.__setattr__(self, "words", tuple(words))

    @property
    def name(self) -> str:
        """Its file name."""
        return os.path.basename(self.path)

    @property
    def text(self) -> bytes:
        """Its content without a byte order mark."""
        return (self.content or b"").removeprefix(UTF8_MARK)

    @property
    def raw_first_line(self) -> bytes:
        """The `#!` line, without its LF; empty when the file begins with something else."""
        return self.text.partition(b"\n")[0] if self.text.startswith(b"#!") else b""

    @property
    def is_binary(self) -> bool:
        """A compiled program, or another file that is no text."""
        return b"\0" in self.text[:8192]

    @property
    def language(self) -> str:
        """`python`, `perl`, `shell`, `php`, `ruby`, `tcl`: by its first line, else by its extension; `` is unknown."""
        if self.words:
            stem = self.words[0].replace("\\", "/").rpartition("/")[2].lower().removesuffix(".exe")
            if stem in _SHELLS:
                return "shell"
            for language, start in (("python", "python"), ("python", "pypy"), ("perl", "perl"), ("php", "php")):
                if stem.startswith(start):
                    return language
            return {"ruby": "ruby", "tclsh": "tcl", "wish": "tcl"}.get(stem, stem)
        return _LANGUAGES.get(os.path.splitext(self.name)[1].lower(), "")
