"""What is read from the text that faulthandler writes in a signal handler."""

from __future__ import annotations

from host.processes.examinations import place_in_dump

BESIDE = """\
Thread 0x00007f01 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 320 in wait
  File "/srv/extensions/waits.py", line 9 in handle
  File "/opt/isapy/host/worker/thread_pool.py", line 133 in _work

"""
HOLDER = """\
Thread 0x00007f02 (most recent call first):
  File "/srv/filters/sub folder/native.py", line 15 in on_log
  File "/opt/isapy/host/worker/calling.py", line 99 in ask

"""
OWN = """\
Current thread 0x00007f03 (most recent call first):
  File "/opt/isapy/host/worker/link.py", line 133 in _readable
"""
FOLDERS = ("/srv/extensions", "/srv/filters")


def test_the_thread_that_called_native_code_from_a_plugin_counts_first() -> None:
    """A plugin's frame on top is the caller of what does not return; one further down only waits for something."""
    assert place_in_dump(BESIDE + HOLDER + OWN, FOLDERS) == ("/srv/filters/sub folder/native.py", 15, "on_log")
    assert place_in_dump(BESIDE + OWN, FOLDERS) == ("/srv/extensions/waits.py", 9, "handle")


def test_a_dump_without_plugins_names_nobody() -> None:
    """Nor does a broken one, or a folder whose name only begins like a plugin folder's."""
    assert place_in_dump(OWN, FOLDERS) is None
    assert place_in_dump("", FOLDERS) is None
    assert place_in_dump('  File "/srv/extensions', FOLDERS) is None
    assert place_in_dump(BESIDE, ("/srv/ext",)) is None
