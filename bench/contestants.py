"""Every server that can take part, by name, in the order of the first round."""

from __future__ import annotations

from typing import Final

from bench.servers.apache import APACHE, APACHE_UWSGI
from bench.servers.bare import BARE, BARE_CGI
from bench.servers.caches import NGINX_CACHE, VARNISH
from bench.servers.fcgiwrap import NGINX_FCGIWRAP
from bench.servers.isapy import ISAPY, ISAPY_IIS5, ISAPY_SINGLE
from bench.servers.lighttpd import LIGHTTPD, LIGHTTPD_UWSGI
from bench.servers.nginx import NGINX, NGINX_GUNICORN, NGINX_UVICORN, NGINX_UWSGI
from bench.servers.php import NGINX_PHP

CONTESTANTS: Final = {
    contestant.name: contestant
    for contestant in (
        ISAPY,
        ISAPY_IIS5,
        ISAPY_SINGLE,
        NGINX,
        NGINX_UWSGI,
        NGINX_GUNICORN,
        NGINX_UVICORN,
        NGINX_PHP,
        NGINX_FCGIWRAP,
        APACHE,
        APACHE_UWSGI,
        LIGHTTPD,
        LIGHTTPD_UWSGI,
        NGINX_CACHE,
        VARNISH,
        BARE,
        BARE_CGI,
    )
}
