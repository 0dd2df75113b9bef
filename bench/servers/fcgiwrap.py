"""nginx before fcgiwrap, both from Debian: what users of nginx run CGI programs with."""

from __future__ import annotations

import pwd
from typing import Final

import psutil

from bench.packages import program
from bench.server import Contestant, Place, Plan, peer_user
from bench.servers import nginx
from bench.servers.roles import name_and_rank

PROCESSES: Final = 8
"""Of fcgiwrap, each of which has one request at a time. Debian starts one; more than these answered no more here."""

_TO_FCGIWRAP: Final = """location /cgi-bin/ {{
      include /etc/nginx/fastcgi_params;
      client_max_body_size 8m;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_pass unix:{socket};
    }}"""


def _plan(place: Place) -> Plan:
    socket = place.folder / "fcgiwrap.sock"
    wrapper: tuple[str, ...] = (program("fcgiwrap"), "-c", str(PROCESSES), "-s", f"unix:{socket}")
    if user := peer_user():  # fcgiwrap cannot give up root itself
        group = str(pwd.getpwnam(user).pw_gid)
        wrapper = (program("setpriv"), "--reuid", user, "--regid", group, "--clear-groups", *wrapper)
    text = nginx.configuration(place, _TO_FCGIWRAP.format(socket=socket))
    return Plan(commands=(wrapper, nginx.command(place)), files={"nginx.conf": text})


def _role(process: psutil.Process) -> str:
    role = name_and_rank(process)
    return role if role.startswith(("nginx", "fcgiwrap")) else "program"


NGINX_FCGIWRAP: Final = Contestant(
    name="nginx-fcgiwrap",
    paths={
        "cgi": "/cgi-bin/hello",
        "cgi-python": "/cgi-bin/hello-python",
        "cgi-perl": "/cgi-bin/hello-perl",
        "cgi-post": "/cgi-bin/swallow",
        "cgi-big": "/cgi-bin/flood",
    },
    plan=_plan,
    role_of=_role,
    packages=("nginx-light", "fcgiwrap"),
)
