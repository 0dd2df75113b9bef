"""Caches in front of a server: nginx's proxy_cache and Varnish, both before an nginx that serves the files. After the
first request for it a file is the cache's alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psutil

from bench.packages import program
from bench.server import Contestant, Place, Plan, peer_user
from bench.servers import nginx
from bench.servers.roles import name_and_rank

_ORIGIN: Final = "server {{ listen unix:{socket}; root {documents}; }}"
_ZONE: Final = "proxy_cache_path {folder}/cache keys_zone=answers:10m inactive=1h;"
_CACHED: Final = """location / {{
      proxy_pass http://unix:{socket}:;
      proxy_cache answers;
      proxy_cache_valid 200 1h;
    }}"""

_ORIGIN_ALONE: Final = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  default_type application/octet-stream;
  server {{ listen unix:{socket}; root {documents}; }}
}}
"""
_VCL: Final = """\
vcl 4.1;
backend default {{ .path = "{socket}"; }}
sub vcl_backend_response {{ set beresp.ttl = 1h; }}
"""


def _socket(place: Place) -> Path:
    return place.folder / "origin.sock"


def _plan_nginx(place: Place) -> Plan:
    where = {"folder": place.folder, "socket": _socket(place), "documents": place.site.documents}
    shared = _ZONE.format(**where) + "\n  " + _ORIGIN.format(**where)
    text = nginx.configuration(place, _CACHED.format(**where), shared)
    return Plan(commands=(nginx.command(place),), files={"nginx.conf": text})


def _plan_varnish(place: Place) -> Plan:
    user = peer_user()
    where = {"folder": place.folder, "socket": _socket(place), "documents": place.site.documents}
    origin = _ORIGIN_ALONE.format(user=f"user {user};" if user else "", **where)
    varnish = (
        program("varnishd"),
        "-F",
        *("-j", "none"),
        *("-a", f"127.0.0.1:{place.port}"),
        *("-f", str(place.folder / "default.vcl")),
        *("-n", str(place.folder / "varnish")),
        *("-s", "malloc,64m"),
    )
    return Plan(
        commands=(nginx.command(place), varnish), files={"nginx.conf": origin, "default.vcl": _VCL.format(**where)}
    )


def _varnish_role(process: psutil.Process) -> str:
    name = process.name()
    if name.startswith("varnish"):
        return "varnish master"
    return "varnish worker" if name == "cache-main" else name_and_rank(process)


NGINX_CACHE: Final = Contestant(
    name="nginx-cache",
    paths={"cache": "/small.bin"},
    plan=_plan_nginx,
    role_of=name_and_rank,
    packages=("nginx-light",),
)
VARNISH: Final = Contestant(
    name="varnish",
    paths={"cache": "/small.bin"},
    plan=_plan_varnish,
    role_of=_varnish_role,
    packages=("varnish", "nginx-light"),
)
