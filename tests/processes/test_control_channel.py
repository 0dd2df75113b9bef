"""The control channel carries messages of any size with their descriptors, and notices the end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

import pytest
import uvloop

from host.processes.control_channel import ControlChannel, channel_pair
from host.wire.control_messages import AnyMessage, AttachLink, Configure, Hello, Ping
from host.wire.errors import WireError


def test_messages_arrive_in_order_with_their_descriptors() -> None:
    """A descriptor that arrives is a new one of the same file."""
    left, right = (ControlChannel(end) for end in channel_pair())
    read_end, write_end = os.pipe()
    left.send(Ping(number=1))
    left.send(AttachLink(), [write_end])
    (first, none), (second, descriptors) = right.receive()
    assert (first, none) == (Ping(number=1), [])
    assert second == AttachLink()
    os.write(descriptors[0], b"here")
    assert os.read(read_end, 10) == b"here"
    assert not os.get_inheritable(descriptors[0])
    for descriptor in (read_end, write_end, *descriptors):
        os.close(descriptor)
    left.close()
    right.close()


def test_a_message_larger_than_a_packet_travels_in_memory() -> None:
    """A configuration of several megabytes arrives whole, and no descriptor is left over."""
    left, right = (ControlChannel(end) for end in channel_pair())
    message = Configure(version=3, path="/a", text=bytes(range(256)) * 20_000)
    left.send(message)
    ((received, descriptors),) = right.receive()
    assert received == message
    assert descriptors == []
    left.close()
    right.close()


def test_the_end_of_the_peer_is_an_eof_after_what_it_said() -> None:
    """Nothing that was said before the end is lost."""
    left, right = (ControlChannel(end) for end in channel_pair())
    left.send(Ping(number=7))
    left.close()
    assert [message for message, _ in right.receive()] == [Ping(number=7)]
    with pytest.raises(EOFError):
        right.receive()
    right.close()


def test_a_peer_that_ends_with_our_words_unread_is_heard_all_the_same() -> None:
    """A process that dies has rarely read everything; its last words are what tells why."""
    left, right = (ControlChannel(end) for end in channel_pair())
    right.send(Ping(number=1))
    left.send(Ping(number=7))
    left.send(Ping(number=8))
    left.close()
    assert [message for message, _ in right.receive()] == [Ping(number=7), Ping(number=8)]
    with pytest.raises(EOFError):
        right.receive()
    right.close()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_loop_hears_last_words_and_the_end_of_such_a_peer(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """uvloop calls once for a socket with an error, and watches it no more."""

    async def scenario() -> list[object]:
        loop = asyncio.get_running_loop()
        left, right = (ControlChannel(end) for end in channel_pair())
        heard: list[object] = []
        is_over = asyncio.Event()

        def ended(why: str) -> None:
            heard.append(why)
            is_over.set()

        right.send(Ping(number=1))
        left.send(Ping(number=7))
        left.close()
        right.attach(loop, lambda message, _descriptors: heard.append(message), ended)
        await asyncio.wait_for(is_over.wait(), 30)
        return heard

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(scenario()) == [Ping(number=7), ""]


def test_what_several_threads_say_arrives_once_and_in_the_order_of_each() -> None:
    """More than the socket takes, while the loop sends, too."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        left, right = (ControlChannel(end) for end in channel_pair())
        left.attach(loop, lambda _message, _descriptors: None, lambda _why: None)
        text = "x" * 20_000
        heard: list[tuple[int, int]] = []
        complete = loop.create_future()

        def say(speaker: int) -> None:
            for number in range(50):
                left.send_by(loop, Hello(role=text, pid=speaker, protocol=number))

        def listen(message: AnyMessage, _descriptors: list[int]) -> None:
            assert isinstance(message, Hello)
            heard.append((message.pid, message.protocol))
            if len(heard) == 250:
                complete.set_result(None)

        speaking = [loop.run_in_executor(None, say, speaker) for speaker in range(4)]
        say(4)
        right.attach(loop, listen, lambda _why: None)
        await asyncio.wait_for(complete, 60)
        await asyncio.gather(*speaking)
        for speaker in range(5):
            assert [number for who, number in heard if who == speaker] == list(range(50))
        left.close()
        right.close()

    asyncio.run(scenario())


def test_what_is_said_behind_the_end_of_the_loop_is_said_in_vain() -> None:
    """By a thread that is late."""
    left, right = (ControlChannel(end) for end in channel_pair())
    loop = asyncio.new_event_loop()
    loop.close()
    left.send_by(loop, Ping(number=1))
    left.close()
    with pytest.raises(EOFError):
        right.receive()
    right.close()


def test_garbage_is_a_wire_error() -> None:
    """A peer that says anything else has broken the dialogue."""
    raw, end = channel_pair()
    channel = ControlChannel(end)
    raw.send(b"X what?")
    with pytest.raises(WireError):
        channel.receive()
    raw.close()
    channel.close()


def test_a_full_socket_delays_and_never_blocks() -> None:
    """A loop goes on while the peer does not read; later everything arrives, in order."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        left, right = (ControlChannel(end) for end in channel_pair())
        left.attach(loop, lambda _message, _descriptors: None, lambda _why: None)
        text = "x" * 50_000
        for number in range(200):
            left.send(Hello(role=text, pid=number, protocol=1))
        received: list[int] = []
        complete = loop.create_future()

        def heard(message: AnyMessage, _descriptors: list[int]) -> None:
            assert isinstance(message, Hello)
            received.append(message.pid)
            if len(received) == 200:
                complete.set_result(None)

        right.attach(loop, heard, lambda _why: None)
        await asyncio.wait_for(complete, 60)
        assert received == list(range(200))
        left.close()
        right.close()

    asyncio.run(scenario())


def test_the_loop_hears_of_the_end_once() -> None:
    """on_closed comes once, with an empty reason for a plain end."""

    async def scenario() -> list[str]:
        loop = asyncio.get_running_loop()
        left, right = (ControlChannel(end) for end in channel_pair())
        reasons: list[str] = []
        ended = asyncio.Event()

        def closed(why: str) -> None:
            reasons.append(why)
            ended.set()

        right.attach(loop, lambda _message, _descriptors: None, closed)
        left.close()
        await asyncio.wait_for(ended.wait(), 60)
        assert right.is_closed
        return reasons

    assert asyncio.run(scenario()) == [""]


def test_waiting_for_the_first_word_refuses_another_word() -> None:
    """The first message of a dialogue must be the one that is due."""
    left, right = (ControlChannel(end) for end in channel_pair())
    left.send(Ping(number=1))
    with pytest.raises(WireError, match="Ping came where Configure is due"):
        right.wait_for(Configure)
    left.close()
    right.close()


def test_a_packet_without_its_memory_is_a_wire_error() -> None:
    """`M` promises a descriptor."""
    raw, end = channel_pair()
    channel = ControlChannel(end)
    socket.send_fds(raw, [b"M"], [])
    with pytest.raises(WireError):
        channel.receive()
    raw.close()
    channel.close()
