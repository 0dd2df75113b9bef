"""`cgi` as a frozen value. Times are seconds, sizes are bytes unless a name says otherwise; 0 is no limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from host.config.confinement import ProgramLimits
from host.config.inheritance import Effective

POOLS_USER: Final = "Pool"
"""`runAs` as long as nobody has written another one."""

FILE_OWNER: Final = "FileOwner"
"""`runAs`: the user whose file the program is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramInstances:
    """How many programs may run at once. `where` names the place that says so: everything to which it applies is
    counted together."""

    most: int = 0
    queue_length: int = 1000
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgi:
    """`cgi`."""

    timeout_seconds: int = 900
    first_byte_seconds: int = 0  # ours
    idle_seconds: int = 0  # ours
    most_output_bytes: int = 0  # ours
    instances: ProgramInstances = field(default_factory=ProgramInstances)  # ours
    pass_authorization: bool = False  # ours
    accept_path_info: bool = True  # ours
    interpreters: str = "warm"  # ours: cold, warm
    run_as: str = POOLS_USER  # ours: Pool, FileOwner, or a user's name
    has_private_temp: bool = False  # ours
    limits: ProgramLimits = field(default_factory=ProgramLimits)  # ours
    sendfile_roots: tuple[str, ...] = ()  # ours
    language_interpreters: Mapping[str, str] = field(default_factory=dict)  # ours: language, lower case, to program


def run_as(written: str) -> str:
    """What `runAs` says: its two words are the configuration's and may have any case, users' names are Linux's."""
    return {"pool": POOLS_USER, "fileowner": FILE_OWNER}.get(written.lower(), written)


def build_cgi(section: Effective) -> Cgi:
    """The section."""
    return Cgi(
        timeout_seconds=section.number("timeout"),
        first_byte_seconds=section.number("firstByteTimeout"),
        idle_seconds=section.number("idleTimeout"),
        most_output_bytes=section.number("outputSizeLimit") * 1024,
        instances=_instances(section),
        pass_authorization=section.flag("passAuthorization"),
        accept_path_info=section.flag("acceptPathInfo"),
        interpreters=section.text("interpreters"),
        run_as=run_as(section.text("runAs")),
        has_private_temp=section.flag("privateTemp"),
        limits=ProgramLimits(
            processor_seconds=section.number("processorTimeLimit"),
            address_space_kilobytes=section.number("addressSpaceLimit"),
            open_files=section.number("openFilesLimit"),
            processes=section.number("processesLimit"),
        ),
        sendfile_roots=tuple(filter(None, section.text("sendfileRoots").split(";"))),
        language_interpreters={
            entry.effective.text("name").lower(): entry.effective.text("path")
            for entry in section.child("languages").entries
        },
    )


def _instances(section: Effective) -> ProgramInstances:
    most = section.number("maxInstances")
    node = section.node_of("maxInstances")
    where = f"{node.file}:{node.line}" if most and node is not None else ""
    return ProgramInstances(most=most, queue_length=section.number("queueLength"), where=where)
