"""What of an answer decides whether it is compressed, and how: types, codings, who asks. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from host.api import Headers, Request
from host.compression.encoders import is_available
from host.gateway.content_codings import IDENTITY, choose_coding

_NO_TRANSFORM: Final = re.compile(r"(?:^|[\s,])no-transform(?:$|[\s,])", re.IGNORECASE)
_OF_THE_BYTES: Final = ("Content-Length", "Content-MD5", "Content-Digest", "Repr-Digest", "Digest", "Accept-Ranges")
"""Fields that speak of the bytes as they were, or of parts of them."""

KEPT_TYPES: Final = 128
KEPT_RULES: Final = 256
"""So many different sets of rules are kept; a worker sees one for each web.config that has its own."""


class Chosen(NamedTuple):
    """A coding and IIS's level of it."""

    coding: str
    level: int


class Rules(NamedTuple):
    """The settings of one URL path, ready to be asked."""

    settings: Any  # host.config.compression.Compression; held so that its identity stays its own
    static_codings: tuple[str, ...]
    dynamic_codings: tuple[str, ...]
    static_levels: Mapping[str, int]
    dynamic_levels: Mapping[str, int]
    static_types: dict[str, bool]  # answers of `is_type_on` by Content-Type
    dynamic_types: dict[str, bool]

    def is_static_type(self, media_type: str) -> bool:
        """Whether files of that type are compressed."""
        found = self.static_types.get(media_type)
        return found if found is not None else _keep(self.static_types, self.settings.static_types, media_type)

    def is_dynamic_type(self, content_type: str) -> bool:
        """Whether other answers of that Content-Type are compressed."""
        found = self.dynamic_types.get(content_type)
        return found if found is not None else _keep(self.dynamic_types, self.settings.dynamic_types, content_type)

    def choose_static(self, request: Request) -> Chosen | None:
        """The coding of a file for that client."""
        coding = self._choose(request, self.static_codings)
        return Chosen(coding, self.static_levels[coding]) if coding else None

    def choose_dynamic(self, request: Request) -> Chosen | None:
        """The coding of everything else for that client."""
        coding = self._choose(request, self.dynamic_codings)
        return Chosen(coding, self.dynamic_levels[coding]) if coding else None

    def _choose(self, request: Request, codings: tuple[str, ...]) -> str:
        accepted = ", ".join(request.headers.get_all("Accept-Encoding"))
        coding = choose_coding(accepted, codings)
        if coding == IDENTITY or is_excluded(request, self.settings):
            return IDENTITY
        return coding


_compiled: dict[int, Rules] = {}


def rules_of(settings: Any) -> Rules:
    """The rules of a section, which is frozen: its identity is its version."""
    rules = _compiled.get(id(settings))
    if rules is None:
        if len(_compiled) >= KEPT_RULES:
            _compiled.clear()
        schemes = [scheme for scheme in settings.schemes if is_available(scheme.name)]
        rules = _compiled[id(settings)] = Rules(
            settings,
            tuple(scheme.name for scheme in schemes if scheme.is_for_static),
            tuple(scheme.name for scheme in schemes if scheme.is_for_dynamic),
            {scheme.name: scheme.static_level for scheme in schemes},
            {scheme.name: scheme.dynamic_level for scheme in schemes},
            {},
            {},
        )
    return rules


def is_excluded(request: Request, settings: Any) -> bool:
    """Whether clients of that kind get nothing compressed: HTTP/1.0, behind a proxy (Via), asking for ranges."""
    return (
        (settings.not_for_http_1_0 and request.http_version == "1.0")
        or (settings.not_for_proxies and "Via" in request.headers)
        or (settings.not_for_ranges and "Range" in request.headers)
    )


def _keep(known: dict[str, bool], types: Mapping[str, bool], content_type: str) -> bool:
    if len(known) >= KEPT_TYPES:
        known.clear()
    known[content_type] = is_on = is_type_on(types, content_type)
    return is_on


def is_type_on(types: Mapping[str, bool], content_type: str) -> bool:
    """Whether answers of that Content-Type are compressed: the most specific entry decides."""
    whole = content_type.lower().replace(" ", "")
    media_type = whole.partition(";")[0]
    for name in (whole, media_type, media_type.partition("/")[0] + "/*", "*/*"):
        found = types.get(name)
        if found is not None:
            return found
    return False


class Fields(NamedTuple):
    """What the fields of an answer say to this. `is_final`: it has a coding, or nobody may transform it."""

    content_type: str
    is_final: bool
    vary: str


def read_fields(headers: Headers) -> Fields:
    """One look at an answer's fields (RFC 9110 section 8.4, RFC 9111 section 5.2.2.6)."""
    content_type = vary = ""
    is_final = False
    for name, value in headers:
        lower = name.lower()
        if lower == "content-type":
            content_type = content_type or value
        elif lower == "content-encoding":
            is_final = is_final or value.strip().lower() not in ("", "identity")
        elif lower == "cache-control":
            is_final = is_final or _NO_TRANSFORM.search(value) is not None
        elif lower == "vary":
            vary = f"{vary}, {value}" if vary else value
    return Fields(content_type, is_final, vary)


def add_vary(headers: Headers, said: str) -> None:
    """Say that the answer depends on Accept-Encoding, beside what it `said` so far (RFC 9110 section 12.5.5)."""
    if not said:
        headers.add("Vary", "Accept-Encoding")
        return
    names = {name.strip().lower() for name in said.split(",")}
    if "*" not in names and "accept-encoding" not in names:
        headers.set("Vary", f"{said}, Accept-Encoding")


def weaken_entity_tag(headers: Headers) -> None:
    """Other bytes, the same meaning: a strong tag would be a lie (RFC 9110 section 8.8.1). It still answers
    If-None-Match, and never again a range of other bytes."""
    tag = headers.get("ETag")
    if tag.startswith('"'):
        headers.set("ETag", f"W/{tag}")


def describe_coded(headers: Headers, coding: str, settings: Any) -> None:
    """The fields of an answer that is sent in a coding."""
    for name in _OF_THE_BYTES:
        headers.remove(name)
    headers.set("Content-Encoding", coding)
    weaken_entity_tag(headers)
    if settings.sends_cache_headers:
        headers.set("Expires", settings.expires)
        headers.set("Cache-Control", settings.cache_control)
