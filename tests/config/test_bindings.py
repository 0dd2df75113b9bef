"""bindingInformation that is one. (What is none: data/server_errors.txt.)"""

from __future__ import annotations

import pytest

from host.config.bindings import parse_binding, socket_mode
from host.config.errors import ValueProblem


@pytest.mark.parametrize(
    ("information", "ip", "port", "host", "endpoint"),
    [
        ("*:80:", "", 80, "", "*:80"),
        (":8080:", "", 8080, "", "*:8080"),
        ("127.0.0.1:1:WWW.Example.org", "127.0.0.1", 1, "www.example.org", "127.0.0.1:1"),
        ("[::1]:8080:", "[::1]", 8080, "", "[::1]:8080"),
        ("[0:0::1]:65535:", "[::1]", 65535, "", "[::1]:65535"),
        ("*:80:*.example.org", "", 80, "*.example.org", "*:80"),
        ("*:80:*", "", 80, "", "*:80"),
        ("*:80:käse.example", "", 80, "xn--kse-qla.example", "*:80"),
        ("*:80:my_host", "", 80, "my_host", "*:80"),
    ],
)
def test_forms_of_a_binding(information: str, ip: str, port: int, host: str, endpoint: str) -> None:
    """Addresses are kept in their shortest form, host names in lower case as DNS knows them."""
    binding = parse_binding("HTTP", information)
    assert (binding.protocol, binding.ip, binding.port, binding.host) == ("http", ip, port, host)
    assert binding.endpoint == endpoint


def test_a_unix_socket_is_named_by_its_path() -> None:
    """`unix:/path:host`, ours; two sites may share one by host name."""
    binding = parse_binding("http", "unix:/run/isapy/../www.sock:Shop.example")
    assert (binding.path, binding.host, binding.endpoint) == ("/run/www.sock", "shop.example", "unix:/run/www.sock")
    assert binding.claim == ("unix:/run/www.sock", 0, "shop.example")


@pytest.mark.parametrize(
    ("information", "problem"),
    [
        ("unix:run/www.sock:", "not the path of a unix socket"),
        ("unix::", "not the path of a unix socket"),
        ("unix:/run/:", "not the path of a unix socket"),
        (f"unix:/{'x' * 107}:", "too long"),
        ("unix:/run/www.sock", "is not unix:PATH:HOST"),
    ],
)
def test_what_is_no_path_of_a_unix_socket_is_refused(information: str, problem: str) -> None:
    """The kernel's limit of 107 bytes included."""
    with pytest.raises(ValueProblem, match=problem):
        parse_binding("http", information)


def test_permissions_are_octal_digits() -> None:
    """As chmod takes them."""
    assert (socket_mode("660"), socket_mode("0600")) == (0o660, 0o600)
    for text in ("", "rw", "8", "888", "7777"):
        with pytest.raises(ValueProblem, match="is not a mode"):
            socket_mode(text)
