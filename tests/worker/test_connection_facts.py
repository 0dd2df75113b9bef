"""The client's connection, from the bytes by which REQUEST frames name it and back."""

from __future__ import annotations

import dataclasses

import pytest

from host.api import ClientCertificate, Connection, Tls
from host.worker.connection_facts import connection_of, facts_of

FACTS = b"192.0.2.1\x0050000\x0010.0.0.1\x0080\x0012"
CLIENT = ClientCertificate("CN=alice", "CN=authority", "0A", b"\x30\x00")
TLS = Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, 2048, "CN=shop", "CN=authority", CLIENT)


def test_every_field_of_a_connection_is_there() -> None:
    """They are set one by one: one that is forgotten would be missing only where a plugin asks for it."""
    made = connection_of(FACTS, is_secure=False)
    values = {field.name: getattr(made, field.name) for field in dataclasses.fields(Connection)}
    assert values == {
        "remote_address": "192.0.2.1",
        "remote_port": 50000,
        "local_address": "10.0.0.1",
        "local_port": 80,
        "number": 12,
        "is_secure": False,
        "tls": None,
        "state": {},
    }
    assert made == Connection("192.0.2.1", 50000, "10.0.0.1", 80, 12)
    assert hash(made) == hash(Connection("192.0.2.1", 50000, "10.0.0.1", 80, 12))


def test_each_connection_has_its_own_place_for_plugins() -> None:
    """Also one of the same facts; and what the front says of it cannot be changed."""
    one, two = connection_of(FACTS, is_secure=False), connection_of(FACTS, is_secure=False)
    one.state["seen"] = True
    assert two.state == {}
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.number = 13  # type: ignore[misc]


@pytest.mark.parametrize("tls", [None, TLS, dataclasses.replace(TLS, client_certificate=None)])
def test_what_is_said_of_a_connection_is_understood(tls: Tls | None) -> None:
    """With TLS and a client's certificate, or without."""
    connection = Connection("::1", 1, "::1", 443, 7, tls is not None, tls)
    assert connection_of(facts_of(connection), is_secure=tls is not None) == connection


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"192.0.2.1\x0050000\x0010.0.0.1\x0080",
        b"192.0.2.1\x00port\x0010.0.0.1\x0080\x0012",
        b"192.0.2.1\x0050000\x0010.0.0.1\x0080\x00",
        FACTS + b"\0",
        FACTS + b"\0TLSv1.3\0cipher\0many\x002048\0\0\0\0\0\0",
    ],
)
def test_what_names_no_connection_is_refused(raw: bytes) -> None:
    """Too little, too much, or no numbers: the link that says so is closed for it."""
    with pytest.raises(ValueError, match=r"connection|invalid literal|unpack"):
        connection_of(raw, is_secure=False)
