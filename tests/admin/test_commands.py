"""Commands and replies as bytes."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from host.admin.commands import (
    COMMAND_LIMIT,
    LENGTH,
    Command,
    Done,
    Failed,
    GetStatus,
    ListRequests,
    MessageError,
    PoolRow,
    Pools,
    ProcessRow,
    Progress,
    RecyclePool,
    Reply,
    RequestRow,
    Status,
    decode_command,
    decode_reply,
    described,
    encode,
    message_length,
)


@pytest.mark.parametrize("kind", get_args(Command), ids=lambda kind: kind.__name__)
def test_every_command_survives_the_wire(kind: type[Command]) -> None:
    """What is sent is what arrives."""
    known = {"name": "Shop Pool ü", "token": "a-token"}
    values = {name: value for name, value in known.items() if name in kind.__struct_fields__}
    command = msgspec.convert({"type": kind.__name__, **values}, kind)
    raw_message = encode(command)
    assert LENGTH.unpack(raw_message[: LENGTH.size])[0] == len(raw_message) - LENGTH.size
    assert decode_command(raw_message[LENGTH.size :]) == command


@pytest.mark.parametrize(
    "reply",
    [
        Done(text="recycled"),
        Progress(text="waiting for GET /"),
        Failed(message="no such pool", remedy="isapy list pools"),
        Pools(rows=[PoolRow(name="Shop", state="Started", workers=2)]),
        Status(
            version="0.1.0",
            pid=1,
            config_path="/x",
            isolation_mode="IIS5",
            started_at=1.5,
            urls=["http://localhost:8080/"],
            processes=[ProcessRow(pid=2, title="inetinfo")],
        ),
    ],
    ids=lambda reply: type(reply).__name__,
)
def test_replies_survive_the_wire(reply: Reply) -> None:
    """Rows keep their types."""
    assert decode_reply(encode(reply)[LENGTH.size :]) == reply


@pytest.mark.parametrize(
    "raw_message",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode({"type": "FormatDisk"}),
        msgspec.msgpack.encode({"type": "RecyclePool"}),
        msgspec.msgpack.encode({"type": "RecyclePool", "name": 5}),
        msgspec.msgpack.encode({"type": "GetStatus", "extra": 1}),
        encode(Done(text="x"))[LENGTH.size :],
    ],
)
def test_what_is_no_command_is_refused(raw_message: bytes) -> None:
    """Unknown, incomplete, mistyped and misplaced messages are a MessageError, nothing else."""
    with pytest.raises(MessageError, match="not a command"):
        decode_command(raw_message)


def test_a_command_is_no_reply() -> None:
    """The two directions do not mix."""
    with pytest.raises(MessageError, match="not a reply"):
        decode_reply(encode(RecyclePool(name="x"))[LENGTH.size :])


def test_length_has_a_limit() -> None:
    """Nobody makes the service allocate gigabytes."""
    assert message_length(LENGTH.pack(COMMAND_LIMIT), COMMAND_LIMIT) == COMMAND_LIMIT
    with pytest.raises(MessageError, match="the limit is 65536"):
        message_length(LENGTH.pack(COMMAND_LIMIT + 1), COMMAND_LIMIT)


def test_a_row_with_a_field_of_a_later_version_is_read() -> None:
    """Old callers understand a newer service's rows."""
    raw_message = msgspec.msgpack.encode(
        {"type": "Pools", "rows": [{"name": "Shop", "state": "Started", "colour": "blue"}]}
    )
    assert decode_reply(raw_message) == Pools(rows=[PoolRow(name="Shop", state="Started")])


def test_commands_are_frozen() -> None:
    """A command is a value."""
    with pytest.raises(AttributeError):
        ListRequests().time_elapsed_filter = 5  # type: ignore[misc]
    assert GetStatus() == GetStatus()


def request_row(url: str, milliseconds: int) -> RequestRow:
    return RequestRow(
        request_id="r",
        connection_id=1,
        verb="GET",
        url=url,
        site_id=1,
        host_name="h",
        client_ip_address="10.0.0.7",
        local_port=80,
        time_elapsed=milliseconds,
        pipeline_state="Queued",
        worker="",
        queue="P",
    )


def test_a_few_requests_in_words() -> None:
    """Three are named, the rest is counted."""
    rows = [request_row(f"/{number}", 1000 * number + 999) for number in range(5)]
    assert described(rows[:1]) == "GET /0 of 10.0.0.7 (0 s)"
    assert described(rows[:3]).count("GET") == 3
    assert described(rows) == (
        "GET /0 of 10.0.0.7 (0 s), GET /1 of 10.0.0.7 (1 s), GET /2 of 10.0.0.7 (2 s) and 2 more"
    )
