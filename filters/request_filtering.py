"""IIS's request filtering: refuses what the section `<security><requestFiltering>` does not let in, before anything
else looks at the request.

List it first: `<isapiFilters><filter name="request_filtering" />`. Every refusal is a 404 whose substatus says which
rule it was (in the log and to a local client): the client learns nothing about what exists. As in IIS this happens in
BeginRequest: the URL is judged in its encoded form and decoded once; whoever rewrites it later is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus, unquote_to_bytes

from host.api import FilterInfo, FilterPriority, HttpError, Request, hookimpl

SECTION: Final = "<security><requestFiltering>"
KEPT_RULES: Final = 256
"""So many different sets of rules are kept compiled; a worker sees one for each web.config that has its own."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The section of one URL path, ready for comparison: texts in lower case, sets instead of tuples."""

    source: Any  # host.config.model.RequestFiltering; held so that its identity stays its own
    hidden_segments: frozenset[str]
    denied_url_sequences: tuple[str, ...]
    denied_query_sequences: tuple[str, ...]
    always_allowed_urls: frozenset[str]


@dataclass(frozen=True, slots=True)
class Target:
    """What the client asked for, in the forms that the rules compare."""

    raw_path: str
    raw_query: str
    decoded: bytes  # the path, decoded once
    path: str  # the same as text in lower case
    segments: tuple[str, ...]


_compiled: dict[int, Rules] = {}


@hookimpl
def filter_info() -> FilterInfo:
    return FilterInfo(description="Request filtering", priority=FilterPriority.HIGH, cache_aware=True)


@hookimpl
def begin_request(request: Request) -> None:
    check(request)


def check(request: Request) -> None:
    """Raise HttpError for the first rule that the request breaks."""
    rules = rules_of(request.settings.request_filtering)
    raw_path, _, raw_query = request.raw_target.partition("?")
    if not raw_path.startswith("/"):  # absolute-form, or * (RFC 9112 section 3.2)
        raw_path = "/" + raw_path.partition("://")[2].partition("/")[2]
    check_sizes(rules.source, request, len(raw_path), len(raw_query))
    check_verb(rules.source, request.method)
    decoded = unquote_to_bytes(raw_path)
    path = decoded.decode("utf-8", "surrogateescape").lower()
    # A backslash separates nothing on Linux; what it would separate elsewhere is refused all the same.
    target = Target(raw_path, raw_query, decoded, path, tuple(path.replace("\\", "/").split("/")))
    check_encoding(rules.source, target)
    check_segments(rules, target)
    check_sequences(rules, target)


def rules_of(section: Any) -> Rules:
    """The compiled rules of a section, which is frozen: its identity is its version."""
    rules = _compiled.get(id(section))
    if rules is None:
        if len(_compiled) >= KEPT_RULES:
            _compiled.clear()
        rules = _compiled[id(section)] = Rules(
            source=section,
            hidden_segments=frozenset(text.lower() for text in section.hidden_segments),
            denied_url_sequences=tuple(text.lower() for text in section.deny_url_sequences),
            denied_query_sequences=tuple(text.lower() for text in section.deny_query_string_sequences),
            always_allowed_urls=frozenset("/" + text.lower().lstrip("/") for text in section.always_allowed_urls),
        )
    return rules


def check_sizes(section: Any, request: Request, path_length: int, query_length: int) -> None:
    """404.14, 404.15, 404.13 and 404.10: requestLimits and headerLimits, all in bytes as sent."""
    if path_length > section.max_url:
        raise too_large(14, "the URL path", path_length, "maxUrl", section.max_url)
    if query_length > section.max_query_string:
        raise too_large(15, "the query string", query_length, "maxQueryString", section.max_query_string)
    limit, body_length = section.max_allowed_content_length, request.body.length
    if body_length is None:  # chunked: it is judged as it comes
        request.body.refuse_above(limit, too_large(13, "the request body", None, "maxAllowedContentLength", limit))
    elif body_length > limit:
        raise too_large(13, "the request body", body_length, "maxAllowedContentLength", limit)
    for name, limit in section.header_limits.items():
        for value in request.headers.get_all(name):
            if len(value) > limit:
                raise too_large(10, f"header field {name}", len(value), f'headerLimits header="{name}"', limit)


def check_verb(section: Any, method: str) -> None:
    """404.6: verbs compare with case, as methods do."""
    if not section.verbs.get(method, section.allow_unlisted_verbs):
        raise refused(6, f"the verb {method} is not allowed", f'<verbs><add verb="{method}" allowed="true" />')


def check_encoding(section: Any, target: Target) -> None:
    """404.11 and 404.12: what a second decoding would turn into something else, and bytes above 0x7F."""
    if not section.allow_double_escaping and (
        "+" in target.raw_path or (b"%" in target.decoded and unquote_to_bytes(target.decoded) != target.decoded)
    ):
        raise refused(11, "the path holds a double escape sequence or a plus sign", 'allowDoubleEscaping="true"')
    if not section.allow_high_bit_characters and not target.decoded.isascii():
        raise refused(12, "the path holds characters outside ASCII", 'allowHighBitCharacters="true"')


def check_segments(rules: Rules, target: Target) -> None:
    """404.8 and 404.7. Every segment's extension counts: a script may be followed by PATH_INFO."""
    section = rules.source
    for segment in target.segments:
        if segment in rules.hidden_segments:
            raise refused(8, f"the segment {segment} is hidden", f'<hiddenSegments><remove segment="{segment}" />')
        _, dot, extension = segment.rpartition(".")
        if dot and not section.extensions.get(dot + extension, section.allow_unlisted_extensions):
            raise extension_refused(dot + extension)
    if "." not in target.segments[-1] and not section.extensions.get(".", section.allow_unlisted_extensions):
        raise extension_refused(".")  # IIS's spelling of "no extension"


def check_sequences(rules: Rules, target: Target) -> None:
    """404.5 and 404.18: texts that may not occur, neither as sent nor decoded."""
    if rules.denied_url_sequences and target.path not in rules.always_allowed_urls:
        raw_path = target.raw_path.lower()
        for sequence in rules.denied_url_sequences:
            if sequence in target.path or sequence in raw_path:
                raise refused(5, f"the URL holds {sequence!r}", f'<denyUrlSequences><remove sequence="{sequence}" />')
    if rules.denied_query_sequences and target.raw_query:
        raw_query = target.raw_query.lower()
        decoded = unquote_plus(raw_query, errors="surrogateescape").lower()
        for sequence in rules.denied_query_sequences:
            if sequence in raw_query or sequence in decoded:
                remedy = f'<denyQueryStringSequences><remove sequence="{sequence}" />'
                raise refused(18, f"the query string holds {sequence!r}", remedy)


def refused(substatus: int, detail: str, remedy: str) -> HttpError:
    """The 404 of a rule, with the words for the configuration that would let the request in."""
    return HttpError(404, substatus, detail, remedy=f"If it is to be let in: {remedy} in {SECTION}.")


def too_large(substatus: int, what: str, length: int | None, attribute: str, limit: int) -> HttpError:
    """The 404 of a size limit; `length` is None when nobody knows how much would have come."""
    number = f"{length}" if length is not None else f"more than {limit}"
    return refused(substatus, f"{what} has {number} bytes, {limit} are allowed", f"raise {attribute}")


def extension_refused(extension: str) -> HttpError:
    """404.7."""
    remedy = f'<fileExtensions><add fileExtension="{extension}" allowed="true" />'
    return refused(7, f"the file extension {extension} is not allowed", remedy)
