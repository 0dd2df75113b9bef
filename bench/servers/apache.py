"""Apache from Debian, event MPM with its defaults: mod_cgid for CGI, files, and mod_proxy_uwsgi for pages."""

from __future__ import annotations

import pwd
from typing import Final

import psutil

from bench.packages import program
from bench.server import Contestant, Place, Plan, peer_user
from bench.servers import uwsgi
from bench.servers.roles import name_and_rank

_MODULES: Final = ("mpm_event", "authz_core", "mime", "alias", "env", "cgid")
_PROXY_MODULES: Final = ("proxy", "proxy_uwsgi")
_FOLDER: Final = "/usr/lib/apache2/modules"

_CONFIGURATION: Final = """\
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/apache2.pid
ServerName localhost
Listen 127.0.0.1:{port}
ListenBacklog 2048
ErrorLog {folder}/error.log
LogLevel crit
KeepAlive On
KeepAliveTimeout 60
MaxKeepAliveRequests 0
{modules}
{user}
TypesConfig /etc/mime.types
ScriptSock {folder}/cgid.sock
DocumentRoot {documents}
<Directory {documents}>
  Require all granted
  AllowOverride None
  Options FollowSymLinks
</Directory>
ScriptAlias /cgi-bin/ {documents}/cgi-bin/
# the length that a program announces reaches the client, as with the other servers
SetEnv ap_trust_cgilike_cl yes
{pages}
"""


def _plan(place: Place, *, with_uwsgi: bool) -> Plan:
    user = peer_user()
    modules = _MODULES + (_PROXY_MODULES if with_uwsgi else ())
    pages = f"ProxyPass /hello unix:{uwsgi.socket_path(place)}|uwsgi://pages/hello" if with_uwsgi else ""
    configuration = _CONFIGURATION.format(
        folder=place.folder,
        port=place.port,
        documents=place.site.documents,
        modules="\n".join(f"LoadModule {name}_module {_FOLDER}/mod_{name}.so" for name in modules),
        user=f"User {user}\nGroup #{_group(user)}" if user else "",
        pages=pages,
    )
    apache = (program("apache2"), "-f", str(place.folder / "apache2.conf"), "-DFOREGROUND")
    commands = (uwsgi.command(place), apache) if with_uwsgi else (apache,)
    return Plan(commands=commands, files={"apache2.conf": configuration})


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _role(process: psutil.Process) -> str:
    role = name_and_rank(process)
    if role == "apache2 worker" and process.num_threads() == 1:
        return "apache2 cgid"
    return role if role.startswith(("apache2", "uwsgi")) else "program"


APACHE: Final = Contestant(
    name="apache",
    paths={
        "cgi": "/cgi-bin/hello",
        "cgi-python": "/cgi-bin/hello-python",
        "cgi-perl": "/cgi-bin/hello-perl",
        "cgi-post": "/cgi-bin/swallow",
        "cgi-big": "/cgi-bin/flood",
        "static": "/small.bin",
        "big": "/big.bin",
    },
    plan=lambda place: _plan(place, with_uwsgi=False),
    role_of=_role,
    packages=("apache2",),
)
APACHE_UWSGI: Final = Contestant(
    name="apache-uwsgi",
    paths={"hello": "/hello", "connect": "/hello"},
    plan=lambda place: _plan(place, with_uwsgi=True),
    role_of=_role,
    packages=("apache2", *uwsgi.PACKAGES),
)
