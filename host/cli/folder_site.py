"""`isapy run FOLDER`: a configuration for a folder that has none, and what is said about it.

Files are shown as they are, programs are run: the successor of `python -m http.server --cgi`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from host.cli.default_configuration import SITE_CONFIGURATION
from host.cli.failures import EXIT_USAGE, CommandLineError
from host.cli.new_files import write_atomically
from host.config.expansion import state_folder
from host.doctor import machine
from host.doctor.languages import languages_here
from host.gateway.first_line import command_by_extension, stand_in

PROGRAM_PATTERNS: Final = ("*.cgi", "*.py", "*.pl", "*.sh", "*.rb", "*.tcl", "*.lua")
DEFAULT_DOCUMENTS: Final = ("index.html", "index.htm", "index.cgi", "index.py")
PHP_PATTERNS: Final = ("*.php", "*.phtml")
_LANGUAGES: Final = (
    "php phtml php3 php4 php5 php7 php8 inc asp asa aspx asax ascx ashx asmx cfm cfml cfc jsp jspx jspf idc"
)
SOURCES: Final = tuple(f".{language}" for language in _LANGUAGES.split())
"""Pages with code that a server runs. Where nothing runs them nobody may read them: passwords stand in them."""
NOT_READ: Final = ".htaccess"
"""Apache's file for a folder; what it forbids is not forbidden here, and whoever brings one has to be told."""
LOOKED_AT: Final = 5000
"""Files that are looked at for the hints; a larger folder is served all the same."""

_LONGEST_FIRST_LINE: Final = 1024
_UNUSABLE: Final = re.compile(r"%[A-Za-z_][A-Za-z0-9_()]*%|[\\\x00-\x1f\x7f]|[\ud800-\udfff]")

_TEMPLATE: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- Written by: isapy run {comment}
     It is written again each time. To keep a configuration of your own: isapy init FOLDER -->
<configuration>
    <system.applicationHost>
        <applicationPools>
            <add name="DefaultAppPool">
                <!-- Perl finds libraries that lie beside a script, as it did before 5.26. -->
                <environmentVariables>
                    <add name="PERL_USE_UNSAFE_INC" value="1" />
                </environmentVariables>
            </add>
        </applicationPools>
        <sites>
            <site name="Default Web Site" id="1">
                <bindings>
                    <binding protocol="http" bindingInformation={binding} />
                </bindings>
                <logFile directory="%ISAPY_ROOT%/logs" />
                <application path="/" applicationPool="DefaultAppPool">
                    <virtualDirectory path="/" physicalPath={folder} />
                </application>
            </site>
        </sites>
    </system.applicationHost>
    <system.webServer>
{fastcgi}        <defaultDocument enabled="true">
            <files>
                <clear />
{documents}
            </files>
        </defaultDocument>
        <directoryBrowse enabled="true" />
        <handlers accessPolicy="Read, Script, Execute">
{handlers}
        </handlers>
        <isapiFilters>
            <filter name="request_filtering" enableCache="true" />
        </isapiFilters>
        <security>
            <isapiCgiRestriction notListedCgisAllowed="true" />
            <requestFiltering allowDoubleEscaping="true">
                <requestLimits maxAllowedContentLength="4294967295" maxUrl="65536" maxQueryString="65536" />
                <fileExtensions>
{sources}
                </fileExtensions>
                <hiddenSegments>
{hidden}
                </hiddenSegments>
            </requestFiltering>
        </security>
        <staticContent>
            <mimeMap fileExtension=".*" mimeType="application/octet-stream" />
        </staticContent>
        <cgi>
            <languages>
{languages}
            </languages>
        </cgi>
    </system.webServer>
    <!-- Everything here runs, whatever its name is, and nothing is shown. -->
    <location path="Default Web Site/cgi-bin">
        <system.webServer>
            <security>
                <requestFiltering>
                    <fileExtensions>
                        <clear />
                    </fileExtensions>
                </requestFiltering>
            </security>
        </system.webServer>
    </location>
</configuration>
"""
_PHP: Final = """\
        <!-- Old pages warn all the time: a warning is shown in the terminal and spoils no page. -->
        <fastCgi><application fullPath={php} stderrMode="IgnoreAndReturn200" /></fastCgi>
