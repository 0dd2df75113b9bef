"""`isapy cache`: what an administrator does to the listener's cache."""

from __future__ import annotations

from typing import Annotated

import typer

from host.admin.cache_messages import FlushCache, ListCache
from host.cli.render import show
from host.cli.service_commands import AsJson, Config, ask, list_app

cache_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@list_app.command("cache")
def list_cache(config: Config = None, as_json: AsJson = False) -> None:
    """Answers that the listener gives by itself.

    The one that was used last stands first. SIZE is in bytes, AGE how long it has been there, GOOD FOR how long it may
    stay; without a time it stays until its file, its configuration or its worker changes.
    """
    show(ask(config, ListCache(), waiting="asking the service for its cache"), as_json=as_json)


@cache_app.command("flush")
def flush(
    url: Annotated[
        str,
        typer.Argument(metavar="[URL]", help="A path (/a.css) or a whole URL; * at its end: all that begin so."),
    ] = "",
    site: Annotated[str, typer.Option("--site", metavar="NAME", help="Answers of this site alone (name or id).")] = "",
    config: Config = None,
) -> None:
    """Take answers out of it: all, those of a site, or those of a URL.

    \b
    Examples:
        isapy cache flush
        isapy cache flush '/pictures/*' --site Shop
    """
    show(ask(config, FlushCache(site=site, url=url), waiting="emptying the cache"))
