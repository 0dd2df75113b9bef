"""Where a server that somebody else runs listens: `unix:/run/php/php-fpm.sock` or `tcp://127.0.0.1:9000`."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_TCP: Final = re.compile(r"tcp://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})/?")


class ServerAddress(NamedTuple):
    """A unix socket's path, or a host (name or address, without brackets) and a port."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        """As it is written in a configuration."""
        if self.path:
            return f"unix:{self.path}"
        return f"tcp://[{self.host}]:{self.port}" if ":" in self.host else f"tcp://{self.host}:{self.port}"


def is_address(text: str) -> bool:
    """Whether a scriptProcessor names a server and not a program."""
    return text.startswith(("unix:", "tcp:"))


def parse_address(text: str) -> ServerAddress:
    """Raises ValueError with what is wrong."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        path = "/" + path.lstrip("/") if path.startswith("//") else path
        if not path.startswith("/") or "\0" in path:
            raise ValueError(f"{text} names no absolute path of a socket: unix:/run/NAME.sock")
        return ServerAddress(path=path)
    found = _TCP.fullmatch(text)
    if found is None or not 0 < int(found[2]) < 65536:
        raise ValueError(f"{text} names no host and port: tcp://127.0.0.1:9000")
    return ServerAddress(host=found[1].strip("[]"), port=int(found[2]))
