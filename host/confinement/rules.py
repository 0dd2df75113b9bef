"""What a sandboxed pool may touch: what every program on Linux needs, what Python needs, and the pool's own files.

Deliberately not among them: /etc as a whole (only files that are public and that libraries read), /home, /root, /run,
/tmp and /var. Sockets are no files to Landlock: a pool may connect to what its identity may connect to.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import host
from host.config.confinement import EXECUTE, READ, WRITE, Sandbox, SandboxRule
from host.config.model import Application, PathSettings
from host.config.names import AccessPolicy, ResponseMode
from host.config.store import ServerConfiguration
from host.config.validation import program_of

SYSTEM_PROGRAMS: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Programs, libraries and what belongs to them: read and executed."""

SYSTEM_FILES: Final = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/alternatives"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/hosts", "/etc/resolv.conf"),
    *("/etc/gai.conf", "/etc/services", "/etc/protocols", "/etc/localtime", "/etc/timezone", "/etc/os-release"),
    *("/etc/locale.alias", "/etc/locale.conf", "/etc/mime.types", "/etc/terminfo", "/etc/gitconfig", "/etc/perl"),
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/tls/openssl.cnf"),
    *("/etc/pki/ca-trust", "/etc/ca-certificates", "/etc/crypto-policies", "/run/systemd/resolve"),
    *("/proc", "/sys/devices/system/cpu", "/sys/devices/system/node"),
)
"""Public files that the C library, Perl, Python, git and TLS read."""

SYSTEM_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def sandbox_rules(
    configuration: ServerConfiguration, keys: Iterable[str], sandbox: Sandbox, temporary_folder: str
) -> list[SandboxRule]:
    """Every rule of a pool that serves the applications `keys`, those of its configuration last."""
    return [
        *_system_rules(),
        *own_rules(configuration, keys),
        SandboxRule(path=temporary_folder, access=(READ, WRITE)),
        *sandbox.rules,
    ]


def server_file_rules(configuration: ServerConfiguration, keys: Iterable[str], sandbox: Sandbox) -> list[SandboxRule]:
    """The same without a temporary folder, and without what web.config files name."""
    rules = list(_system_rules())
    for key in keys:
        application = configuration.snapshot.application(key)
        rules += _application_rules(application, dict(configuration.server_settings_below(application)))
    return [*dict.fromkeys(rules), *sandbox.rules]


def _system_rules() -> Iterator[SandboxRule]:
    yield from (SandboxRule(path=path, access=(READ, EXECUTE)) for path in SYSTEM_PROGRAMS)
    yield from (SandboxRule(path=path) for path in SYSTEM_FILES)
    yield from (SandboxRule(path=path, access=(READ, WRITE)) for path in SYSTEM_DEVICES)
    yield from (SandboxRule(path=path, access=(READ, EXECUTE)) for path in python_folders())


def own_rules(configuration: ServerConfiguration, keys: Iterable[str]) -> list[SandboxRule]:
    """What the pool's configuration names: plugins, folders of sites, programs of mappings, error pages."""
    snapshot = configuration.snapshot
    rules = [SandboxRule(path=path) for path in (*snapshot.extension_folders, *snapshot.filter_folders)]
    for key in keys:
        application = snapshot.application(key)
        rules += _application_rules(application, dict(configuration.settings_below(application)))
    return list(dict.fromkeys(rules))


def _application_rules(application: Application, found: Mapping[str, PathSettings]) -> Iterator[SandboxRule]:
    """A folder's programs may be executed if the server's file or the web.config of a virtual directory's root allows
    it anywhere below; a web.config further down that allows more needs an entry in `sandbox`."""
    folders = {
        f"{application.path.rstrip('/')}/{folder.path.strip('/')}".rstrip("/"): folder.physical_path
        for folder in application.virtual_directories
    }
    for prefix, folder in folders.items():
        settings = [one for path, one in found.items() if _deepest(path, folders) == prefix]
        runs_programs = any(AccessPolicy.EXECUTE in one.access_policy for one in settings)
        yield SandboxRule(path=folder, access=(READ, EXECUTE) if runs_programs else (READ,))
    for one in found.values():
        yield from _settings_rules(one)


def _deepest(path: str, prefixes: Iterable[str]) -> str:
    """The URL path of the virtual directory that shows `path`."""
    return max((one for one in prefixes if f"{path}/".startswith(f"{one}/")), key=len, default="")


def _settings_rules(settings: PathSettings) -> Iterator[SandboxRule]:
    for handler in settings.handlers:
        program = program_of(handler.script_processor)
        if os.path.isabs(program):
            yield SandboxRule(path=program, access=(READ, EXECUTE))
    plugins = [*(one.path for one in settings.filters), *(one.type for one in settings.modules)]
    pages = [page.path for page in settings.http_errors.errors if page.response_mode is ResponseMode.FILE]
    logon = settings.logon.files if settings.logon is not None else ()
    yield from (SandboxRule(path=path) for path in (*plugins, *pages, *logon) if os.path.isabs(path))


def python_folders() -> list[str]:
    """The interpreter, its library, and every folder that modules have been loaded from or that PYTHONPATH names.

    The current folder is not among them, although it may stand on the search path.
    """
    folders = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]
    folders += [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(path)]
    kept = list(dict.fromkeys(os.path.realpath(folder) for folder in folders))
    for package in sorted({_package_folder(name) for name in list(sys.modules)} - {""}):
        if not any(is_below(package, folder) for folder in kept):
            kept.append(package)
    return [folder for folder in kept if folder != "/"]


def _package_folder(module_name: str) -> str:
    """Where a top-level package lies, or the file of a module that is none; empty for what is built in."""
    if "." in module_name:
        return ""
    file = getattr(sys.modules[module_name], "__file__", None)
    if not isinstance(file, str):
        return ""
    path = Path(os.path.realpath(file))
    return str(path.parent if path.name.startswith("__init__.") else path)


def is_below(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies below it; both without links."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def is_allowed(path: str, access: str, rules: Iterable[SandboxRule]) -> bool:
    """Whether a rule allows this access to what `path` leads to, links followed."""
    target = os.path.realpath(path)
    return any(access in rule.access and is_below(target, os.path.realpath(rule.path)) for rule in rules)


HOST_FOLDER: Final = os.path.dirname(os.path.realpath(host.__file__ or ""))
"""Where isapy itself lies."""
