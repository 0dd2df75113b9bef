"""What every contestant serves: isapy's configuration and plugins, a small and a big file, CGI programs."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.packages import program

BENCH: Final = Path(__file__).resolve().parent
SMALL_BYTES: Final = 1024
BIG_BYTES: Final = 1 << 30
PROGRAMS: Final = ("hello", "swallow", "flood", "slow")
"""CGI programs that are compiled."""


@dataclass(frozen=True, slots=True)
class MeasuredSite:
    """Folders of the written site. All of it is readable by every user: the peers give up root."""

    root: Path

    @property
    def configuration(self) -> Path:
        """isapy's applicationHost.config."""
        return self.root / "conf" / "applicationHost.config"

    @property
    def documents(self) -> Path:
        """The document root: small.bin, big.bin, hello.php, page.php, cgi-bin/ with PROGRAMS and two scripts."""
        return self.root / "wwwroot"

    @property
    def bare_cgi(self) -> Path:
        """The compiled server that does nothing but start a program (`programs/bare_cgi.c`)."""
        return self.root / "bare-cgi"

    @property
    def wsgi_file(self) -> Path:
        """The hello application for uWSGI."""
        return self.root / "hello_wsgi.py"


def write_site(folder: Path, *, with_program: bool = True) -> MeasuredSite:
    """Write the site to `folder`, which must not exist. `with_program` compiles the CGI programs and the bare
    server for them (needs gcc)."""
    shutil.copytree(BENCH / "sites", folder, ignore=shutil.ignore_patterns("__pycache__"))
    site = MeasuredSite(folder)
    cgi_bin = site.documents / "cgi-bin"
    pattern = b"0123456789abcdef" * (SMALL_BYTES // 16)
    (site.documents / "small.bin").write_bytes(pattern)
    with (site.documents / "big.bin").open("wb") as big:
        big.truncate(BIG_BYTES)
    if with_program:
        for name in PROGRAMS:
            compile_program(name, cgi_bin / name)
        compile_program("bare_cgi", site.bare_cgi)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.parent == cgi_bin or path == site.bare_cgi else 0o644)
    return site


def compile_program(name: str, target: Path) -> None:
    """One of the programs in `programs/`; needs gcc."""
    source = BENCH / "programs" / f"{name}.c"
    subprocess.run([program("gcc"), "-O2", "-o", str(target), str(source)], check=True)
