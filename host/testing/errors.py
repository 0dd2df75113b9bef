"""What a test is told when there is nothing to assert about."""

from __future__ import annotations


class PluginNotLoaded(AssertionError):
    """A plugin of the test could not be loaded; the text is what the event log would say, traceback included."""


class NoAnswer(AssertionError):
    """Nothing came within `patience_seconds`; the text says what the worker was doing."""