"""
HIDDEN_SEGMENTS: Final = (".git", ".hg", ".svn", ".env", ".htaccess", ".htpasswd", ".ssh")


def folder_configuration_path(folder: Path) -> Path:
    """Where the configuration for that folder lies: in the state folder, under a name made from the folder's path.

    Raises CommandLineError for a folder that does not exist or whose name a configuration cannot hold.
    """
    folder = usable_folder(folder, "isapy run FOLDER serves the files of a folder")
    return written_configuration_path("folders", folder.name, os.fsencode(folder))


def usable_folder(folder: Path, remedy: str) -> Path:
    """The folder's whole path. Raises CommandLineError as `folder_configuration_path` does."""
    folder = folder.resolve()
    if not folder.is_dir():
        raise CommandLineError(f"{folder} is no folder", remedy, EXIT_USAGE)
    if _UNUSABLE.search(str(folder)):
        raise CommandLineError(
            f"the path {str(folder)!r} cannot stand in a configuration (%name%, backslash or control character)",
            "rename the folder",
        )
    return folder


def written_configuration_path(group: str, name: str, key: bytes) -> Path:
    """Where a configuration lies that a command writes: a folder of `group` that `name` and the whole `key` name."""
    digest = hashlib.sha256(key).hexdigest()[:8]
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:40] or "root"
    return Path(state_folder(os.environ), group, f"{stem}-{digest}", "conf", "applicationHost.config")


def write_folder_configuration(folder: Path, address: str, port: int) -> Path:
    """Write the configuration that serves `folder` on that address and port; gives its path.

    Raises CommandLineError as `folder_configuration_path` does, and when it cannot be written.
    """
    path = folder_configuration_path(folder)
    write_configuration(path, folder_configuration(folder.resolve(), address, port, installed_php()))
    return path


def write_configuration(path: Path, text: str) -> None:
    """Write it whole. Raises CommandLineError when that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise CommandLineError(
            f"cannot write {path}: {error.strerror or error}", "set ISAPY_STATE to a folder that you may write to"
        ) from error


def installed_php() -> str:
    """Path of the program that runs PHP's pages (Debian: php-cgi); empty when there is none on the PATH."""
    return shutil.which("php-cgi") or ""


def folder_configuration(folder: Path, address: str, port: int, php: str = "") -> str:
    """The text of that configuration; `php`: path of php-cgi, empty when PHP's pages are not to run."""
    return _TEMPLATE.format(
        comment=str(folder).replace("--", "- -"),
        binding=quoteattr(binding_information(address, port)),
        folder=quoteattr(str(folder)),
        fastcgi=_PHP.format(php=quoteattr(php)) if php else "",
        documents=_lines(16, (f'<add value="{name}" />' for name in _default_documents(php))),
        handlers=_lines(12, _handlers(php)),
        hidden=_lines(20, (f'<add segment="{name}" />' for name in HIDDEN_SEGMENTS)),
        sources=_lines(20, (f'<add fileExtension="{name}" allowed="false" />' for name in _refused_sources(php))),
        languages=language_lines(16),
    )


def language_lines(indent: int) -> str:
    """The entries of `cgi/languages` for what is installed on this machine."""
    entries = languages_here().items()
    return _lines(indent, (f'<add name="{name}" path={quoteattr(program)} />' for name, program in entries))


def _handlers(php: str) -> Iterator[str]:
    programs = [("cgi-bin", "cgi-bin/*"), *((pattern[2:], pattern) for pattern in PROGRAM_PATTERNS)]
    for name, pattern in programs:
        yield (
            f'<add name="CGI-{name}" path="{pattern}" verb="*" modules="CgiModule" resourceType="File" '
            f'requireAccess="Execute" allowPathInfo="true" />'
        )
    for pattern in PHP_PATTERNS if php else ():
        yield (
            f'<add name="PHP-{pattern[2:]}" path="{pattern}" verb="*" modules="FastCgiModule" resourceType="File" '
            f"scriptProcessor={quoteattr(php)} />"
        )


def _default_documents(php: str) -> tuple[str, ...]:
    return (*DEFAULT_DOCUMENTS, "index.php") if php else DEFAULT_DOCUMENTS


def _refused_sources(php: str) -> list[str]:
    return [name for name in SOURCES if not (php and f"*{name}" in PHP_PATTERNS)]


