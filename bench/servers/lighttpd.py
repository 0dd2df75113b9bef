"""lighttpd from Debian: mod_cgi, files, and mod_scgi speaking uWSGI's protocol for pages."""

from __future__ import annotations

from typing import Final

from bench.packages import program
from bench.server import Contestant, Place, Plan, peer_user
from bench.servers import uwsgi
from bench.servers.roles import name_and_rank, single_process

_CONFIGURATION: Final = """\
server.modules = ( "mod_cgi", "mod_scgi" )
server.document-root = "{documents}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{folder}/error.log"
server.upload-dirs = ( "{folder}" )
server.max-fds = 32768
server.max-connections = 16000
server.max-keep-alive-requests = 1000000000
server.max-keep-alive-idle = 300
server.listen-backlog = 2048
mimetype.assign = ( ".bin" => "application/octet-stream" )
{user}
$HTTP["url"] =~ "^/cgi-bin/" {{ cgi.assign = ( "" => "" ) }}
{pages}
"""

_TO_UWSGI: Final = """\
scgi.protocol = "uwsgi"
scgi.server = ( "/hello" => (( "socket" => "{socket}", "check-local" => "disable" )) )
"""


def _plan(place: Place, *, with_uwsgi: bool) -> Plan:
    user = peer_user()
    configuration = _CONFIGURATION.format(
        folder=place.folder,
        port=place.port,
        documents=place.site.documents,
        user=f'server.username = "{user}"' if user else "",
        pages=_TO_UWSGI.format(socket=uwsgi.socket_path(place)) if with_uwsgi else "",
    )
    lighttpd = (program("lighttpd"), "-D", "-f", str(place.folder / "lighttpd.conf"))
    commands = (uwsgi.command(place), lighttpd) if with_uwsgi else (lighttpd,)
    return Plan(commands=commands, files={"lighttpd.conf": configuration})


LIGHTTPD: Final = Contestant(
    name="lighttpd",
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
    role_of=single_process,
    packages=("lighttpd",),
)
LIGHTTPD_UWSGI: Final = Contestant(
    name="lighttpd-uwsgi",
    paths={"hello": "/hello", "connect": "/hello"},
    plan=lambda place: _plan(place, with_uwsgi=True),
    role_of=name_and_rank,
    packages=("lighttpd", *uwsgi.PACKAGES),
)
