"""What a warm Perl may have loaded before it runs a script: modules that the script's first `use` lines name. Pure.

A module counts when loading it defines things and does nothing else: no variable of a request is read, nothing is
opened, no block is left that a request would run. It is looked for from the top of the script as far as every line is
understood, since what stands above a `use` may decide what that does: a BEGIN block, `use lib`, a module of the user's.
"""

from __future__ import annotations

import functools
import re
from typing import Final

LONGEST_PREAMBLE: Final = 16384
"""Bytes of a script that are looked at."""

_LOADED: Final = frozenset(
    b"""CGI CGI::Cookie CGI::Util Carp Class::Struct Cwd Data::Dumper Digest::MD5 Digest::SHA Encode Errno Exporter
    Fcntl File::Basename File::Copy File::Find File::Path File::Spec File::Spec::Functions File::stat
    Getopt::Long Getopt::Std HTML::Entities HTML::Parser Hash::Util IO::File IO::Handle IO::Socket IPC::Open2
    IPC::Open3 JSON JSON::PP List::Util MIME::Base64 MIME::QuotedPrint Math::BigInt POSIX Scalar::Util
    SelectSaver Socket Storable Symbol Sys::Hostname Text::Abbrev Text::ParseWords Text::Tabs Text::Wrap
    Tie::File Tie::Hash Time::HiRes Time::Local Time::Piece Time::gmtime Time::localtime URI URI::Escape
    Unicode::Normalize base bytes constant feature fields integer mro overload parent re sort strict utf8 vars
    warnings warnings::register""".split()
)
_PASSED_OVER: Final = frozenset(b"CGI::Carp DBI English FindBin HTML::Template LWP::Simple LWP::UserAgent".split())
"""Of distributions, and known to leave those above as they are; each fork loads them itself."""

_USE: Final = re.compile(rb"(?:use|no)\s+([A-Za-z_]\w*(?:::\w+)*|v?\d[\d._]*)(?=[\s;(])(.*);\s*(?:#.*)?", re.DOTALL)
_TEXT: Final = re.compile(rb"\"[^\"\\$@]*\"|'[^'\\]*'")
_PLAIN: Final = re.compile(rb"(?:(?:my|our|local|package)\b|[$@%])[\w\s$@%|:=,.()+*!&-]*;\s*(?:#.*)?")
_QUOTING: Final = re.compile(rb"(?<![$@%])\b(?:q[qwxr]?|m|s|tr|y|do|eval|require|sub)\b")
_MOST_LINES: Final = 40


@functools.lru_cache(1000)
def perl_modules(text: bytes) -> tuple[bytes, ...]:
    """Names of modules, sorted; `text` is the script's beginning."""
    found: set[bytes] = set()
    lines = iter(text.split(b"\n")[:-1])
    for line in lines:
        code = line.strip()
        if line.startswith(b"="):
            while line.rstrip() != b"=cut":
                if (following := next(lines, None)) is None:
                    return tuple(sorted(found))
                line = following  # noqa: PLW2901  documentation up to its end
            continue
        if not code or code.startswith(b"#"):
            continue
        if code.startswith((b"use ", b"no ")):
            for _ in range(_MOST_LINES):
                if _USE.fullmatch(code):
                    break
                code += b"\n" + next(lines, b"").strip()
            if not _understands_use(code, found):
                break
        elif not _is_plain(code):
            break
    return tuple(sorted(found))


def _understands_use(code: bytes, found: set[bytes]) -> bool:
    parts = _USE.fullmatch(code)
    if parts is None or b"<<" in parts[2] or b";" in _TEXT.sub(b"", parts[2]) or b"#" in parts[2]:
        return False
    name = parts[1]
    if name[:1].isdigit() or re.fullmatch(rb"v\d[\d._]*", name) or name in _PASSED_OVER:
        return True
    if name in _LOADED and code.startswith(b"use"):
        found.add(name)
    return name in _LOADED


def _is_plain(code: bytes) -> bool:
    """A statement on one line that does nothing while the script is compiled."""
    bare = _TEXT.sub(b"", code)
    return _PLAIN.fullmatch(bare) is not None and _QUOTING.search(bare) is None
