"""Static files, default documents and folder listings: IIS's StaticFileModule, DefaultDocumentModule and
DirectoryListingModule.

A mapping's `modules` says which of the three take part; `static_file`, this file's own name, stands for all of them.
A request walks through `handle` from top to bottom: method, hidden names, what lies on disk, then file or folder.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from typing import Any, Final, NamedTuple

from host.api import (
    CachePolicy,
    FileBody,
    FileStamp,
    Headers,
    HttpError,
    Request,
    Response,
    SourceFile,
    file_stamp,
    hookimpl,
)
from host.compression.siblings import find_siblings
from host.gateway.byte_ranges import ByteRange, Unsatisfiable, parse_ranges
from host.gateway.content_codings import choose_coding
from host.gateway.files_allow import answer_other_method
from host.gateway.folder_listing import ListedEntry, listing_page
from host.gateway.hidden_names import refuse_hidden_names
from host.gateway.preconditions import Verdict, conditional_fields, evaluate, range_applies
from host.gateway.url_text import url_text

STATIC_FILE: Final = "StaticFileModule"
DEFAULT_DOCUMENT: Final = "DefaultDocumentModule"
DIRECTORY_LISTING: Final = "DirectoryListingModule"
OWN_NAME: Final = "static_file"

SMALL_FILE_BYTES: Final = 16 * 1024
"""Up to this size a file is read and travels in the answer's frame; above it its descriptor does."""
KEPT_FILES: Final = 512
"""So many small files stay in a worker's memory, 8 MiB at most."""
SETTLED_NANOSECONDS: Final = 20_000_000
"""Many kernels count file times in ticks of up to 10 ms: a file may be written again within the tick of its time, and
nothing shows it. Only a file that is older is kept."""


class FileFacts(NamedTuple):
    """A regular file as it was when its status was read; `head` is what every answer with its content says."""

    stamp: FileStamp
    root: str  # the virtual directory that the file was found to lie in
    static_content: Any  # the settings that `head` was made from
    head: Headers
    entity_tag: str
    modified_seconds: int
    content: bytes | None  # of a small file
    cache: CachePolicy
    source: SourceFile | None  # none of a compressed sibling: its bytes are what they are


_kept: dict[tuple[str, str], FileFacts] = {}
"""By path and content coding."""


@hookimpl
def module_names() -> Sequence[str]:
    return (STATIC_FILE, DEFAULT_DOCUMENT, DIRECTORY_LISTING)


@hookimpl
def in_process_only() -> bool:
    return True


@hookimpl
async def handle(request: Request) -> Response | None:
    if "/." in request.path or "web.config" in request.path.lower():
        refuse_hidden_names(request.path)
    if request.method not in ("GET", "HEAD"):  # a form that is sent to a folder is for a program, its default document
        document = await default_document(request) if request.path.endswith("/") else None
        return document or answer_other_method(request.method)
    try:
        status = os.stat(request.physical_path)
    except (OSError, ValueError) as error:
        raise refusal(request, error) from error
    if stat.S_ISDIR(status.st_mode):
        return await answer_folder(request)
    if not takes_part(request, STATIC_FILE):
        return None
    # A device or fifo could block or act when it is opened; /page.html/ and /page.html/tail are not /page.html.
    if not stat.S_ISREG(status.st_mode) or request.path.endswith("/") or request.path_info:
        raise HttpError(404, 0, f"{request.physical_path} is not a regular file at this URL")
    return answer_file(request, status)


def takes_part(request: Request, module: str) -> bool:
    """Whether the mapping that led here names this one of the three modules."""
    modules = request.mapping.modules if request.mapping is not None else ""
    return not modules or module in modules or OWN_NAME in modules


def refusal(request: Request, error: OSError | ValueError) -> HttpError:
    """What a failed look at the disk means to the client."""
    path = request.physical_path
    if isinstance(error, ValueError):  # NUL in the name
        return HttpError(400, 0, "the URL holds a character that no file name can have")
    if error.errno in (errno.EACCES, errno.EPERM):
        remedy = "Give the pool's user (uid %d) read access to the file and search access to every folder above it."
        return HttpError(401, 3, f"{path}: {error.strerror}", win32_status=5, remedy=remedy % os.geteuid())
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO):
        return HttpError(404, 0, f"{path}: {error.strerror}", win32_status=2)
    return HttpError(500, 0, f"{path}: {error.strerror}")


