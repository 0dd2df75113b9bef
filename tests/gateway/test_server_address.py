"""Addresses of servers that somebody else runs."""

from __future__ import annotations

import pytest

from host.gateway.server_address import ServerAddress, is_address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/php/php-fpm.sock", ServerAddress(path="/run/php/php-fpm.sock")),
        ("unix:///run/a b.sock", ServerAddress(path="/run/a b.sock")),
        ("tcp://127.0.0.1:9000", ServerAddress(host="127.0.0.1", port=9000)),
        ("tcp://[::1]:9000/", ServerAddress(host="::1", port=9000)),
        ("tcp://php.example.org:1", ServerAddress(host="php.example.org", port=1)),
    ],
)
def test_addresses(text: str, address: ServerAddress) -> None:
    """Sockets by their path, hosts by name and number."""
    assert is_address(text)
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["unix:", "unix:relative.sock", "tcp://127.0.0.1", "tcp://a:0", "tcp://a:65536", "tcp:a:1", "tcp://a b:1"]
)
def test_what_is_none_is_refused_with_the_form(text: str) -> None:
    """The message shows how it is written."""
    with pytest.raises(ValueError, match=r"unix:/run/NAME\.sock|tcp://127\.0\.0\.1:9000"):
        parse_address(text)


def test_a_program_is_no_address() -> None:
    """Everything else is started."""
    assert not is_address("/usr/bin/php-cgi|-c /etc/php.ini")
