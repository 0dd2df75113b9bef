"""What a client gets that is refused before (or instead of) a worker: a short page, and the connection closes.

HTTP.sys's pages, our own words for what HTTP.sys does not know. Always US-ASCII, never anything that came
from the client. A local client is told why a worker failed; others are not.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, NamedTuple

from host.http1.errors import Fault


class Page(NamedTuple):
    """A refusal's facts: status, HTTPERR reason, what the page says. Empty `reason`: no line in HTTPERR."""

    status: int
    reason: str
    heading: str
    sentence: str
    fields: str = ""  # further header lines, each with its line end


def page_of_fault(fault: Fault) -> Page:
    """The page of what a request got wrong."""
    return Page(fault.status, fault.reason, fault.heading, fault.sentence)


def page_of_queue(reason: str) -> Page:
    """503: the queue takes nothing (QueueFull, Disabled, AppOffline, AppShutdown) or the site is full (ConnLimit)."""
    return Page(503, reason, "", "The service is unavailable.")


def page_of_shortage() -> Page:
    """503: no memory is left for the request's body. HTTP.sys has no name for it, but N/A."""
    return Page(503, "N/A", "", "The service is unavailable.")


def page_of_lost_worker(cause: str) -> Page:
    """502: the worker died with the request, and it could not be given to another. `cause` is for local clients."""
    detail = f" {cause}" if cause else ""
    return Page(
        502, "Connection_Abandoned_By_ReqQueue", "Worker Process Ended", f"The worker process did not answer.{detail}"
    )


def page_of_bad_answer(cause: str) -> Page:
    """502: the worker's answer cannot be sent to anyone. `cause` is for local clients."""
    sentence = f"The worker process gave an invalid response. {cause}".rstrip()
    return Page(502, "Connection_Abandoned_By_ReqQueue", "Invalid Response", sentence)


def page_of_reset(status: int, cause: str) -> Page:
    """The worker gave up before it began to answer; `cause` is for local clients."""
    return Page(status, "", "", cause or "The request could not be completed.")


def page_of_misdirected() -> Page:
    """421: a client certificate was shown to another site's name (RFC 9110 15.5.20); it means nothing to this one."""
    sentence = "The request is for another host than the one that the connection was made to."
    return Page(421, "Hostname", "", sentence)


def page_of_secure_redirect(host: bytes, target: bytes, port: int, own_ip: str) -> Page:
    """301: `site/hsts/@redirectHttpToHttps`. `host` and `target` are known to be what a URL may hold; a client that
    names no host (HTTP/1.0) is sent to the address that it has found."""
    name = host.decode("latin-1") or (f"[{own_ip}]" if ":" in own_ip else own_ip)
    name = name[: name.find("]") + 1] if name.startswith("[") else name.partition(":")[0]
    path = target.decode("latin-1") if target.startswith(b"/") else "/"
    authority = name if port == 443 else f"{name}:{port}"
    return Page(301, "", "", "This site is served over HTTPS.", f"Location: https://{authority}{path}\r\n")


def page_of_unsecured() -> Page:
    """421: an `https:` URL that was asked for without TLS must not be answered (RFC 9110 7.4)."""
    return Page(421, "Hostname", "", "The URL is to be asked for over TLS only.")


def phrase(status: int) -> str:
    """The reason phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


_HEAD: Final = "HTTP/1.1 {status} {phrase}\r\nContent-Type: text/html; charset=us-ascii\r\nContent-Length: {length}\r\n"
_BODY: Final = (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN""http://www.w3.org/TR/html4/strict.dtd">\r\n'
    "<HTML><HEAD><TITLE>{phrase}</TITLE>\r\n"
    '<META HTTP-EQUIV="Content-Type" Content="text/html; charset=us-ascii"></HEAD>\r\n'
    "<BODY><h2>{heading}</h2>\r\n"
    "<hr><p>HTTP Error {status}. {sentence}</p>\r\n"
    "</BODY></HTML>\r\n"
)
"""HTTP.sys's page since Vista, byte for byte: monitors and proxies know it."""


def render(page: Page, end_of_head: bytes, *, with_body: bool = True) -> bytes:
    """The whole response. `end_of_head` is the closing variant of http1.writer.Stamp; no body answers HEAD."""
    words = phrase(page.status)
    heading = f"{words} - {page.heading}" if page.heading and page.heading != words else words
    body = _BODY.format(phrase=words, heading=heading, status=page.status, sentence=_plain(page.sentence))
    raw_body = body.encode("ascii", "replace")
    head = _HEAD.format(status=page.status, phrase=words, length=len(raw_body)).encode("ascii")
    return head + page.fields.encode("latin-1") + end_of_head + (raw_body if with_body else b"")


def _plain(text: str) -> str:
    """Text that cannot become markup: causes may quote a path or a name."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