# --- a file ------------------------------------------------------------------------------------------------------


def answer_file(request: Request, status: os.stat_result) -> Response:
    """The file, a part of it, or the news that the client has it already; perhaps as its compressed sibling has it."""
    conditions = conditional_fields(request.headers)
    path = request.physical_path
    if request.settings.static_content.serve_precompressed_files and (siblings := find_siblings(path, status)):
        response = answer_sibling(request, siblings, conditions) or answer_from(request, path, status, conditions)
        response.headers.add("Vary", "Accept-Encoding")
        response.cache = None  # what varies is not kept by the listener
        return response
    return answer_from(request, path, status, conditions)


def answer_sibling(request: Request, siblings: dict[str, str], conditions: dict[str, str]) -> Response | None:
    """A compressed sibling that the client understands. Ranges are those of the file itself."""
    if "range" in conditions:
        return None
    coding = choose_coding(", ".join(request.headers.get_all("Accept-Encoding")), tuple(siblings))
    if not coding:
        return None
    path = siblings[coding]
    try:
        descriptor, status = open_below_root(request, path)
    except HttpError:  # it must not be read, or a link leads out: the file is there
        return None
    os.close(descriptor)
    return answer_from(request, path, status, conditions, coding)


def answer_from(
    request: Request, path: str, status: os.stat_result, conditions: dict[str, str], coding: str = ""
) -> Response:
    """The answer that is made of one regular file, which has that content coding."""
    facts = _kept.get((path, coding))
    if facts is not None and is_current(facts, request, status):
        return respond(request, facts, -1, conditions)
    descriptor, status = open_below_root(request, path)
    try:
        response = respond(request, read_facts(request, path, coding, descriptor, status), descriptor, conditions)
    except BaseException:
        os.close(descriptor)
        raise
    if not isinstance(response.body, FileBody):  # otherwise the response owns it
        os.close(descriptor)
    return response


def is_current(facts: FileFacts, request: Request, status: os.stat_result) -> bool:
    """Whether what is kept still holds: the same file, unchanged, seen through the same folder and settings."""
    return (
        facts.stamp == file_stamp(status)
        and facts.root == request.physical_root
        and facts.static_content is request.settings.static_content
    )


def open_below_root(request: Request, path: str) -> tuple[int, os.stat_result]:
    """Open a regular file for the request and make sure that no symbolic link led out of its virtual directory."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise refusal(request, error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise HttpError(404, 0, f"{path} is not a regular file")
        refuse_outside_root(request, os.readlink(f"/proc/self/fd/{descriptor}"))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status


def refuse_outside_root(request: Request, real_path: str) -> None:
    """404.0 when `real_path` lies outside the virtual directory, unless links may lead out.

    The folder itself may be a link that is moved to the next release at any time, so it is resolved each time.
    """
    if request.settings.static_content.follow_symbolic_links_outside_root:
        return
    root = request.physical_root or request.application.physical_path
    if is_below(real_path, root):  # a folder above a real path is real itself
        return
    root = os.path.realpath(root)
    if not is_below(real_path, root):
        remedy = 'Move the content below the folder, or set <staticContent followSymbolicLinksOutsideRoot="true" />.'
        raise HttpError(404, 0, f"a symbolic link leads out of {root}: {real_path}", remedy=remedy)


def is_below(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies in it, by whole segments."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def read_facts(request: Request, path: str, coding: str, descriptor: int, status: os.stat_result) -> FileFacts:
    """What is said about an open file; small files are kept with their content."""
    static_content = request.settings.static_content
    modified = min(int(status.st_mtime), int(time.time()))  # never later than Date (RFC 9110 section 8.8.2.1)
    of_coding = f"-{coding}" if coding else ""
    entity_tag = f'"{status.st_mtime_ns:x}:{status.st_size:x}{of_coding}"' if static_content.set_etag else ""
    media_type = mime_type(request)
    head = Headers([("Content-Type", media_type)])
    head.add(*(("Content-Encoding", coding) if coding else ("Accept-Ranges", "bytes")))
    head.add("Last-Modified", formatdate(modified, usegmt=True))
    if entity_tag:
        head.add("ETag", entity_tag)
    add_client_cache(head, static_content)
    content = os.pread(descriptor, status.st_size, 0) if status.st_size <= SMALL_FILE_BYTES else None
    if content is not None and len(content) != status.st_size:
        content = None  # cut while it was read: the listener notices and breaks the connection
    stamp = file_stamp(status)
    cache = CachePolicy(files=((path, stamp),), ignores_cookies=True, when_frequent=True)
    source = None if coding else SourceFile(path=path, stamp=stamp, media_type=media_type)
    facts = FileFacts(stamp, request.physical_root, static_content, head, entity_tag, modified, content, cache, source)
    if content is not None and abs(time.time_ns() - status.st_mtime_ns) > SETTLED_NANOSECONDS:
        if len(_kept) >= KEPT_FILES:
            del _kept[next(iter(_kept))]
        _kept[path, coding] = facts
    return facts


def mime_type(request: Request) -> str:
    """The media type of the file's extension; 404.3 when the map has none (IIS: `.` is no extension, `.*` any)."""
    mime_map = request.settings.static_content.mime_map
    extension = os.path.splitext(request.physical_path)[1].lower() or "."
    found = mime_map.get(extension) or mime_map.get(".*")
    if found:
        return str(found)
    remedy = f'Add <mimeMap fileExtension="{extension}" mimeType="..." /> to <staticContent>.'
    raise HttpError(404, 3, f"files ending in {extension} have no media type", remedy=remedy)


