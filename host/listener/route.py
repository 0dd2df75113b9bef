"""Where a request goes: its site and application, whose queue takes it, and who counts its connection."""

from __future__ import annotations

from typing import Final

from host.config.model import Application, Pool, Site

_UNLIMITED: Final = 4294967295


class SiteGauge:
    """Open connections of one site against `limits/@maxConnections`; outlives a configuration."""

    __slots__ = ("connections", "limit", "site_id")

    def __init__(self, site_id: int) -> None:
        self.site_id = site_id
        self.connections = 0
        self.limit = _UNLIMITED

    @property
    def is_full(self) -> bool:
        """Whether one more connection is too many."""
        return self.connections >= self.limit


class Route:
    """Where a request goes. `key` is the application's name in frames (`1:/shop`), `queue` the queue's name."""

    __slots__ = ("application", "gauge", "hsts", "key", "pool", "queue", "secure_port", "site")

    def __init__(self, site: Site, application: Application, pool: Pool, queue: str, gauge: SiteGauge) -> None:
        self.site = site
        self.application = application
        self.pool = pool
        self.queue = queue
        self.gauge = gauge
        self.hsts: Final = site.hsts.field
        self.secure_port: Final = _secure_port(site)
        self.key: Final = application.key.encode()


def _secure_port(site: Site) -> int:
    """Where plain requests are sent to; 0: nowhere."""
    if not site.hsts.redirect_http_to_https:
        return 0
    return next((binding.port for binding in site.bindings if binding.tls is not None and binding.port), 443)
