"""From the URL to the file: decoding, normalising, virtual directories, and the guard around their folders.

Attack paths closed here: `..` and `%2e%2e` climbing above the root, backslashes as separators, encoded separators,
NUL and other control characters, overlong UTF-8, decoding twice, symbolic links that lead out of the folder.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from host.api import HttpError
from host.config.letter_case import without_case
from host.config.model import Application, VirtualDirectory

_PLAIN: Final = re.compile(r"(?:/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9_~!$&'()*+,;=:@.-]*)+/?|/")
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ABSOLUTE_FORM: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")


class Place(NamedTuple):
    """Where a URL path lies: the virtual directory's folder, and the path below it (with the URL's final slash);
    `folder_path` is the virtual directory's own path in its application, as the configuration spells it."""

    root: str
    physical_path: str
    ignores_case: bool = False
    folder_path: str = "/"


def split_target(raw_target: str) -> tuple[str, str]:
    """The raw path and the raw query of a request target in any form (RFC 9112 section 3.2)."""
    raw_path, _, raw_query = raw_target.partition("?")
    if not raw_path.startswith("/"):
        if raw_path == "*":  # OPTIONS for the server as a whole
            return "/", raw_query
        absolute = _ABSOLUTE_FORM.match(raw_path)
        if absolute is None:
            raise HttpError(400, 0, f"the request target {raw_target!r} is no path")
        raw_path = raw_path[absolute.end() :] or "/"
    return raw_path, raw_query


def decode_path(raw_path: str) -> str:
    """The path with escapes decoded once and dot segments removed. Raises HttpError 400.

    Backslashes separate like slashes and several separators count as one, as in HTTP.sys; what `%25` hides stays
    hidden.
    """
    if _PLAIN.fullmatch(raw_path) is not None:
        return raw_path
    try:
        raw_bytes = raw_path.encode("latin-1")  # bytes above 0x7F came one to one
    except UnicodeEncodeError:  # a filter wrote text where a URL is expected
        raw_bytes = raw_path.encode("utf-8", "surrogateescape")
    if _BAD_ESCAPE.search(raw_bytes) is not None:
        raise HttpError(400, 0, f"the URL {raw_path!r} holds a % that begins no escape")
    try:
        path = unquote_to_bytes(raw_bytes).decode("utf-8")
    except UnicodeDecodeError as error:
        raise HttpError(400, 0, f"the URL {raw_path!r} is not UTF-8") from error
    if _CONTROL.search(path) is not None:
        raise HttpError(400, 0, f"the URL {raw_path!r} holds a control character")
    return _without_dot_segments(path.replace("\\", "/"))


def _without_dot_segments(path: str) -> str:
    segments = path.split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            if not kept:
                raise HttpError(400, 0, "the URL climbs above the root of the site")
            kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    is_folder = segments[-1] in ("", ".", "..")
    return "/" + "/".join(kept) + ("/" if is_folder and kept else "")


def is_at_or_below(path: str, prefix: str) -> bool:
    """Whether `path` lies at or below `prefix`, whole segments compared: `/site` is not above `/siteTest`."""
    return prefix in ("/", path) or path.startswith(prefix + "/")


def owning_application(applications: Sequence[Application], path: str) -> Application | None:
    """The application with the longest path above `path`; without regard to case, as the front routes."""
    lower = without_case(path)
    holding = [one for one in applications if is_at_or_below(lower, without_case(one.path))]
    return max(holding, key=lambda one: len(one.path), default=None)


def map_path(application: Application, path: str) -> Place:
    """Where `path` (of the site, at or below the application's) lies on disk. Raises HttpError 404."""
    below = path if application.path == "/" else path[len(application.path) :] or "/"
    folder = _virtual_directory(application, below)
    rest = below if folder.path == "/" else below[len(folder.path) :]
    root = folder.physical_path.rstrip("/") or "/"
    return Place(root, root.rstrip("/") + rest, folder.ignores_case, folder.path)


def _virtual_directory(application: Application, below: str) -> VirtualDirectory:
    lower, folders = without_case(below), application.virtual_directories
    holding = [folder for folder in folders if is_at_or_below(lower, without_case(folder.path))]
    if not holding:
        raise HttpError(404, 0, f"the application {application.key} has no virtual directory for {below}")
    return max(holding, key=lambda folder: len(folder.path))


class ResourceKind(NamedTuple):
    """What lies at a path: a file, a directory, or neither; and which one it is."""

    is_file: bool
    is_directory: bool
    identity: tuple[int, int, int]

    @property
    def exists(self) -> bool:
        """Whether there is anything."""
        return self.is_file or self.is_directory


MISSING: Final = ResourceKind(False, False, (0, 0, 0))


def look_at(physical_path: str) -> ResourceKind:
    """One stat. What cannot be looked at is missing; what is neither file nor directory (a socket) is too."""
    try:
        found = os.stat(physical_path)
    except (OSError, ValueError):  # too long, no permission on a folder above, a loop of links
        return MISSING
    mode = found.st_mode
    return ResourceKind(stat.S_ISREG(mode), stat.S_ISDIR(mode), (found.st_dev, found.st_ino, found.st_ctime_ns))


def is_really_below(physical_path: str, root: str) -> bool:
    """Whether `physical_path`, all symbolic links followed, still lies at or below `root`."""
    return is_at_or_below(os.path.realpath(physical_path), os.path.realpath(root))
