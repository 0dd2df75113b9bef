"""Where isapy's C headers lie, and what of them cffi reads.

The headers are the only place where a structure is written down: a C compiler reads them whole, `write_layouts` makes
`layouts.py` of their marked parts, and a test compares both with the published numbers. A worker then needs neither a
C parser nor a compiler:

    python -m host.native.headers
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Final

import cffi
from cffi import recompiler

INCLUDE_FOLDER: Final = Path(__file__).resolve().parent / "include"
LAYOUTS: Final = Path(__file__).resolve().parent / "layouts.py"
_ORDER: Final = ("wintypes.h", "httpext.h", "isapy_front.h", "httpfilt.h")
_MARKED: Final = re.compile(r"/\* isapy: begin \*/\n(.*?)/\* isapy: end \*/", re.DOTALL)
_DOCSTRING: Final = '"""What cffi has made of the headers in include/ (see headers.py): not to be edited."""\n\n'


def declarations() -> str:
    """The marked parts of the headers, in the order in which they need each other."""
    texts = [(INCLUDE_FOLDER / name).read_text() for name in _ORDER]
    return "\n".join(part for text in texts for part in _MARKED.findall(text))


def layouts_source() -> str:
    """The text of `layouts.py`: cffi's form of the declarations that needs nothing but its small C library."""
    builder = cffi.FFI()
    builder.cdef(declarations())
    builder.set_source("host.native.layouts", None)  # no C of its own: nothing is compiled where isapy is installed
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "layouts.py")
        recompiler.make_py_source(builder, "host.native.layouts", str(path))
        return _DOCSTRING + path.read_text()


if __name__ == "__main__":
    LAYOUTS.write_text(layouts_source())
