"""What the service hands to the front because the front may not open it by itself: certificates, folders of logs."""

from __future__ import annotations

from host.wire.certificate_messages import Certificates
from host.wire.message import Message


class LogFolder(Message, frozen=True, kw_only=True):
    """Service to listener, with the folder's descriptor: it owns this folder and writes a log there. Before the
    configuration that needs it, and again when a log could not be written."""

    path: str


HandedMessage = Certificates | LogFolder
