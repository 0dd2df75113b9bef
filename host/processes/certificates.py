"""The certificates of https bindings: read by the service, which may, told to the front, read again when they change.

A certificate is renewed by replacing its files (certbot and its like do). A pair that does not fit together, since only
one of the two files has been replaced so far, changes nothing; the next look may find both.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from host.activation.children import EventReporter
from host.config.certificates import Certificate, read_certificates
from host.config.model import Site
from host.config.tls_settings import BindingTls
from host.wire.certificate_messages import CertificateItem, Certificates

LOOK_SECONDS: Final = 2.0
WARNING_DAYS: Final = 14
_DAY_SECONDS: Final = 86400.0

Stamp = tuple[int, int, int]


class CertificateStore:
    """What has been read. `sites()` are those of the configuration in force."""

    def __init__(self, sites: Callable[[], Iterable[Site]], report: EventReporter) -> None:
        self._sites = sites
        self._report = report
        self._good: dict[str, Certificate] = {}
        self._stamps: dict[str, Stamp] = {}
        self._told: dict[str, str] = {}
        self._warned_at: dict[str, datetime] = {}

    def message(self) -> Certificates | None:
        """What the front is told; None while no binding needs a certificate."""
        tls = self._needed()
        if not tls and not self._good:
            return None
        if any(name not in self._good for name in tls):
            self._read(tls)
        needed = [self._good[name] for name in tls if name in self._good]
        return Certificates(items=[_item(one) for one in needed])

    async def follow(self, changed: Callable[[], None]) -> None:
        """Look at the files for ever; `changed` is called when another certificate is in force."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            tls = self._needed()
            self._warn(tls)
            stamps = _stamps(tls.values())
            if stamps == self._stamps:
                continue
            before = dict(self._good)
            self._read(tls)
            for name, certificate in self._good.items():
                if name in before and before[name] != certificate:
                    text = f"the certificate {certificate.subject} has been read again; handshakes show it from now on"
                    self._report("certificate-loaded", text, {"file": tls[name].certificate_file})
            if self._good != before:
                changed()

    def _needed(self) -> dict[str, BindingTls]:
        found: dict[str, BindingTls] = {}
        for site in self._sites():
            for binding in site.bindings:
                if binding.tls is not None:
                    found.setdefault(binding.tls.name, binding.tls)
        return found

    def _read(self, tls: dict[str, BindingTls]) -> None:
        self._stamps = _stamps(tls.values())
        good, problems = read_certificates(self._sites())
        kept = {name: one for name, one in self._good.items() if name in problems}
        for name, problem in problems.items():
            rest = "the one before it is shown on" if name in kept else "the address refuses every handshake"
            text = f"{problem.message}; {rest}; {problem.remedy}"
            if self._told.get(name) != text:
                self._report("certificate-refused", text, {"file": tls[name].certificate_file})
            self._told[name] = text
        for name in good:
            self._told.pop(name, None)
        self._good = kept | good

    def _warn(self, tls: dict[str, BindingTls]) -> None:
        now = datetime.now(UTC).replace(tzinfo=None)
        for name, one in self._good.items():
            if name not in tls or one.not_after - now > timedelta(days=WARNING_DAYS):
                continue
            last = self._warned_at.get(name)
            if last is None or (now - last).total_seconds() >= _DAY_SECONDS:
                self._warned_at[name] = now
                text = f"the certificate {one.subject} ends on {one.not_after:%Y-%m-%d %H:%M} UTC"
                self._report("certificate-expires", text, {"file": tls[name].certificate_file})


def _item(one: Certificate) -> CertificateItem:
    return CertificateItem(
        name=one.name,
        certificate=one.certificate,
        key=one.key,
        client_authorities=one.client_authorities,
        subject=one.subject,
        issuer=one.issuer,
        key_bits=one.key_bits,
    )


def _stamps(needed: Iterable[BindingTls]) -> dict[str, Stamp]:
    files = {file for tls in needed for file in tls.files}
    return {file: _stamp(file) for file in files}


def _stamp(file: str) -> Stamp:
    try:
        status = os.stat(file)
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_mtime_ns, status.st_size)
