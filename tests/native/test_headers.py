"""The C headers: what a compiler makes of them, what cffi makes of them, and what was published are the same."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from host.native.headers import INCLUDE_FOLDER, layouts_source
from host.native.headers import LAYOUTS as GENERATED
from host.native.structures import ffi
from tests.native.layout_table import LAYOUTS

pytestmark = pytest.mark.slow


def measuring_program() -> str:
    """A C program that prints every size and offset as JSON."""
    lines = ["#include <stdio.h>", "#include <httpext.h>", "#include <httpfilt.h>", "int main(void) {", 'printf("{");']
    for number, (name, (_, members)) in enumerate(LAYOUTS.items()):
        lines.append(f'printf("{"," if number else ""}\\"{name}\\": [%zu, {{", sizeof({name}));')
        for place, member in enumerate(members):
            comma = "," if place else ""
            lines.append(f'printf("{comma}\\"{member}\\": %zu", offsetof({name}, {member}));')
        lines.append('printf("}]");')
    return "\n".join([*lines, 'printf("}\\n");', "return 0; }", ""])


def run_compiled(folder: Path, text: str, compiler: str, suffix: str) -> str:
    source, program = folder / f"program{suffix}", folder / "program"
    source.write_text(text)
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{INCLUDE_FOLDER}"]
    done = subprocess.run([compiler, *flags, "-o", program, source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("compiler", "suffix"), [("gcc", ".c"), ("g++", ".cpp")])
def test_a_compiler_lays_every_structure_out_as_published(tmp_path: Path, compiler: str, suffix: str) -> None:
    """Sizes and offsets in C and in C++ are the numbers that every ISAPI library was compiled with."""
    measured: dict[str, Any] = json.loads(run_compiled(tmp_path, measuring_program(), compiler, suffix))
    assert measured == {name: [size, members] for name, (size, members) in LAYOUTS.items()}


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_isapy_itself_reads_every_structure_at_the_published_offsets(name: str) -> None:
    """cffi's sizes, members and offsets are the published ones, and no member is missing in the table."""
    size, members = LAYOUTS[name]
    assert ffi.sizeof(name) == size
    assert {member: field.offset for member, field in ffi.typeof(name).fields} == members


def test_the_compiled_layouts_are_those_of_the_headers() -> None:
    """Somebody who changes a header runs `python -m host.native.headers`."""
    assert GENERATED.read_text() == layouts_source()


def test_a_library_of_several_files_has_one_last_error_per_thread(tmp_path: Path) -> None:
    """What one file of a library sets, another one reads; another thread has its own."""
    (tmp_path / "other.c").write_text("#include <windows.h>\nDWORD read_it(void) { return GetLastError(); }\n")
    text = """
        #include <pthread.h>
        #include <stdio.h>
        #include <windows.h>
        DWORD read_it(void);
        static void *other(void *found) { *(DWORD *)found = read_it(); SetLastError(7); return NULL; }
        int main(void) {
            pthread_t thread; DWORD there = 99;
            SetLastError(ERROR_INVALID_INDEX);
            pthread_create(&thread, NULL, other, &there); pthread_join(thread, NULL);
            printf("%u %u %d\\n", read_it(), there, MAKELONG(5, 7));
            return 0;
        }
    """
    (tmp_path / "main.c").write_text(text)
    sources = [tmp_path / "main.c", tmp_path / "other.c"]
    subprocess.run(["gcc", "-Wall", "-Werror", f"-I{INCLUDE_FOLDER}", "-o", tmp_path / "p", *sources], check=True)
    done = subprocess.run([tmp_path / "p"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1413", "0", str(7 << 16 | 5)]
