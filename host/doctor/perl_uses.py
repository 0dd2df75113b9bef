"""What a Perl script uses, read from its text: Perl itself would run its BEGIN blocks to find out. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from host.doctor.script import Finding, Severity

_END: Final = re.compile(rb"^__(?:END|DATA)__\b.*", re.MULTILINE | re.DOTALL)
_POD: Final = re.compile(rb"^=[a-zA-Z].*?(?:^=cut\b[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
_USE: Final = re.compile(rb"^([ \t]*)(use|require)\s+([A-Za-z_]\w*(?:(?:::|')\w+)*)\s*(?:[;\s(]|$)", re.MULTILINE)
_REQUIRED_FILE: Final = re.compile(rb"^\s*(?:require|do)\s*\(?\s*([\"'])([\w./-]+)\1", re.MULTILINE)
_LIB: Final = re.compile(rb"^\s*use\s+lib\b([^;]*);|^\s*(?:push|unshift)\s*\(?\s*@INC\b([^;]*);", re.MULTILINE)
_QUOTED: Final = re.compile(rb"[\"']([\w./-]+)[\"']|qw\s*[({\[/]([^)}\]/]*)[)}\]/]")
_SYNTAX_WORDS: Final = frozenset({"lib", "if"})
_FIRST_WITHOUT_DOT: Final = (5, 26)

_PACKAGES: Final = {
    "CGI": "libcgi-pm-perl",
    "Switch": "libswitch-perl",
    "Mysql": "libdbd-mysql-perl (and DBI instead of Mysql)",
    "DBD::mysql": "libdbd-mysql-perl",
    "LWP": "libwww-perl",
    "LWP::UserAgent": "libwww-perl",
    "XML::Parser": "libxml-parser-perl",
    "Image::Magick": "libimage-magick-perl",
    "GD": "libgd-perl",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PerlUses:
    """`modules` and `files` with the line that asks for them; those in `later` only if that line is reached.

    `folders` are those that the script adds to @INC; `is_complete` is False when it adds some that only its run could
    tell.
    """

    modules: dict[str, int]
    files: dict[str, int]
    later: frozenset[str]
    folders: tuple[str, ...]
    is_complete: bool


def perl_uses(text: bytes) -> PerlUses:
    """Modules of `use` and `require`, files of `require` and `do`; documentation and data are passed over."""
    code = _POD.sub(_blank, _END.sub(b"", text))
    modules: dict[str, int] = {}
    later: set[str] = set()
    certain: set[str] = set()
    for found in _USE.finditer(code):
        name = found[3].decode().replace("'", "::")
        if name not in _SYNTAX_WORDS and not re.fullmatch(r"v?\d[\d._]*", name):
            modules.setdefault(name, _line(code, found.start(3)))
            (later if found[1] and found[2] == b"require" else certain).add(name)
    files = {found[2].decode(): _line(code, found.start(2)) for found in _REQUIRED_FILE.finditer(code)}
    folders: list[str] = []
    is_complete = True
    for found in _LIB.finditer(code):
        argument = found[1] or found[2] or b""
        quoted = [word for match in _QUOTED.finditer(argument) for word in (match[1] or match[2]).split()]
        folders += [word.decode() for word in quoted]
        is_complete = is_complete and bool(quoted) and b"$" not in argument
    return PerlUses(
        modules=modules,
        files=files,
        later=frozenset(later - certain),
        folders=tuple(folders),
        is_complete=is_complete,
    )


def module_file(name: str) -> str:
    """The file of a module below a folder of @INC: `CGI::Cookie` is `CGI/Cookie.pm`."""
    return name.replace("::", "/") + ".pm"


def perl_findings(
    uses: PerlUses, *, version: tuple[int, int], missing: frozenset[str], beside: frozenset[str]
) -> Iterator[Finding]:
    """What that Perl cannot find: `missing` modules and files, of which those `beside` lie next to the script."""
    for name, line in sorted({**uses.modules, **uses.files}.items(), key=lambda item: item[1]):
        if name not in missing or name.startswith("Win32"):
            continue
        is_file = name in uses.files
        if name in beside:
            if version >= _FIRST_WITHOUT_DOT:
                yield _without_dot(name, is_file, line, version)
            continue
        certain = uses.is_complete and name not in uses.later
        remedy = _PACKAGES.get(name, f"lib{name.replace('::', '-').lower()}-perl")
        yield Finding(
            rule="perl-file-missing" if is_file else "perl-module-missing",
            severity=Severity.ERROR if certain else Severity.WARNING,
            text=f"Perl {version[0]}.{version[1]} has no {'file' if is_file else 'module'} {name}"
            + ("" if uses.is_complete else ", unless it is in a folder that the script adds as it runs")
            + (", which it asks for in some cases" if name in uses.later else ""),
            remedy="copy it here" if is_file else f"on Debian perhaps apt install {remedy}; else cpan {name}",
            line=line,
        )


def _without_dot(name: str, is_file: bool, line: int, version: tuple[int, int]) -> Finding:
    written = f'require "./{name}"' if is_file else 'use lib "."'
    return Finding(
        rule="perl-dot-not-searched",
        severity=Severity.WARNING,
        text=f"{name} lies beside it, where Perl {version[0]}.{version[1]} does not look by itself (since 5.26): "
        "isapy run FOLDER lets it",
        remedy="a configuration of your own has to give its pool the environment variable PERL_USE_UNSAFE_INC=1; "
        f"or write  {written}",
        line=line,
    )


def _blank(found: re.Match[bytes]) -> bytes:
    return b"\n" * found[0].count(b"\n")


def _line(text: bytes, offset: int) -> int:
    return text.count(b"\n", 0, offset) + 1
