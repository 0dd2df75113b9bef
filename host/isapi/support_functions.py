"""The control block's support functions, without those that send files or run URLs (`sending`)."""

from __future__ import annotations

from host.api.isapi import ANONYMOUS_TOKEN, IsapiError, Text, UrlMapping
from host.api.win32_errors import ERROR_INVALID_PARAMETER, ERROR_NO_DATA
from host.isapi.control_block import BasicControlBlock
from host.isapi.response_head import ResponseHead, parse_head, to_bytes
from host.isapi.urls import as_location, as_target, normalized

_MOVED = (
    b'<head><title>Document moved</title></head>\n<body><h1>Object Moved</h1>This document may be found <a HREF="%s">'
    b"here</a></body>"
)
_ALL_FLAGS = 0x207


class SupportFunctions(BasicControlBlock):
    """ServerSupportFunction: headers, redirects, mapping, log, connection, caches, tokens."""

    # --- the head

    def send_response_header(self, status: Text | None = None, headers: Text | None = None) -> None:
        """Code 3. Kept alive as far as the answer can be framed, as IIS 7 does."""
        self.session.check()
        self.session.output.begin(parse_head(status, headers))

    def send_response_header_ex(
        self, status: Text | None = None, headers: Text | None = None, keep_connection: bool = True
    ) -> None:
        """Code 1016."""
        self.session.check()
        self.session.output.begin(parse_head(status, headers, keeps=bool(keep_connection)))

    def send_url_redirect_resp(self, url: Text) -> None:
        """Code 1."""
        self.session.check()
        location = as_location(url)
        shown = location.replace("&", "&amp;").replace('"', "%22").replace("<", "%3C").encode()
        head = ResponseHead(302, "Object moved", rest=_MOVED % shown)
        head.headers.add("Location", location)
        head.headers.add("Content-Type", "text/html; charset=utf-8")
        self.session.output.begin(head)

    def send_url(self, url: Text) -> None:
        """Code 2: an absolute URL is a redirect, as in later IIS versions."""
        self.session.check()
        if not to_bytes(url).startswith(b"/"):
            if b"://" not in to_bytes(url):
                raise IsapiError(ERROR_INVALID_PARAMETER, f"neither an absolute path nor a URL: {url!r}")
            self.send_url_redirect_resp(url)
            return
        self.session.output.answer_with(as_target(url))

    # --- URLs

    def map_url_to_path(self, url: Text) -> str:
        """Code 1001."""
        self.session.check()
        return self.session.run(self.session.host.map_url(as_target(url))).physical_path

    def map_url_to_path_ex(self, url: Text) -> UrlMapping:
        """Code 1012."""
        self.session.check()
        place = self.session.run(self.session.host.map_url(as_target(url)))
        flags = place.access & _ALL_FLAGS
        return UrlMapping(place.physical_path, flags, len(place.physical_root), len(place.url_root))

    def normalize_url(self, url: Text) -> str:
        """Code 1033."""
        self.session.check()
        return normalized(url)

    # --- the log and the worker

    def append_log_parameter(self, text: Text) -> None:
        """Code 1003."""
        self.session.check()
        self.session.host.append_to_log(to_bytes(text).decode("utf-8", "replace"))

    def report_unhealthy(self, reason: Text | None = None) -> None:
        """Code 1032."""
        self.session.check()
        said = to_bytes(reason).decode("utf-8", "replace") if reason else "no reason was given"
        self.session.facts.report_unhealthy(f"{self.session.extension_name}: {said}")

    def is_in_process(self) -> int:
        """Code 1030."""
        self.session.check()
        return self.session.facts.app_flag

    def is_traced(self) -> bool:
        """Code 1042."""
        self.session.check()
        return False

    # --- the connection

    def is_connected(self) -> bool:
        """Code 1018."""
        self.session.check()
        return self.session.host.is_connected and not self.session.output.is_cut

    def is_keep_conn(self) -> bool:
        """Code 1008."""
        self.session.check()
        wish = self._request.headers.get("Connection").lower()
        return "close" not in wish if self._request.http_version == "1.1" else "keep-alive" in wish

    def close_connection(self) -> None:
        """Code 1017."""
        self.session.check()
        self.session.output.cut()

    def abortive_close(self) -> None:
        """Code 1014."""
        self.session.check()
        self.session.output.closes = self.session.output.is_abortive = True

    def set_flush_flag(self, is_set: bool) -> None:
        """Code 1043."""
        self.session.check()
        self.session.output.set_flushes(bool(is_set))

    # --- fragments

    def add_fragment_to_cache(self, name: str, data: bytes) -> None:
        """Code 1034."""
        self.session.check()
        self.session.facts.fragments.add(name, bytes(data))

    def read_fragment_from_cache(self, name: str) -> bytes:
        """Code 1035."""
        self.session.check()
        return self.session.facts.fragments.read(name)

    def remove_fragment_from_cache(self, name: str) -> None:
        """Code 1036."""
        self.session.check()
        self.session.facts.fragments.remove(name)

    # --- identities

    def get_impersonation_token(self) -> int:
        """Code 1011."""
        self.session.check()
        return ANONYMOUS_TOKEN

    def get_anonymous_token(self, metabase_path: Text) -> int:
        """Codes 1038 and 1041."""
        self.session.check()
        to_bytes(metabase_path)
        return ANONYMOUS_TOKEN

    def get_virtual_path_token(self, url: Text) -> int:
        """Codes 1021 and 1031."""
        self.map_url_to_path(url)
        return ANONYMOUS_TOKEN

    def refresh_isapi_acl(self, path: Text) -> None:
        """Code 1007."""
        self.session.check()
        to_bytes(path)

    def get_cert_info_ex(self) -> bytes:
        """Code 1015."""
        self.session.check()
        tls = self.session.request.connection.tls
        if tls is None or tls.client_certificate is None:
            raise IsapiError(ERROR_NO_DATA, "the client has sent no certificate")
        return tls.client_certificate.der