def what_is_served(folder: Path, php: str = "") -> Iterator[str]:
    """Lines that tell a newcomer what became of the folder's files; `php` as for `folder_configuration`."""
    files = list(islice(_files(folder), LOOKED_AT))
    programs = [path for path in files if _is_program(path, folder) and _is_meant_to_run(path)]
    pages = [path for path in files if f"*{path.suffix}" in PHP_PATTERNS and not _is_program(path, folder)]
    yield f"serving {folder.resolve()}"
    yield "    files           as they are; a folder without an index page is listed"
    patterns = " ".join(PROGRAM_PATTERNS)
    yield f"    programs        {patterns} and everything in cgi-bin/ run as CGI ({len(programs)} found)"
    if php and pages:
        yield f"    PHP             {' '.join(PHP_PATTERNS)} run in {php} ({len(pages)} found)"
    elif pages:
        yield f"    not served      {len(pages)} pages of PHP: install php-cgi (Debian: php-cgi) and start again"
    yield from _stand_ins(programs)
    own = folder / SITE_CONFIGURATION
    if own.is_file():
        yield f"    not used        {SITE_CONFIGURATION}; to run that site:  isapy run --config {shlex.quote(str(own))}"
    elif plugins := [path for path in files if _is_plugin(path, folder)]:
        yield f"    not loaded      {_some(plugins)}: a plugin needs a site with a configuration (isapy init)"
    links = list(_links_outside(folder))
    if links:
        yield f"    not served      {_some(links)}: links that lead out of the folder are not followed"
    apaches = [path for path in files if path.name == NOT_READ]
    if apaches:
        yield f"    not read        {_some(apaches)}: what it forbids is open here, until a web.config says it"
    not_executable = [path for path in programs if not os.access(path, os.X_OK)]
    for path in not_executable[:5]:
        yield f"    not executable  {path.name}: it cannot run until you type  chmod +x {shlex.quote(str(path))}"
    if len(not_executable) > 5:
        yield f"                    and {len(not_executable) - 5} more"
    if programs:
        yield f"    will they run?  isapy doctor {shlex.quote(str(folder.resolve()))}"


def _stand_ins(programs: list[Path]) -> Iterator[str]:
    """Which programs of this machine are started for those that the scripts name and that are not here, and for scripts
    that name none."""
    counts = Counter(pair for path in programs if (pair := _stand_in(path)) != ("", ""))
    for (named, chosen), count in counts.most_common(5):
        if named.startswith("*."):
            yield f"    no #! line      {named} without one run in {chosen} ({count} found)"
        else:
            yield f"    instead of      {named}, which is not here, runs {chosen} ({count} found)"
    if len(counts) > 5:
        yield f"                    and instead of {len(counts) - 5} others"


def _stand_in(path: Path) -> tuple[str, str]:
    try:
        with path.open("rb") as file:
            start = file.read(_LONGEST_FIRST_LINE)
    except OSError:
        return "", ""
    if (own := command_by_extension(os.fsencode(path), start, languages_here())) is not None:
        return f"*{path.suffix}", os.fsdecode(own[0])
    return stand_in(start, languages_here(), lambda program: bool(machine.installed(os.fsdecode(program))))


def _some(paths: list[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def _is_meant_to_run(path: Path) -> bool:
    """Not the counter, the library and the readme that lie beside programs, nor what has a hidden segment's name."""
    if path.name in HIDDEN_SEGMENTS or not path.is_file():  # to open a named pipe waits for whoever writes to it
        return False
    if os.access(path, os.X_OK):
        return True
    try:
        with path.open("rb") as file:
            return file.read(5).removeprefix(b"\xef\xbb\xbf").startswith(b"#!")
    except OSError:
        return True  # it may be one, and that it cannot be read is worth a word


def _is_program(path: Path, folder: Path) -> bool:
    return f"*{path.suffix}" in PROGRAM_PATTERNS or path.relative_to(folder).parts[0] == "cgi-bin"


def _is_plugin(path: Path, folder: Path) -> bool:
    """An extension or filter as README shows them, where only a site with a configuration loads it."""
    if path.suffix != ".py" or path.parent not in (folder / "extensions", folder / "filters") or not path.is_file():
        return False
    try:
        return b"hookimpl" in path.read_bytes()
    except OSError:
        return False


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            yield Path(parent, name)


def _links_outside(folder: Path) -> Iterator[Path]:
    top = os.path.join(folder.resolve(), "")
    for parent, folders, names in islice(os.walk(folder), LOOKED_AT):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (os.path.join(parent, name) for name in (*folders, *sorted(names))):
            if os.path.islink(path) and not os.path.join(os.path.realpath(path), "").startswith(top):
                yield Path(path)


def binding_information(address: str, port: int) -> str:
    """`bindingInformation` of a site that answers for every host name on that address."""
    if address in ("0.0.0.0", "::", "*"):
        return f"*:{port}:"
    return f"[{address}]:{port}:" if ":" in address and not address.startswith("[") else f"{address}:{port}:"


def _lines(indent: int, lines: Iterator[str] | list[str]) -> str:
    return "\n".join(" " * indent + line for line in lines)
