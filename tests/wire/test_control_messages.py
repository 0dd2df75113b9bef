"""Messages between the service and its children."""

from __future__ import annotations

import msgspec
import pytest

from host.wire import cache_messages, control_messages, handed_messages, listening_messages, pool_messages
from host.wire.control_messages import (
    AnyMessage,
    Configure,
    Demand,
    Event,
    Pong,
    Requests,
    decode_message,
    encode_message,
)
from host.wire.errors import WireError
from host.wire.message import Message
from host.wire.message_rows import RequestRow

ROW = RequestRow(
    request_id="1-2",
    connection_id=1,
    verb="GET",
    url="/",
    site_id=1,
    host_name="a",
    client_ip_address="10.0.0.1",
    local_port=80,
    time_elapsed=5,
    pipeline_state="Queued",
    worker="",
    queue="A",
)


@pytest.mark.parametrize(
    "message",
    [
        Demand(queue="A", waiting=3),
        Event(id="x", text="y", fields={"a": "b"}),
        Configure(version=1, path="/x", text=b"<a/>\xff"),
        Pong(number=1, idle_seconds=0.5),
        Requests(number=1, rows=[ROW], connections=2),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_survives_the_wire(message: AnyMessage) -> None:
    """Types, bytes, nested rows."""
    assert decode_message(encode_message(message)) == message


def test_every_message_type_can_be_said() -> None:
    """A type that is missing in AnyMessage could be sent and never understood."""
    rooms = (control_messages, cache_messages, handed_messages, listening_messages, pool_messages)
    said = [one for module in rooms for one in vars(module).values()]
    types = {item for item in said if isinstance(item, type) and issubclass(item, Message)}
    assert types - {Message} == set(AnyMessage.__args__)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"\x80",
        b"text",
        msgspec.msgpack.encode({"type": "Unheard", "a": 1}),
        msgspec.msgpack.encode({"type": "Demand", "queue": "A"}),
        msgspec.msgpack.encode({"type": "Demand", "queue": 7, "waiting": 1}),
        msgspec.msgpack.encode({"type": "Demand", "queue": "A", "waiting": 1, "more": 2}),
        encode_message(Demand(queue="A", waiting=1)) + b"\0",
        encode_message(Demand(queue="A", waiting=1))[:-1],
    ],
)
def test_anything_else_is_a_wire_error(raw: bytes) -> None:
    """Unknown, incomplete, of wrong type, with more than it should have: never an object of ours."""
    with pytest.raises(WireError):
        decode_message(raw)