def add_client_cache(head: Headers, static_content: Any) -> None:
    """Cache-Control and Expires as `<clientCache>` wants them."""
    mode = static_content.cache_control_mode
    directives = {"DisableCache": "no-cache", "UseMaxAge": f"max-age={static_content.cache_control_max_age_seconds}"}
    value = ", ".join(filter(None, (directives.get(mode, ""), static_content.cache_control_custom)))
    if value:
        head.add("Cache-Control", value)
    if mode == "UseExpires" and static_content.http_expires:
        head.add("Expires", static_content.http_expires)


def respond(request: Request, facts: FileFacts, descriptor: int, conditions: dict[str, str]) -> Response:
    """Choose between 200, 206, 304, 412 and 416. A body that is one file piece takes the descriptor over."""
    size = facts.stamp[-1]
    if conditions:
        verdict = evaluate(request.method, conditions, facts.entity_tag, facts.modified_seconds)
        if verdict is Verdict.NOT_MODIFIED:
            head = facts.head.copy()
            head.remove("Content-Type")
            return Response(status=304, headers=head, source_file=facts.source)
        if verdict is Verdict.FAILED:
            raise HttpError(412, 0, "the file is not in the state that the request demands")
        ranges = wanted_ranges(request, facts, conditions)
        if ranges:
            response = partial(facts, descriptor, ranges)
            response.source_file = facts.source
            return response
    head = facts.head.copy()
    if request.method == "HEAD":
        head.add("Content-Length", str(size))
        return Response(headers=head, source_file=facts.source)
    if facts.content is not None:
        return Response(headers=head, body=facts.content, cache=facts.cache, source_file=facts.source)
    head.add("Content-Length", str(size))
    return Response(headers=head, body=FileBody(descriptor, 0, size), cache=facts.cache, source_file=facts.source)


def wanted_ranges(request: Request, facts: FileFacts, conditions: dict[str, str]) -> list[ByteRange] | None:
    """The ranges to answer with, or None for the whole file (Range means something with GET only)."""
    if "range" not in conditions or request.method != "GET":
        return None
    if_range, size = conditions.get("if-range", ""), facts.stamp[-1]
    if not range_applies(if_range, facts.entity_tag, facts.modified_seconds, int(time.time())):
        return None
    try:
        return parse_ranges(conditions["range"], size)
    except Unsatisfiable as error:
        raise HttpError(416, 0, f"the file has {size} bytes", headers={"Content-Range": f"bytes */{size}"}) from error


