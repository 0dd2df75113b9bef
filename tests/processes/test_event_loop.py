"""What a process that is ready does with its memory."""

from __future__ import annotations

import asyncio
import ctypes
import mmap
import os
import socket
import subprocess
import sys

import pytest
import uvloop

from host.processes.event_loop import SWITCH_SECONDS, give_back_zeros

PAGE = mmap.PAGESIZE


def resident(memory: mmap.mmap, address: int) -> list[bool]:
    """Which pages are there, as the kernel has them (mincore tells it of private memory, too)."""
    found = ctypes.create_string_buffer(len(memory) // PAGE)
    assert ctypes.CDLL(None).mincore(ctypes.c_void_p(address), ctypes.c_size_t(len(memory)), found) == 0
    return [byte & 1 == 1 for byte in found.raw]


CHURNS = """
import resource
from host.processes.event_loop import run_loop

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def churn(times):
    for _ in range(times):
        buffers = [bytearray(65_600) for _ in range(6)]
        del buffers

async def main():
    churn(10)
    before = faults()
    churn(100)
    print(faults() - before)

run_loop(main())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="malloc is not glibc's")
def test_buffers_that_come_and_go_cost_no_page_faults() -> None:
    """Each of a hundred times 96 pages would be one."""
    told = subprocess.run([sys.executable, "-c", CHURNS], capture_output=True, text=True, check=True)
    assert int(told.stdout) < 500


ASKS = """
import sys
from host.processes.event_loop import run_loop

async def main():
    print(sys.getswitchinterval())

run_loop(main())
"""


@pytest.mark.parametrize("kind", ["uvloop", "asyncio"])
def test_threads_that_compute_give_the_interpreter_to_the_loop_soon(kind: str) -> None:
    """Ten times as soon as Python by itself, in every process that has a loop of ours, whichever it is."""
    environment = {**os.environ, "ISAPY_EVENT_LOOP": kind}
    done = subprocess.run([sys.executable, "-c", ASKS], env=environment, capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(SWITCH_SECONDS)
    assert pytest.approx(0.0005) == SWITCH_SECONDS


def test_pages_of_zeros_are_given_back_and_no_others() -> None:
    """Eight pages, of which two say something; the piece begins and ends within a page, and what is read stays."""
    memory = mmap.mmap(-1, 8 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    view = ctypes.c_char.from_buffer(memory)
    address = ctypes.addressof(view)
    try:
        memory[:] = bytes(8 * PAGE)
        memory[2 * PAGE + 7 : 2 * PAGE + 10] = b"two"
        memory[6 * PAGE - 1 : 6 * PAGE] = b"5"
        before = bytes(memory[:])
        assert resident(memory, address) == [True] * 8
        assert give_back_zeros(address + 1, 8 * PAGE - 2) == 4 * PAGE
        there = resident(memory, address)
        assert there == [True, False, True, False, False, True, False, True]
        assert bytes(memory[:]) == before
    finally:
        del view
        memory.close()


def test_a_loop_that_has_given_back_its_buffer_still_reads_what_comes() -> None:
    """Through a transport, which is what uvloop's buffer is for: more than the buffer holds."""

    async def talk() -> int:
        loop = asyncio.get_running_loop()
        assert give_back_zeros(id(loop), type(loop).__basicsize__) > 200_000
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        _, other = await asyncio.open_connection(sock=theirs)
        data = bytes(range(256)) * 4096
        other.write(data)
        other.write_eof()
        read = await reader.read()
        assert read == data
        writer.close()
        other.close()
        return len(read)

    assert uvloop.run(talk()) == 1024 * 1024
