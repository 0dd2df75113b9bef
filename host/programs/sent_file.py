"""X-Sendfile and X-Accel-Redirect: a program has decided who may see a file, and the server sends it.

`X-Sendfile` names a file (Apache's mod_xsendfile, lighttpd); `X-Accel-Redirect` a URL of the site that leads to one
(nginx). Only files that lie below one of `cgi/@sendfileRoots`, symbolic links followed, are sent, and the URL is only a
name: neither handlers nor access rules are asked, as in nginx's internal locations. The program's own fields go out
with the file, and its body is dropped.
"""

from __future__ import annotations

import errno
import mimetypes
import os
import stat
import time
from collections.abc import Sequence
from email.utils import formatdate
from typing import Final
from urllib.parse import unquote

from host.api import FileBody, Headers, HttpError, Request, Response
from host.gateway.byte_ranges import Unsatisfiable, parse_ranges
from host.gateway.cgi_response import CgiHead
from host.gateway.preconditions import Verdict, conditional_fields, evaluate, http_date_seconds, range_applies

SENDS_FILE: Final = ("X-Sendfile", "X-Accel-Redirect")
"""The fields, the first one that is there counts."""

_NEVER_SENT: Final = (*SENDS_FILE, "X-Accel-Buffering", "X-Accel-Charset", "X-Accel-Expires", "X-Accel-Limit-Rate")
_NOT_THERE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO)


class FileNotAllowed(Exception):
    """The program names a file that it may not have sent; the text says which and why."""


def names_file(head: CgiHead) -> bool:
    """Whether the program wants a file to be sent."""
    return any(field in head.headers for field in SENDS_FILE)


async def file_response(request: Request, head: CgiHead, roots: Sequence[str]) -> Response:
    """The file as the program's answer, with ranges and conditions when its status is 200.

    Raises FileNotAllowed, and HttpError 404.0 for a file that is not there.
    """
    path = await _path_of(request, head.headers)
    descriptor, status = _open(path, roots)
    try:
        response = _respond(request, head, path, descriptor, status)
    except BaseException:
        os.close(descriptor)
        raise
    if not isinstance(response.body, FileBody):
        os.close(descriptor)
    return response


async def _path_of(request: Request, headers: Headers) -> str:
    """The file that the field names: an absolute path, one beside the script, or where a URL leads."""
    named = headers.get("X-Sendfile", "")
    if named:
        path = os.path.join(os.path.dirname(request.physical_path), _as_file_name(named))
        return path if os.path.lexists(path) or "%" not in path else unquote(path, errors="surrogateescape")
    target = headers.get("X-Accel-Redirect", "")
    if not target.startswith("/"):
        raise FileNotAllowed(f"its X-Accel-Redirect is no URL path: {target[:200]!r}")
    return (await request.host.map_url(target)).physical_path


def _as_file_name(value: str) -> str:
    """A field's value holds the bytes that the program printed, one to one."""
    return value.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def _open(path: str, roots: Sequence[str]) -> tuple[int, os.stat_result]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except ValueError as error:
        raise FileNotAllowed(f"the file it wants to be sent has no possible name: {path!r}") from error
    except OSError as error:
        _refuse_outside(os.path.realpath(path), path, roots)  # what is outside is not even told to be missing
        if error.errno in _NOT_THERE:
            raise HttpError(404, 0, f"the program wants {path} to be sent: {error.strerror}", win32_status=2) from error
        raise FileNotAllowed(f"the file it wants to be sent cannot be opened: {path}: {error.strerror}") from error
    try:
        _refuse_outside(os.readlink(f"/proc/self/fd/{descriptor}"), path, roots)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotAllowed(f"what it wants to be sent is no regular file: {path}")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status


def _refuse_outside(real_path: str, path: str, roots: Sequence[str]) -> None:
    for root in roots:
        real_root = os.path.realpath(root)
        if real_path.startswith(real_root.rstrip("/") + "/"):
            return
    raise FileNotAllowed(f"the file it wants to be sent lies outside cgi/@sendfileRoots: {path}")


def _respond(request: Request, head: CgiHead, path: str, descriptor: int, status: os.stat_result) -> Response:
    headers = head.headers.copy()
    for name in (*_NEVER_SENT, "Content-Length", "Content-Range"):
        headers.remove(name)
    size = status.st_size
    headers.setdefault("Content-Type", mimetypes.guess_type(path)[0] or "application/octet-stream")
    answer = Response(status=head.status, reason=head.reason, headers=headers)
    if head.status != 200:
        return _with_file(request, answer, descriptor, 0, size)
    modified, entity_tag = _validators(headers, status)
    headers.setdefault("Accept-Ranges", "bytes")
    fields = conditional_fields(request.headers)
    verdict = evaluate(request.method, fields, entity_tag, modified) if fields else Verdict.PERFORM
    if verdict is Verdict.NOT_MODIFIED:
        headers.remove("Content-Type")
        answer.status = 304
        return answer
    if verdict is Verdict.FAILED:
        raise HttpError(412, 0, "the file is not in the state that the request demands")
    if request.method == "GET" and "range" in fields:
        applies = range_applies(fields.get("if-range", ""), entity_tag, modified, int(time.time()))
        return _with_range(request, answer, descriptor, size, fields["range"] if applies else "")
    return _with_file(request, answer, descriptor, 0, size)


def _validators(headers: Headers, status: os.stat_result) -> tuple[int, str]:
    """Last-Modified and ETag, the program's own before the file's, in seconds and as a strong tag (or none)."""
    modified = min(int(status.st_mtime), int(time.time()))
    own_date = http_date_seconds(headers.get("Last-Modified", ""))
    if own_date is None:
        headers.set("Last-Modified", formatdate(modified, usegmt=True))
    headers.setdefault("ETag", f'"{status.st_mtime_ns:x}:{status.st_size:x}"')
    tag = headers.get("ETag", "")
    return modified if own_date is None else own_date, "" if tag.startswith("W/") else tag


def _with_range(request: Request, answer: Response, descriptor: int, size: int, wanted: str) -> Response:
    """206 for one range; several are answered with the whole file, which RFC 9110 section 14.2 allows."""
    try:
        ranges = parse_ranges(wanted, size) if wanted else None
    except Unsatisfiable as error:
        raise HttpError(416, 0, f"the file has {size} bytes", headers={"Content-Range": f"bytes */{size}"}) from error
    if ranges is None or len(ranges) > 1:
        return _with_file(request, answer, descriptor, 0, size)
    answer.status, answer.reason = 206, ""
    answer.headers.set("Content-Range", ranges[0].content_range(size))
    return _with_file(request, answer, descriptor, ranges[0].offset, ranges[0].length)


def _with_file(request: Request, answer: Response, descriptor: int, offset: int, length: int) -> Response:
    answer.headers.set("Content-Length", str(length))
    if request.method != "HEAD":
        answer.body = FileBody(descriptor, offset, length)
    return answer