def partial(facts: FileFacts, descriptor: int, ranges: list[ByteRange]) -> Response:
    """206 with one piece, or with a multipart body of several (RFC 9110 section 15.3.7)."""
    head, size = facts.head.copy(), facts.stamp[-1]
    if len(ranges) == 1:
        piece = ranges[0]
        head.add("Content-Range", piece.content_range(size))
        head.add("Content-Length", str(piece.length))
        if facts.content is None:
            return Response(status=206, headers=head, body=FileBody(descriptor, piece.offset, piece.length))
        return Response(status=206, headers=head, body=facts.content[piece.offset : piece.offset + piece.length])
    boundary = secrets.token_hex(12)
    part_head = f"\r\n--{boundary}\r\nContent-Type: {head['Content-Type']}\r\nContent-Range: "
    part_heads = [f"{part_head}{piece.content_range(size)}\r\n\r\n".encode("latin-1") for piece in ranges]
    end = f"\r\n--{boundary}--\r\n".encode()
    head["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
    head.add("Content-Length", str(sum(map(len, part_heads)) + sum(piece.length for piece in ranges) + len(end)))
    body: list[bytes | FileBody] = []
    for text, content in zip(part_heads, pieces(facts, descriptor, ranges), strict=True):
        body += [text, content]
    return Response(status=206, headers=head, body=[*body, end])


def pieces(facts: FileFacts, descriptor: int, ranges: list[ByteRange]) -> Sequence[bytes | FileBody]:
    """The bytes of each range; every file piece owns a descriptor of its own."""
    if facts.content is not None:
        return [facts.content[piece.offset : piece.offset + piece.length] for piece in ranges]
    found: list[FileBody] = []
    try:
        for piece in ranges:
            found.append(FileBody(os.dup(descriptor), piece.offset, piece.length))
    except OSError:  # no descriptor left
        for file_body in found:
            os.close(file_body.descriptor)
        raise
    return found


# --- a folder ----------------------------------------------------------------------------------------------------


async def answer_folder(request: Request) -> Response | None:
    """The slash form of the URL, the default document, a listing, or 403.14."""
    if not request.path.endswith("/"):
        # One leading slash only: "//host/" would send the client to another server.
        return Response.redirect("/" + url_text(request.path + "/", request.raw_query).lstrip("/"), status=301)
    if (document := await default_document(request)) is not None:
        return document
    if not takes_part(request, DIRECTORY_LISTING):
        return None
    if not request.settings.directory_browse_enabled:
        remedy = 'Add a default document to the folder, or set <directoryBrowse enabled="true" />.'
        raise HttpError(403, 14, f"{request.physical_path} has no default document", remedy=remedy)
    page = await asyncio.to_thread(listing, request)
    return Response.html(page, headers={"Cache-Control": "no-cache"})


async def default_document(request: Request) -> Response | None:
    """The folder's default document. Another handler may be mapped to it, so the host answers that URL, with the same
    method and body."""
    if request.settings.default_document_enabled and takes_part(request, DEFAULT_DOCUMENT):
        for name in request.settings.default_documents:
            path = os.path.join(request.physical_path, name)
            if request.ignores_case:
                path = (await request.host.map_url(url_text(request.path + name))).physical_path
            if os.path.isfile(path):
                target = url_text(request.path + name, request.raw_query)
                return Response(internal_target=target, internal_keeps_request=True)
    return None


def visible_entries(request: Request) -> Iterator[ListedEntry]:
    """What the folder holds, without hidden names and without links that lead out of the virtual directory."""
    hidden = {"web.config", *request.settings.request_filtering.hidden_segments}
    with os.scandir(request.physical_path) as found:
        for entry in found:
            if entry.name.startswith(".") or entry.name.lower() in hidden:
                continue
            try:
                if entry.is_symlink():
                    refuse_outside_root(request, os.path.realpath(entry.path))
                status = entry.stat()
            except (OSError, HttpError):  # gone meanwhile, a broken link, or not to be shown
                continue
            name = os.fsencode(entry.name)
            yield ListedEntry(not stat.S_ISDIR(status.st_mode), name, status.st_size, status.st_mtime)


def listing(request: Request) -> str:
    """The page that shows a folder."""
    try:
        refuse_outside_root(request, os.path.realpath(request.physical_path))
        return listing_page(request.path, visible_entries(request))
    except OSError as error:
        raise refusal(request, error) from error
