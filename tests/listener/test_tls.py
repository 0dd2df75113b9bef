"""TLS of the listener: names and certificates, clients' certificates, files, goodbyes, and clients that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from host.config.certificates import read_certificate
from host.config.listener_settings import ListenerSettings
from host.config.tls_settings import BindingTls, Hsts
from host.wire.certificate_messages import CertificateItem
from host.wire.codec import decode_request, encode
from host.wire.frames import LEAST_HELD, Kind, RequestFlag, RequestFrame
from host.worker.connection_facts import connection_of, facts_of
from tests.listener.running_listener import WAIT_SECONDS, RunningListener, TestWorker
from tests.tls import Pair, authority, client_context, client_pair, connect, server_pair

Start = Callable[..., RunningListener]


def settings(pair: Pair, *, sni: bool = False, clients: Pair | None = None) -> BindingTls:
    authorities = str(clients.certificate) if clients is not None else ""
    return BindingTls(
        certificate_file=str(pair.certificate),
        key_file=str(pair.key),
        client_authorities_file=authorities,
        uses_sni=sni,
    )


def item(tls: BindingTls) -> CertificateItem:
    one = read_certificate(tls)
    return CertificateItem(
        name=one.name,
        certificate=one.certificate,
        key=one.key,
        client_authorities=one.client_authorities,
        subject=one.subject,
        issuer=one.issuer,
        key_bits=one.key_bits,
    )


def begin(start: Start, default: BindingTls, named: BindingTls | None = None, **sizes: object) -> RunningListener:
    """A listener whose default site has the one certificate, and named.example the other."""
    tls = {"127.0.0.1": default} | ({"named.example": named} if named is not None else {})
    front = start(tls=tls, **sizes)
    front.run(lambda: front.listener.set_certificates([item(one) for one in tls.values()]))
    return front


def next_request(worker: TestWorker) -> tuple[int, RequestFrame]:
    """The next request; connections that have ended meanwhile are passed over."""
    while True:
        kind, number, body = worker.next_frame()
        if kind is Kind.REQUEST:
            return number, decode_request(body)
        assert kind is Kind.SESSION_END, kind


def ask(connection: ssl.SSLSocket, worker: TestWorker, host: str = "127.0.0.1") -> bytes:
    """One request and its answer's head and body of five bytes; the connection stays."""
    connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    worker.answer(next_request(worker)[0])
    received = b""
    while not received.endswith(b"\r\n\r\nhello"):
        piece = connection.recv(65536)
        assert piece, received
        received += piece
    return received


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_request_over_tls_says_so_in_its_frame(start: Start, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Protocol and cipher reach the worker; the connection is kept."""
    pair = server_pair(tmp_path, "localhost")
    front = begin(start, settings(pair))
    worker = front.worker()
    context = client_context(pair)
    context.minimum_version = context.maximum_version = version
    with connect(front.port, context) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        number, frame = next_request(worker)
        assert frame.flags & RequestFlag.SECURE
        tls = connection_of(frame.connection, is_secure=True).tls
        assert tls is not None
        assert (tls.protocol, tls.cipher) == (connection.version(), (connection.cipher() or ("",))[0])
        assert (tls.server_subject, tls.server_issuer, tls.server_key_bits) == ("CN=localhost", "CN=localhost", 256)
        assert tls.client_certificate is None
        worker.answer(number)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        ask(connection, worker)


def handshake_of_openssl(port: int, *arguments: str) -> bool:
    """Whether openssl's client gets through."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *arguments]
    ended = subprocess.run(command, input=b"", capture_output=True, timeout=WAIT_SECONDS, check=False)
    return b"Cipher is (NONE)" not in ended.stdout and ended.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "is_served"),
    [
        (("-tls1_3",), True),
        (("-tls1_2",), True),
        (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), False),
        (("-tls1_2", "-cipher", "AES128-SHA256:AES256-GCM-SHA384"), False),  # no forward secrecy
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA"), False),  # CBC
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"), True),
    ],
)
def test_old_protocols_and_weak_ciphers_are_refused(
    start: Start, tmp_path: Path, arguments: tuple[str, ...], is_served: bool
) -> None:
    """TLS 1.2 is the floor; ciphers have forward secrecy and are authenticated."""
    front = begin(start, settings(server_pair(tmp_path, "localhost")))
    assert handshake_of_openssl(front.port, *arguments) is is_served


