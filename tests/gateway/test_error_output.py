"""What a program writes to standard error."""

from __future__ import annotations

from host.gateway.error_output import LARGEST_TAIL, LONGEST_LINE, MOST_LINES, ErrorOutput


def test_lines_come_out_complete_whatever_the_split() -> None:
    """Byte by byte and whole give the same lines; empty ones are no news."""
    text = b"first\r\n\nsecond\nlast"
    output = ErrorOutput()
    lines = [line for byte in text for line in output.receive(bytes([byte]))] + output.receive_end()
    assert lines == ["first", "second", "last"]
    whole = ErrorOutput()
    assert whole.receive(text) + whole.receive_end() == lines
    assert whole.receive_end() == []


def test_control_characters_cannot_forge_log_lines_or_terminal_codes() -> None:
    """Escape sequences and carriage returns are shown, not obeyed."""
    assert ErrorOutput().receive(b"a\x1b[2Jb\rc\n") == ["a\\x1b[2Jb\\x0dc"]


def test_flood_is_bounded_in_log_and_memory() -> None:
    """Ten megabytes: a bounded number of lines, one that says so, and the newest 64 KB."""
    output = ErrorOutput()
    lines: list[str] = []
    for number in range(10000):
        lines += output.receive(b"%06d" % number + b"x" * 1017 + b"\n")
    assert len(lines) == MOST_LINES + 1
    assert "not logged" in lines[-1]
    assert len(lines[0]) == LONGEST_LINE
    assert len(output.tail) == LARGEST_TAIL
    assert output.last_lines(1)[0].startswith("009999")


def test_line_without_end_does_not_grow() -> None:
    """A flood without a single line end is one bounded line."""
    output = ErrorOutput()
    for _ in range(1000):
        assert output.receive(b"y" * 10000) == []
    assert output.receive_end() == ["y" * LONGEST_LINE]
