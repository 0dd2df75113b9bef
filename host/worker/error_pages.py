"""Step 10: a refusal becomes a page that a person can use.

A client on this machine sees everything: cause, remedy, module, handler, file, traceback. Anybody else sees the status
and a number by which the operator finds the request; nothing that a page says of the inside reaches them.
"""

from __future__ import annotations

import html
from typing import Final

from host.api import Headers, HttpError, Request, Response, describe, reason_phrase
from host.worker.process_user import process_user

_STYLE: Final = """
body{margin:0;background:#f4f5f7;color:#20242c;font:16px/1.5 system-ui,"Segoe UI",Roboto,sans-serif}
main{max-width:52rem;margin:6vh auto;background:#fff;border-radius:8px;box-shadow:0 1px 4px #0003;overflow:hidden}
header{background:#8a1f2d;color:#fff;padding:1.2rem 2rem}header p{margin:.2rem 0 0;opacity:.9}
h1{font-size:1.5rem;margin:0}h2{font-size:1rem;margin:1.4rem 0 .3rem}section{padding:.4rem 2rem 1.6rem}
dl{display:grid;grid-template-columns:10rem 1fr;gap:.3rem 1rem;margin:0}
dt{color:#5b6270}dd{margin:0;word-break:break-word}
pre{background:#f4f5f7;padding:.8rem 1rem;border-radius:6px;overflow:auto;font-size:.85rem;white-space:pre-wrap;
overflow-wrap:anywhere}
footer{color:#5b6270;font-size:.85rem;padding:.8rem 2rem;border-top:1px solid #e3e5e9}
@media(max-width:40rem){main{margin:0;border-radius:0}dl{grid-template-columns:1fr;gap:0}dd{margin:0 0 .5rem}}
@media(prefers-color-scheme:dark){body{background:#16181d;color:#e4e6ea}main{background:#22252c}pre{background:#16181d}
footer{border-color:#373b44}dt,footer{color:#9aa1ae}}
"""


def error_page(request: Request, error: HttpError, *, is_detailed: bool) -> Response:
    """The page for `error`; HTML, or plain text for a client that takes no HTML."""
    headers = Headers()
    for name, value in error.headers.items():
        headers.add(name, value)
    if _takes_html(request):
        headers.set("Content-Type", "text/html; charset=utf-8")
        text = _html(request, error, is_detailed)
    else:
        headers.set("Content-Type", "text/plain; charset=utf-8")
        text = _plain(request, error, is_detailed)
    return Response(
        status=error.status,
        substatus=error.substatus,
        win32_status=error.win32_status,
        headers=headers,
        body=text.encode("utf-8", "replace"),
    )


def page_facts(request: Request, error: HttpError) -> list[tuple[str, str]]:
    """What a detailed page tells beside cause and remedy, empty facts left out."""
    mapping = request.mapping.name if request.mapping is not None else ""
    facts = [
        ("Module", error.module),
        ("Handler", error.handler or mapping),
        ("Requested URL", request.url),
        ("Physical path", request.physical_path),
        ("Application", f"{request.application.metabase_path} in pool {request.application.pool_name}"),
        ("Runs as", process_user() + (", in the pool's sandbox" if request.application.is_sandboxed else "")),
        ("User", request.user or "anonymous"),
        ("Request id", request.id),
    ]
    return [(name, value) for name, value in facts if value]


def _takes_html(request: Request) -> bool:
    accepted = request.headers.get("Accept").lower()
    return not accepted or "html" in accepted or "*/*" in accepted or "text/*" in accepted


def _html(request: Request, error: HttpError, is_detailed: bool) -> str:
    reason = reason_phrase(error.status) or "Error"
    if not is_detailed:
        title = f"{error.status} {reason}"
        content = f"<section><p>Reference for the operator: {html.escape(request.id)}</p></section>"
        return _document(title, f"<header><h1>{html.escape(title)}</h1></header>{content}")
    title = f"HTTP Error {error.status}.{error.substatus} - {reason}"
    parts = [
        f"<header><h1>{html.escape(title)}</h1>",
        f"<p>{html.escape(describe(error.status, error.substatus))}</p></header><section>",
    ]
    if error.detail:
        parts.append(f"<h2>Cause</h2><pre>{html.escape(error.detail)}</pre>")
    if error.remedy:
        parts.append(f"<h2>What to do</h2><p>{html.escape(error.remedy)}</p>")
    rows = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in page_facts(request, error)
    )
    parts.append(f"<h2>Request</h2><dl>{rows}</dl>")
    if error.failure:
        parts.append(f"<h2>Traceback</h2><pre>{html.escape(error.failure)}</pre>")
    parts.append(f"</section><footer>{_audience(request)}</footer>")
    return _document(title, "".join(parts))


def _audience(request: Request) -> str:
    """Who gets to see such a page, for the operator who wonders what the world sees."""
    if request.settings is not None and request.settings.http_errors.error_mode == "Detailed":
        return "Every client sees these details (httpErrors errorMode=&quot;Detailed&quot;)."
    return "Only clients on this machine see these details (httpErrors/@errorMode)."


def _document(title: str, content: str) -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><main>{content}</main></body></html>\n"
    )


def _plain(request: Request, error: HttpError, is_detailed: bool) -> str:
    reason = reason_phrase(error.status) or "Error"
    if not is_detailed:
        return f"{error.status} {reason}\nReference for the operator: {request.id}\n"
    lines = [f"HTTP Error {error.status}.{error.substatus} - {reason}", describe(error.status, error.substatus), ""]
    if error.detail:
        lines += [f"Cause: {error.detail}"]
    if error.remedy:
        lines += [f"What to do: {error.remedy}"]
    lines += [f"{name}: {value}" for name, value in page_facts(request, error)]
    if error.failure:
        lines += ["", error.failure]
    return "\n".join(lines) + "\n"
