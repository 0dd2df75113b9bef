"""nginx before php-fpm, both from Debian: a connection for each request, as nginx's documentation has it.

As many PHP processes as isapy starts (`maxInstances` in the measured site's configuration), none of which is replaced.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from bench.packages import SEARCH_PATH
from bench.server import Contestant, Place, Plan, peer_user
from bench.servers import nginx
from bench.servers.roles import name_and_rank

PROCESSES: Final = 4

_TO_PHP: Final = """location ~ \\.php$ {{
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_pass unix:{socket};
    }}"""

_POOL: Final = """\
[global]
error_log = {folder}/fpm.log
daemonize = no
[bench]
{user}
listen = {socket}
listen.mode = 0666
listen.backlog = 1024
pm = static
pm.max_children = {processes}
"""


def fpm_program() -> str:
    """Absolute path of Debian's php-fpm, whose name holds its version. Raises FileNotFoundError."""
    for folder in SEARCH_PATH.split(":"):
        for found in sorted(Path(folder).glob("php-fpm[0-9]*"), reverse=True):
            if shutil.which(str(found)):
                return str(found)
    raise FileNotFoundError("php-fpm is not installed")


def _plan(place: Place) -> Plan:
    socket, user = place.folder / "php.sock", peer_user()
    pool = _POOL.format(
        folder=place.folder,
        socket=socket,
        user=f"user = {user}\ngroup = {user}" if user else "",
        processes=PROCESSES,
    )
    return Plan(
        commands=(
            (fpm_program(), "--nodaemonize", "--fpm-config", str(place.folder / "fpm.conf")),
            nginx.command(place),
        ),
        files={"fpm.conf": pool, "nginx.conf": nginx.configuration(place, _TO_PHP.format(socket=socket))},
    )


NGINX_PHP: Final = Contestant(
    name="nginx-php",
    paths={"php": "/hello.php", "php-page": "/page.php"},
    plan=_plan,
    role_of=name_and_rank,
    packages=("nginx-light", "php-fpm", "php-cgi"),
)
