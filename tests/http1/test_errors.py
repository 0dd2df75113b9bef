"""The table of refusals."""

from __future__ import annotations

from host.http1.errors import Fault, RemoteProtocolError


def test_every_fault_has_a_client_or_server_error_status_and_a_page() -> None:
    """A fault is never a success, and its page is never empty."""
    for fault in Fault:
        assert 400 <= fault.status <= 505
        assert fault.heading
        assert fault.sentence.endswith(".")


def test_no_two_faults_share_status_and_sentence() -> None:
    """Equal values would silently become aliases of one member."""
    assert len({(fault.status, fault.sentence) for fault in Fault}) == len(Fault)


def test_a_protocol_error_speaks_the_fault_unless_told_more() -> None:
    """The message is the page's sentence, or the detail."""
    assert str(RemoteProtocolError(Fault.INVALID_URL)) == "The request URL is invalid."
    assert str(RemoteProtocolError(Fault.INVALID_URL, "because")) == "because"
