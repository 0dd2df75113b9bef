"""The rules about a script's text."""

from __future__ import annotations

import pytest

from host.doctor.content import content_findings
from host.doctor.script import Finding, Script


def found(text: bytes, name: str = "x.cgi") -> list[Finding]:
    return list(content_findings(Script(path=f"/srv/{name}", content=text)))


@pytest.mark.parametrize(
    ("text", "rule", "severity", "line"),
    [
        (b"#!/bin/sh\necho\r\n", "dos-line-ends", "error", 2),
        (b"#!/usr/bin/perl\nprint;\r\n", "dos-line-ends", "warning", 2),
        (b"#!/usr/bin/perl\n\n$x = 'C:\\data\\x.txt';\n", "windows-path", "warning", 3),
        (b'#!/usr/bin/perl\n$x = "d:/inetpub/x";\n', "windows-path", "warning", 2),
        (b'#!/usr/bin/python3\nopen("\\\\\\\\server\\\\share")\n', "windows-path", "warning", 2),
        (b"#!/usr/bin/perl\nuse CGI;\nuse Win32::OLE;\n", "windows-module", "error", 3),
        (b"#!/usr/bin/python3\nimport win32com.client\n", "windows-module", "error", 2),
        (b"#!/usr/bin/python3\nfrom _winreg import *\n", "windows-module", "error", 2),
    ],
)
def test_what_the_text_says(text: bytes, rule: str, severity: str, line: int) -> None:
    """One finding, with its line."""
    (finding,) = found(text)
    assert (finding.rule, finding.severity.value, finding.line) == (rule, severity, line)


@pytest.mark.parametrize(
    "text",
    [
        b"#!/usr/bin/perl\nprint 'http://example.org/x';\n",
        b"#!/usr/bin/perl\n# it was C:\\Perl once\nprint qq{a:b};\n",
        b"#!/usr/bin/perl\n$text =~ s/Win32::OLE//; print 'use Win32;';\n",
        b"#!/usr/bin/perl\nmy %h = (a => 1); $h{b} ? c:d;\n",
        b'#!/usr/bin/perl\n/^([0-9A-F:\\.]+)$/; /\\d\\d:\\d\\d/; "\\\\d\\\\d:\\\\d";\n',
        b"\x7fELF\0\r\nC:\\x",
    ],
)
def test_what_is_no_path_and_no_module_of_windows(text: bytes) -> None:
    """Addresses, comments, texts and compiled programs."""
    assert found(text) == []


def test_many_paths_are_counted() -> None:
    """Three are shown."""
    findings = found(b"#!/usr/bin/perl\n" + b"open F, 'C:/x';\n" * 10)
    assert [finding.line for finding in findings] == [2, 3, 4]
    assert "and 7 more lines" in findings[-1].text


def test_nph_is_told() -> None:
    """What the name means."""
    assert [finding.rule for finding in found(b"#!/bin/sh\n", "nph-push.sh")] == ["nph"]
