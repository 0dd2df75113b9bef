"""One site with the applications of all kinds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.handlers.kind import APPLICATION, HandlerKind
from tests.one_site import STATIC_FILES, write_one_site

ROOT = Path(__file__).resolve().parents[3]

WEB_SERVER = """\
    <handlers accessPolicy="Read, Script, Execute">
      <add name="CGI" path="*.cgi" verb="*" modules="CgiModule" resourceType="File" requireAccess="Execute" />
      <add name="Script" path="*.pys" verb="*" modules="ScriptModule" resourceType="File" />
      {handlers}
      {static_files}
    </handlers>
    <security><isapiCgiRestriction notListedCgisAllowed="true" notListedIsapisAllowed="true" /></security>
    {web_server}
"""


def write_handlers_site(folder: Path, kinds: Sequence[HandlerKind]) -> Path:
    """The site below `folder`; gives the path of its applicationHost.config."""
    lib = folder / "lib"
    for name in ("conf", "lib", "wwwroot", "extensions", "filters"):
        (folder / name).mkdir(parents=True)
    shutil.copy(APPLICATION, lib / "conformance_application.py")
    for kind in kinds:
        for name, text in kind.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(lib=str(lib), folder=str(folder)))
            path.chmod(0o755 if text.startswith("#!") else 0o644)
        for name, source in kind.libraries.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "host", "cc", "-o", str(folder / name), str(APPLICATION.with_name(source))]
            subprocess.run(command, check=True, cwd=ROOT)
    text = WEB_SERVER.format(
        static_files=STATIC_FILES,
        handlers="\n      ".join(kind.handlers for kind in kinds if kind.handlers),
        web_server="\n    ".join(kind.web_server for kind in kinds if kind.web_server),
    )
    text = text.replace("{folder}", str(folder)).replace("{lib}", str(lib))
    return write_one_site(folder, text, pool='<processModel idleTimeout="00:00:00" />')
