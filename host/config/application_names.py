"""How an operator may name an application: `/shop`, `1:/shop`, `Default Web Site/shop`, `/LM/W3SVC/1/ROOT/shop`."""

from __future__ import annotations

from host.config.model import Application, Snapshot


def applications_named(snapshot: Snapshot, name: str) -> list[Application]:
    """The applications that are meant, compared without case: none, one, or one of each site for a bare path."""
    wanted = _folded(name)
    return [
        application
        for site in snapshot.sites
        for application in site.applications
        if wanted
        in {
            _folded(application.path),
            _folded(application.key),
            _folded(application.metabase_path),
            _folded(application.site_name + application.path),
        }
    ]


def _folded(name: str) -> str:
    return name.strip().lower().rstrip("/") or "/"
