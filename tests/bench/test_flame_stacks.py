"""What py-spy has seen, in words."""

from __future__ import annotations

from bench.flame_stacks import readable

START = (
    "0x7fdd (libc.so.6);<module> (<string>:1);run_listener (host/processes/listener.py:56);run (uvloop/__init__.py:38)"
)
UVLOOP = "run_forever (loop.c:33192);Loop__run (loop.c:20313);uv__io_poll (linux.c:1546)"
READABLE = "WorkerLink._readable (host/listener/worker_link.py:183)"


def test_a_stack_begins_with_the_loop_and_ends_with_a_system_call() -> None:
    """Start and interpreter are left out, C is one word, what the kernel does has its name, and stacks that are then
    the same are counted together."""
    raw = [
        f"{START};{UVLOOP};{READABLE};PyObject_Call (libpython3.11.so.1.0);uv_write (unix.c:1);write (libc.so.6) 3\n",
        f"{START};run_until_complete (loop.c:1);{READABLE};__pyx_send (loop.c:2);write (libc.so.6) 4",
        f"{START};{UVLOOP};{READABLE} 1",
        f"{START};{UVLOOP};epoll_pwait (libc.so.6) 2",
        f"{START};{UVLOOP};sem_post (libc.so.6) 1",
    ]
    readable_link = "WorkerLink._readable (listener/worker_link.py)"
    stacks, waited = readable(raw)
    assert waited == 0
    assert stacks == {
        ("event loop", "uvloop", readable_link, "uvloop", "kernel: write"): 7,
        ("event loop", "uvloop", readable_link): 1,
        ("event loop", "uvloop", "kernel: epoll_wait"): 2,
        ("event loop", "uvloop", "the interpreter's lock"): 1,
    }


def test_who_waits_is_not_in_the_picture() -> None:
    """Threads in a poll, the one of the logs without a batch, a loop that waits for the interpreter."""
    thread = "Thread.run (threading.py:971)"
    raw = [
        f"{thread};Deathwatch._watch (host/processes/deathwatch.py:33);poll (libc.so.6) 5",
        f"{thread};AppendingThread._run (host/logs/appending.py:125);0x7fdd (libc.so.6) 6",
        f"{thread};AppendingThread._run (host/logs/appending.py:125) 1",
        f"{thread};AppendingThread._run (host/logs/appending.py:125);Appender.write (host/logs/appending.py:65) 2",
        f"{START};{UVLOOP};{READABLE};0x7fdd (libc.so.6) 3",
    ]
    stacks, waited = readable(raw)
    assert waited == 15
    assert stacks == {("thread that writes the logs", "Appender.write (logs/appending.py)"): 2}
