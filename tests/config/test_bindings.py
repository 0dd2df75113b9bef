"""bindingInformation that is one. (What is none: data/server_errors.txt.)"""

from __future__ import annotations

import pytest

from host.config.bindings import parse_binding


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
