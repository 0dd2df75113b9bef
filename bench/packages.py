"""Which Debian packages are missing on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where servers are looked for: a user's PATH often leaves out sbin."""

_EVIDENCE: Final = {
    "nginx-light": "nginx",
    "apache2": "apache2",
    "lighttpd": "lighttpd",
    "varnish": "varnishd",
    "uwsgi-core": "uwsgi",
    "uwsgi-plugin-python3": "/usr/lib/uwsgi/plugins/python3_plugin.so",
    "fcgiwrap": "fcgiwrap",
    "libcgi-pm-perl": "/usr/share/perl5/CGI.pm",
    "gunicorn": "gunicorn",
    "php-cgi": "php-cgi",
    "php-fpm": "/etc/php",
    "python3-uvicorn": "/usr/lib/python3/dist-packages/uvicorn/__init__.py",
    "wrk": "wrk",
    "slowhttptest": "slowhttptest",
    "gcc": "gcc",
    "libc6-dev": "/usr/include/stdio.h",
}


def missing_packages(wanted: Iterable[str]) -> list[str]:
    """Those of the `wanted` packages that are not installed, sorted and once each."""
    return sorted({package for package in wanted if not _is_installed(package)})


def install_command(packages: Iterable[str]) -> str:
    """The line to type for them."""
    return "apt-get install -y --no-install-recommends " + " ".join(packages)


def program(name: str) -> str:
    """Absolute path of an installed program. Raises FileNotFoundError."""
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed")
    return found


def _is_installed(package: str) -> bool:
    evidence = _EVIDENCE[package]
    return Path(evidence).exists() if evidence.startswith("/") else bool(shutil.which(evidence, path=SEARCH_PATH))