def test_the_name_that_a_client_gives_chooses_the_certificate(start: Start, tmp_path: Path) -> None:
    """SNI; without a name, or with one that nobody has, the address's own."""
    default, named = server_pair(tmp_path, "localhost", "other.example"), server_pair(tmp_path, "named.example")
    front = begin(start, settings(default), settings(named, sni=True))
    worker = front.worker()
    for name, pair in (("localhost", default), ("named.example", named), ("other.example", default)):
        with connect(front.port, client_context(pair), name) as connection:
            host = "named.example" if pair is named else "127.0.0.1"
            assert b"hello" in ask(connection, worker, host)


def test_a_new_certificate_is_shown_from_the_next_handshake_on(start: Start, tmp_path: Path) -> None:
    """Connections that are open go on."""
    tls = settings(server_pair(tmp_path, "localhost"))
    front = begin(start, tls)
    worker = front.worker()
    with connect(front.port, client_context(None)) as old:
        first = old.getpeercert(binary_form=True)
        server_pair(tmp_path, "localhost")
        renewed = item(tls)
        front.run(lambda: front.listener.set_certificates([renewed]))
        with connect(front.port, client_context(None)) as new:
            assert new.getpeercert(binary_form=True) not in (first, None)
            ask(new, worker)
        ask(old, worker)


def test_a_client_certificate_reaches_the_worker(start: Start, tmp_path: Path) -> None:
    """Subject, issuer, serial number and the certificate itself; a client without one is served, too."""
    clients = authority(tmp_path)
    alice = client_pair(tmp_path, clients)
    front = begin(start, settings(server_pair(tmp_path, "localhost"), clients=clients))
    worker = front.worker()
    for own in (alice, None):
        with connect(front.port, client_context(None, own)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            number, frame = next_request(worker)
            told = connection_of(frame.connection, is_secure=True)
            assert facts_of(told) == frame.connection
            assert told.tls is not None
            shown = told.tls.client_certificate
            if own is None:
                assert shown is None
            else:
                assert shown is not None
                assert (shown.subject, shown.issuer) == ("C=DE, O=Example, CN=alice", "CN=Authority")
                assert shown.der == ssl.PEM_cert_to_DER_cert(alice.certificate.read_text())
                assert int(shown.serial_number, 16) > 0
            worker.answer(number)


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("eve, O=Admins", '"eve, O=Admins"'),
        ('eve", O="Admins', '"eve"", O=""Admins"'),
        ("Eve M. O'Example", "Eve M. O'Example"),
        (" eve", '" eve"'),
    ],
)
def test_a_common_name_cannot_look_like_more(start: Start, tmp_path: Path, name: str, spelled: str) -> None:
    """Whoever may choose a name for a certificate would be in another organization for a program that reads it."""
    clients = authority(tmp_path)
    front = begin(start, settings(server_pair(tmp_path, "localhost"), clients=clients))
    worker = front.worker()
    with connect(front.port, client_context(None, client_pair(tmp_path, clients, name))) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        number, frame = next_request(worker)
        told = connection_of(frame.connection, is_secure=True)
        assert told.tls is not None
        assert told.tls.client_certificate is not None
        assert told.tls.client_certificate.subject == f"C=DE, O=Example, CN={spelled}"
        worker.answer(number)


