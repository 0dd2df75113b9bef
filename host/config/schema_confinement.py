"""What a pool's processes may be, use and touch: `cpu`, `sandbox`, and the limits of CGI programs."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from host.config.schema_types import (
    Attribute,
    Collection,
    Element,
    Expansion,
    Kind,
    Rule,
    Support,
    boolean,
    choice,
    flags,
    string,
    time_span,
    uint,
)

_WITHOUT_MEANING: Final = Support.WITHOUT_MEANING

IDENTITY_RANGE: Final = (
    uint(
        "identityRangeFirst",
        70000,
        "lowest user and group number of pools with ApplicationPoolIdentity",
        within=(1, 4294967293),
        ours=True,
    ),
    uint("identityRangeLast", 99999, "highest of these numbers", within=(1, 4294967293), ours=True),
)
"""65536 to 99999 belongs to nobody: below are the accounts that systems and systemd hand out, above the subordinate
numbers of user namespaces (SUB_UID_MIN of login.defs)."""

CPU: Final = Element(
    name="cpu",
    meaning="processor time of the pool's workers and programs together",
    attributes=(
        uint("limit", 0, "1/1000 of a percent of all processors; 0: none", within=(0, 100000)),
        choice(
            "action",
            "NoAction",
            "above the limit: an event; an event and no pool until resetInterval ends; slowed down; "
            "slowed down while others want the processors",
            {"NoAction": 0, "KillW3wp": 1, "Throttle": 2, "ThrottleUnderLoad": 3},
        ),
        time_span(
            "resetInterval",
            "00:05:00",
            "window of NoAction and KillW3wp; 0: nothing is counted",
            within=(0, 86400),
            granularity=60,
        ),
        boolean("smpAffinitized", False, "bind the pool to the processors of the two masks"),
        uint("smpProcessorAffinityMask", 4294967295, "processors 0 to 31", within=(1, 4294967295)),
        uint("smpProcessorAffinityMask2", 4294967295, "processors 32 to 63", within=(1, 4294967295)),
        Attribute(
            name="processorGroup", kind=Kind.INT, default="0", meaning="processor group", support=_WITHOUT_MEANING
        ),
        choice(
            "numaNodeAssignment",
            "MostAvailableMemory",
            "who chooses the memory node (here the kernel)",
            {"MostAvailableMemory": 0, "WindowsScheduling": 1},
            support=_WITHOUT_MEANING,
        ),
        choice("numaNodeAffinityMode", "Soft", "how strictly", {"Soft": 0, "Hard": 1}, support=_WITHOUT_MEANING),
    ),
)

SANDBOX: Final = Element(
    name="sandbox",
    meaning="folders and files that the pool may touch (Landlock); entries add to what every pool needs",
    ours=True,
    attributes=(
        choice(
            "mode",
            "Off",
            "Enforce: the kernel refuses everything else; Report: events name what would be refused",
            {"Off": 0, "Report": 1, "Enforce": 2},
            ours=True,
        ),
    ),
    collection=Collection(
        remove="remove",
        clear="clear",
        entry=Element(
            name="add",
            meaning="one folder with everything below it, or one file",
            ours=True,
            attributes=(
                replace(
                    string(
                        "path",
                        "the folder or file",
                        required=True,
                        key=True,
                        rule=Rule.NON_EMPTY,
                        expansion=Expansion.PATH,
                        case_sensitive=True,
                    ),
                    ours=True,
                ),
                replace(
                    flags("access", "Read", "what the pool may do there", {"Read": 1, "Write": 2, "Execute": 4}),
                    ours=True,
                ),
            ),
        ),
    ),
)

CGI_LIMITS: Final = tuple(
    replace(attribute, server_only=True)
    for attribute in (
        uint("processorTimeLimit", 0, "seconds of processor time of one program; 0: none", ours=True),
        uint("addressSpaceLimit", 0, "kilobytes of address space of one process; 0: none", ours=True),
        uint("openFilesLimit", 0, "open files of one process; 0: as isapy's own", ours=True),
        uint("processesLimit", 0, "processes and threads of the program's user; 0: none", ours=True),
    )
)
"""RLIMIT_CPU, RLIMIT_AS, RLIMIT_NOFILE, RLIMIT_NPROC; inherited by everything that the program starts."""
