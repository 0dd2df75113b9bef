"""nginx from Debian: alone for files, before one worker of uWSGI, gunicorn or uvicorn for pages. One nginx worker:
isapy has one listener."""

from __future__ import annotations

from typing import Final

from bench.packages import program
from bench.server import Contestant, Place, Plan, peer_user
from bench.servers import gunicorn, uvicorn, uwsgi
from bench.servers.roles import name_and_rank

_CONFIGURATION: Final = """\
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {upstream}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    root {documents};
    {locations}
  }}
}}
"""

_TO_UWSGI: Final = """location /hello {{
      include /etc/nginx/uwsgi_params;
      uwsgi_pass unix:{socket};
    }}"""


_TO_GUNICORN: Final = """location /hello {{
      include /etc/nginx/proxy_params;
      proxy_pass http://unix:{socket};
    }}"""

_TO_UVICORN: Final = """location /hello {
      include /etc/nginx/proxy_params;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass http://uvicorn;
    }"""

_UVICORN_KEPT: Final = "upstream uvicorn {{ server unix:{socket}; keepalive 256; keepalive_requests 1000000000; }}"


def configuration(place: Place, locations: str, upstream: str = "") -> str:
    """nginx.conf for that place; `locations` beside the files."""
    user = peer_user()
    return _CONFIGURATION.format(
        user=f"user {user};" if user else "",
        folder=place.folder,
        port=place.port,
        documents=place.site.documents,
        locations=locations,
        upstream=upstream,
    )


def command(place: Place) -> tuple[str, ...]:
    """The command that runs nginx on it."""
    return (program("nginx"), "-p", str(place.folder), "-e", "error.log", "-c", str(place.folder / "nginx.conf"))


def _plan(place: Place, *, with_uwsgi: bool) -> Plan:
    files = {
        "nginx.conf": configuration(place, _TO_UWSGI.format(socket=uwsgi.socket_path(place)) if with_uwsgi else "")
    }
    commands = (uwsgi.command(place), command(place)) if with_uwsgi else (command(place),)
    return Plan(commands=commands, files=files)


NGINX: Final = Contestant(
    name="nginx",
    paths={"static": "/small.bin", "big": "/big.bin"},
    plan=lambda place: _plan(place, with_uwsgi=False),
    role_of=name_and_rank,
    packages=("nginx-light",),
)
NGINX_UWSGI: Final = Contestant(
    name="nginx-uwsgi",
    paths={"hello": "/hello", "connect": "/hello", "wsgi": "/hello"},
    plan=lambda place: _plan(place, with_uwsgi=True),
    role_of=name_and_rank,
    packages=("nginx-light", *uwsgi.PACKAGES),
)


def _plan_gunicorn(place: Place) -> Plan:
    text = configuration(place, _TO_GUNICORN.format(socket=gunicorn.socket_path(place)))
    return Plan(commands=(gunicorn.command(place), command(place)), files={"nginx.conf": text})


def _plan_uvicorn(place: Place) -> Plan:
    upstream = _UVICORN_KEPT.format(socket=uvicorn.socket_path(place))
    text = configuration(place, _TO_UVICORN, upstream)
    return Plan(commands=(uvicorn.command(place), command(place)), files={"nginx.conf": text})


NGINX_GUNICORN: Final = Contestant(
    name="nginx-gunicorn",
    paths={"wsgi": "/hello"},
    plan=_plan_gunicorn,
    role_of=name_and_rank,
    packages=("nginx-light", *gunicorn.PACKAGES),
)
NGINX_UVICORN: Final = Contestant(
    name="nginx-uvicorn",
    paths={"asgi": "/hello"},
    plan=_plan_uvicorn,
    role_of=name_and_rank,
    packages=("nginx-light",),
)
