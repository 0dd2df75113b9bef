"""`isapy trace URL`: send one request and show its walk through the pipeline."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from host.admin.commands import BeginTrace, GetTrace, ListSites, Sites, Trace, TraceToken, as_plain_data
from host.cli.failures import EXIT_FAILED, EXIT_USAGE, CommandLineError
from host.cli.render import show
from host.cli.service_commands import AsJson, Config, ask
from host.cli.table import safe

_FIELD: Final = "X-Isapy-Trace-Token"
_REQUEST_SECONDS: Final = 60.0


def trace(
    url: Annotated[str, typer.Argument(metavar="URL", help="http://host:port/path, or a path of the site.")],
    site: Annotated[
        str, typer.Option(metavar="NAME", help="The site that a path is of, or its id; else the first one.")
    ] = "",
    method: Annotated[str, typer.Option(metavar="VERB", help="The request's method.")] = "GET",
    header: Annotated[
        list[str] | None, typer.Option(metavar="FIELD", help="A request field, 'Name: value'. May be repeated.")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="FILE", help="A file to send as the body.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Send one request and show its walk through the pipeline.

    Each event, who was called for it and for how long, what was mapped, rewritten, refused and sent. AT and TOOK are
    milliseconds. Only the administrator can turn tracing on, for this one request.

    \b
    Examples:
        isapy trace /shop/list.order
        isapy trace http://127.0.0.1:8080/a.cgi --method POST --data form.txt
        isapy trace / --site Shop --header 'Accept-Language: de'
    """
    address, host, target = _destination(url, site, config)
    fields = {"Host": host, "Connection": "close"}
    for text in header or []:
        name, colon, value = text.partition(":")
        if not colon:
            raise CommandLineError(f"not a request field: {text}", "write: --header 'Name: value'", EXIT_USAGE)
        fields[name.strip()] = value.strip()
    body = _body(data)
    begun = ask(config, BeginTrace(), waiting="asking the service for a trace")
    if not isinstance(begun, TraceToken):
        show(begun)
        return
    status = _send(address, method, target, fields | {_FIELD: begun.token}, body)
    walk = ask(config, GetTrace(token=begun.token), waiting="waiting for the request's end")
    if not isinstance(walk, Trace):
        show(walk)
        return
    if as_json:
        typer.echo(json.dumps(as_plain_data(walk), indent=2))
        return
    typer.echo(f"{method} {target} was answered with {status} by {walk.worker} (request {walk.request_id})\n")
    for line in _lines(walk):
        typer.echo(line)


def _body(file: Path | None) -> bytes | None:
    try:
        return file.read_bytes() if file is not None else None
    except OSError as error:
        raise CommandLineError(f"{file} cannot be read: {error.strerror}", "--data names a file", EXIT_USAGE) from error


def _destination(url: str, site: str, config: Path | None) -> tuple[str, str, str]:
    """Address to connect to, Host field, and the request's target."""
    parts = urlsplit(url)
    if not parts.scheme:
        if not url.startswith("/"):
            raise CommandLineError(f"neither a URL nor a path: {url}", "write http://host/path or /path", EXIT_USAGE)
        found = urlsplit(_site_url(site, config))
        return found.netloc, found.netloc, url
    if parts.scheme != "http" or not parts.netloc:
        raise CommandLineError(f"cannot ask for {url}", "only http:// URLs can be traced", EXIT_USAGE)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.netloc, parts.netloc, target


def _site_url(site: str, config: Path | None) -> str:
    reply = ask(config, ListSites(), waiting="asking the service for its sites")
    rows = reply.rows if isinstance(reply, Sites) else []
    for row in rows:
        if row.urls and (not site or site in (row.name, str(row.id))):
            return row.urls[0]
    known = ", ".join(row.name for row in rows) or "none"
    raise CommandLineError(f"there is no started site {site}".rstrip(), f"sites: {known}", EXIT_FAILED)


def _send(address: str, method: str, target: str, fields: dict[str, str], body: bytes | None) -> int:
    connection = http.client.HTTPConnection(address, timeout=_REQUEST_SECONDS)
    try:
        connection.request(method, target, body=body, headers=fields)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException) as error:
        raise CommandLineError(f"{address} does not answer: {error}", "is it one of the site's bindings?") from error
    finally:
        connection.close()
    return response.status


def _lines(walk: Trace) -> list[str]:
    width = max([len(step.event) for step in walk.rows], default=0)
    names = max([len(step.by) for step in walk.rows], default=0)
    lines = [f"{'AT':>9} {'TOOK':>8}  {'EVENT':{width}}  {'BY':{names}}  OUTCOME"]
    for step in walk.rows:
        told = "  ".join(part for part in (step.outcome, step.detail) if part)
        line = f"{step.at:9.3f} {step.took:8.3f}  {step.event:{width}}  {step.by:{names}}  {told}"
        lines.append(safe(line.rstrip()).plain)
    return lines