def test_a_client_certificate_outlives_a_renewal_of_the_server_s(start: Start, tmp_path: Path) -> None:
    """Connections that are open stay who they are: one that has asked before, and one that asks for the first time."""
    clients = authority(tmp_path)
    context = client_context(None, client_pair(tmp_path, clients))
    tls = settings(server_pair(tmp_path, "localhost"), clients=clients)
    front = begin(start, tls)
    worker = front.worker()
    with connect(front.port, context) as used, connect(front.port, context) as unused:
        ask(used, worker)
        front.settle()  # the second handshake is done here, too
        server_pair(tmp_path, "localhost")
        renewed = item(tls)
        front.run(lambda: front.listener.set_certificates([renewed]))
        for connection in (used, unused):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            number, frame = next_request(worker)
            told = connection_of(frame.connection, is_secure=True).tls
            assert told is not None
            assert told.client_certificate is not None
            worker.answer(number)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_certificate_of_a_stranger_ends_the_handshake(start: Start, tmp_path: Path) -> None:
    """Nobody believes its authority; no request arrives."""
    front = begin(start, settings(server_pair(tmp_path, "localhost"), clients=authority(tmp_path)))
    worker = front.worker()
    mallory = client_pair(tmp_path, authority(tmp_path, "Strange"), "mallory")
    try:
        with connect(front.port, client_context(None, mallory)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = connection.recv(1)
    except OSError:
        answer = b""  # the alert came in time
    assert answer == b""
    assert worker.has_nothing_to_do()


def test_a_certificate_means_nothing_to_another_site_of_the_connection(start: Start, tmp_path: Path) -> None:
    """421: whoever has shown it under one name does not come in under another, whose authority never saw it."""
    clients = authority(tmp_path)
    alice = client_pair(tmp_path, clients)
    default, named = server_pair(tmp_path, "localhost"), server_pair(tmp_path, "named.example")
    front = begin(start, settings(default, clients=clients), settings(named, sni=True))
    front.worker()
    with connect(front.port, client_context(None, alice)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: named.example\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 421 ")
    assert front.log.next_refusal().reason == "Hostname"


def session_of(front: RunningListener, context: ssl.SSLContext, worker: TestWorker) -> ssl.SSLSession:
    """What a client needs to go on as who it is in another connection."""
    with connect(front.port, context) as connection:
        ask(connection, worker)  # the tickets of TLS 1.3 come before the answer
        assert connection.session is not None
        return connection.session


def answer_to_resumed(front: RunningListener, context: ssl.SSLContext, session: ssl.SSLSession, name: str) -> bytes:
    """What a request for `name` is answered that goes on with that session; empty: the handshake fails."""
    try:
        with connect(front.port, context, name, session=session) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            return connection.recv(65536)
    except TimeoutError:  # a worker was asked
        raise
    except OSError:
        return b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_of_one_site_is_none_of_another_with_other_authorities(
    start: Start, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """CVE-2025-23419: the certificate that a resumed session brings along was never shown to the other's authority."""
    clients, others = authority(tmp_path), authority(tmp_path, "Others")
    context = client_context(None, client_pair(tmp_path, clients))
    context.maximum_version = version
    default, named = server_pair(tmp_path, "localhost"), server_pair(tmp_path, "named.example")
    front = begin(start, settings(default, clients=clients), settings(named, sni=True, clients=others))
    worker = front.worker()
    session = session_of(front, context, worker)
    assert answer_to_resumed(front, context, session, "named.example")[:13] in (b"", b"HTTP/1.1 421 ")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_ends_with_the_authorities_that_believed_its_client(
    start: Start, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """One authority alone: sessions go on, also over a renewal of the server's certificate, until it is another one."""
    clients = authority(tmp_path)
    context = client_context(None, client_pair(tmp_path, clients))
    context.maximum_version = version
    tls = settings(server_pair(tmp_path, "localhost"), clients=clients)
    front = begin(start, tls)
    worker = front.worker()
    session = session_of(front, context, worker)
    server_pair(tmp_path, "localhost")
    renewed = item(tls)
    front.run(lambda: front.listener.set_certificates([renewed]))
    with connect(front.port, context, session=session) as connection:
        assert connection.session_reused
        ask(connection, worker)
    clients.certificate.write_bytes(authority(tmp_path, "Others").certificate.read_bytes())
    changed = item(tls)
    front.run(lambda: front.listener.set_certificates([changed]))
    front.settle()
    assert answer_to_resumed(front, context, session, "localhost") == b""


def test_a_large_file_goes_out_encrypted_and_whole(start: Start, tmp_path: Path) -> None:
    """Piece by piece as the client takes it."""
    front = begin(start, settings(server_pair(tmp_path, "localhost")))
    worker = front.worker()
    content = os.urandom(5_000_000)
    (tmp_path / "file").write_bytes(content)
    with connect(front.port, client_context(None)) as connection, (tmp_path / "file").open("rb") as file:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        number, _ = next_request(worker)
        worker.begin(number, b"", head=b"200 OK\r\nContent-Length: 5000000\r\n")
        worker.send_file(number, 0, file.fileno())
        worker.file(number, 0, 0, len(content))
        worker.end(number)
        received = b""
        while not received.partition(b"\r\n\r\n")[2].endswith(content[-1000:]):
            piece = connection.recv(65536)
            assert piece, len(received)
            received += piece
        assert received.partition(b"\r\n\r\n")[2] == content
        ask(connection, worker)


def test_a_closing_answer_ends_with_a_goodbye(start: Start, tmp_path: Path) -> None:
    """close_notify: the client knows that nothing was cut off."""
    front = begin(start, settings(server_pair(tmp_path, "localhost")))
    worker = front.worker()
    context = client_context(None)
    with connect(front.port, context, hears_goodbyes=True) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        worker.answer(next_request(worker)[0])
        while connection.recv(65536):
            pass


def test_strangers_to_tls_cost_nothing(start: Start, tmp_path: Path) -> None:
    """Plain HTTP, noise, a client that says nothing and leaves: each ends, and the next one is served."""
    pair = server_pair(tmp_path, "localhost")
    front = begin(start, settings(pair))
    worker = front.worker()
    for noise in (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 300, b""):
        with socket.create_connection(("127.0.0.1", front.port), timeout=WAIT_SECONDS) as stranger:
            stranger.sendall(noise)
            if noise:
                while stranger.recv(65536):
                    pass
    with connect(front.port, client_context(pair)) as connection:
        ask(connection, worker)


def test_who_has_not_shaken_hands_yet_counts_as_a_connection(start: Start, tmp_path: Path) -> None:
    """One more than maxConnections is closed unheard, also where nobody has said a word; who leaves makes room."""
    one_alone = ListenerSettings(max_connections=1)
    front = begin(start, settings(server_pair(tmp_path, "localhost")), listener=one_alone)
    worker = front.worker()
    with socket.create_connection(("127.0.0.1", front.port), timeout=WAIT_SECONDS) as silent:
        front.settle()
        second = socket.create_connection(("127.0.0.1", front.port), timeout=WAIT_SECONDS)
        with second, contextlib.suppress(ConnectionResetError):
            assert second.recv(1) == b""
        refusal = front.log.next_refusal()
        assert (refusal.reason, refusal.client_ip) == ("Connections_Refused", "127.0.0.1")
        with client_context(None).wrap_socket(silent, server_hostname="localhost") as connection:
            ask(connection, worker)  # the place was its own
    front.settle()
    with connect(front.port, client_context(None)) as connection:
        ask(connection, worker)


def test_a_drain_waits_for_no_handshake(start: Start, tmp_path: Path) -> None:
    """Whoever has connected and says nothing is let go of."""
    front = begin(start, settings(server_pair(tmp_path, "localhost")))
    with socket.create_connection(("127.0.0.1", front.port), timeout=WAIT_SECONDS) as silent:
        front.settle()
        front.drain(0.0)
        assert silent.recv(1) == b""


def test_a_replaced_listener_serves_whose_handshake_is_under_way(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was accepted before the drain; as an idle connection, it has patience for one request."""
    monkeypatch.setattr("host.listener.server._SETTLE_SECONDS", 0.0)
    front = begin(start, settings(server_pair(tmp_path, "localhost")))
    worker = front.worker()
    with socket.create_connection(("127.0.0.1", front.port), timeout=WAIT_SECONDS) as silent:
        front.settle()
        drained = asyncio.run_coroutine_threadsafe(front.listener.drain(WAIT_SECONDS, WAIT_SECONDS), front.loop)
        front.settle()
        with client_context(None).wrap_socket(silent, server_hostname="localhost") as connection:
            ask(connection, worker)
    drained.result(WAIT_SECONDS)


def test_an_address_can_begin_to_speak_tls_and_stop(start: Start, tmp_path: Path) -> None:
    """A changed configuration serves the same socket anew; no connection is refused."""
    front = start()
    worker = front.worker()
    plain = front.client()
    plain.get()
    worker.answer(next_request(worker)[0])
    assert plain.read_response()[0] == 200
    front.sizes.tls = {"127.0.0.1": settings(server_pair(tmp_path, "localhost"))}
    certificates = [item(front.sizes.tls["127.0.0.1"])]
    front.run(lambda: front.listener.set_certificates(certificates))
    front.configure()
    with connect(front.port, client_context(None)) as connection:
        ask(connection, worker)
    front.sizes.tls = {}
    front.configure()
    again = front.client()
    again.get()
    worker.answer(next_request(worker)[0])
    assert again.read_response()[0] == 200


def test_what_comes_over_tls_goes_into_no_pipe(start: Start, tmp_path: Path) -> None:
    """A worker that asks for the rest of a body as a pipe gets it as ever: on the socket it is encrypted."""
    front = begin(start, settings(server_pair(tmp_path, "localhost")))
    worker = front.worker()
    body = os.urandom(60_000 + LEAST_HELD)
    with connect(front.port, client_context(None)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(body))
        connection.sendall(body[:60_000])
        number, frame = next_request(worker)
        got = frame.body
        while len(got) < 60_000:
            got += worker.take(Kind.BODY)[1]
        worker.started(number)
        worker.send(encode(Kind.BODY_HOLD, number))
        front.settle()
        connection.sendall(body[60_000:])
        while len(got) < len(body):
            got += worker.take(Kind.BODY)[1]
        assert got == body
        worker.take(Kind.BODY_END)
        worker.answer(number)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_strict_transport_security_is_said_over_tls_only(start: Start, tmp_path: Path) -> None:
    """RFC 6797 7.2; whole answers and those in pieces."""
    hsts = Hsts(enabled=True, max_age=600, include_sub_domains=True)
    front = begin(start, settings(server_pair(tmp_path, "localhost")), hsts=hsts)
    worker = front.worker()
    field = b"\r\nStrict-Transport-Security: max-age=600; includeSubDomains\r\n"
    with connect(front.port, client_context(None)) as connection:
        assert field in ask(connection, worker)
    plain = start(hsts=hsts)
    worker, client = plain.worker(), plain.client()
    client.get()
    worker.answer(next_request(worker)[0])
    assert "strict-transport-security" not in client.read_response()[1]


def test_plain_requests_are_sent_to_the_secure_port(start: Start) -> None:
    """site/hsts/@redirectHttpToHttps, with host and URL; written to the site's log."""
    front = start(hsts=Hsts(redirect_http_to_https=True))
    front.worker()
    client = front.client()
    client.send(b"GET /a%20b?c=d HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n")
    answer = client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 301 Moved Permanently\r\n")
    assert b"\r\nLocation: https://127.0.0.1/a%20b?c=d\r\n" in answer
    assert front.log.next_request().status == 301
    client = front.client()
    client.send(b"GET https://127.0.0.1/a HTTP/1.0\r\n\r\n")  # it may be answered over TLS, so it is sent there
    assert b"\r\nLocation: https://127.0.0.1/a\r\n" in client.read_to_end()


def test_a_secured_url_may_be_named_over_tls(start: Start, tmp_path: Path) -> None:
    """The absolute form of what is asked for; and of an open URL, which nothing forbids to secure."""
    front = begin(start, settings(server_pair(tmp_path, "localhost")))
    worker = front.worker()
    with connect(front.port, client_context(None)) as connection:
        for scheme in (b"https", b"http"):
            connection.sendall(b"GET %b://127.0.0.1/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % scheme)
            number, frame = next_request(worker)
            assert frame.target == b"/a"
            worker.answer(number)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
