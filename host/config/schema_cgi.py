"""`system.webServer/cgi`: how CGI programs run, and what ends them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from host.config.schema_confinement import CGI_LIMITS
from host.config.schema_types import (
    Collection,
    Element,
    Expansion,
    Rule,
    Section,
    Support,
    boolean,
    choice,
    string,
    time_span,
    uint,
)

_WITHOUT_MEANING: Final = Support.WITHOUT_MEANING

_FIRST_BYTE: Final = (
    "a program that has printed nothing for so long after it took the last of its body is ended: 502.1; 0: only timeout"
)
_IDLE: Final = "a program that prints nothing for so long in the middle of its answer is ended: 502.1; 0: only timeout"
_OUTPUT_SIZE: Final = "kilobytes of a program's output; one that prints more is ended: 502.2; 0: none"
_MOST_INSTANCES: Final = "programs at once in a worker, counted over all to which this element applies; 0: any number"
_QUEUE: Final = "requests that wait for one of maxInstances; one more gets 503.4"

_SENDFILE_ROOTS: Final = replace(
    string(
        "sendfileRoots",
        "folders whose files a program may have sent by X-Sendfile and X-Accel-Redirect",
        expansion=Expansion.PATHS,
        case_sensitive=True,
        ours=True,
    ),
    server_only=True,
)

_RUN_AS: Final = replace(
    string(
        "runAs",
        "whom a program runs as: Pool (the pool's user), FileOwner (the user whose file it is), or the name of a user, "
        "whose file it must be",
        "Pool",
        rule=Rule.NON_EMPTY,
        case_sensitive=True,
        ours=True,
    ),
    server_only=True,
)

_LANGUAGES: Final = Element(
    name="languages",
    meaning="who runs a script whose #! line names a program of Windows, or one that is not here; and one without "
    "such a line, by its extension (.pl .py .rb .tcl .lua .sh)",
    collection=Collection(
        remove="remove",
        clear="clear",
        entry=Element(
            name="add",
            meaning="the program for a language",
            attributes=(
                string(
                    "name",
                    "the language or program that the line names, such as perl, python2 or python",
                    required=True,
                    key=True,
                    rule=Rule.NON_EMPTY,
                    ours=True,
                ),
                replace(
                    string(
                        "path",
                        "the program",
                        required=True,
                        rule=Rule.NON_EMPTY,
                        expansion=Expansion.PATH,
                        case_sensitive=True,
                        ours=True,
                    ),
                    server_only=True,
                ),
            ),
        ),
    ),
)

CGI: Final = Section(
    path="system.webServer/cgi",
    allows_override=False,
    element=Element(
        name="cgi",
        meaning="how CGI programs run",
        attributes=(
            boolean("createCGIWithNewConsole", False, "give each a console", support=_WITHOUT_MEANING),
            boolean(
                "createProcessAsUser",
                True,
                "run as the user who logged in (isapy's programs run as their pool, or as runAs says)",
                support=_WITHOUT_MEANING,
            ),
            time_span("timeout", "00:15:00", "a program that takes longer is ended: 502.1", within=(1, 4294967295)),
            time_span("firstByteTimeout", "00:00:00", _FIRST_BYTE, ours=True),
            time_span("idleTimeout", "00:00:00", _IDLE, ours=True),
            uint("outputSizeLimit", 0, _OUTPUT_SIZE, ours=True),
            uint("maxInstances", 0, _MOST_INSTANCES, ours=True),
            uint("queueLength", 1000, _QUEUE, ours=True),
            boolean("passAuthorization", False, "hand the Authorization field to the program", ours=True),
            boolean("acceptPathInfo", True, "false: a URL that goes on behind the script is 404.0", ours=True),
            choice(
                "interpreters",
                "warm",
                "warm: a Python or Perl script runs in a fork of its interpreter, started before; cold: in a new one",
                {"cold": 0, "warm": 1},
                ours=True,
            ),
            _RUN_AS,
            boolean(
                "privateTemp",
                False,
                "give each run a temporary folder of its own (TMPDIR), gone when it has ended; false: the pool's, in "
                "which old scripts keep their sessions",
                ours=True,
            ),
            *CGI_LIMITS,
            _SENDFILE_ROOTS,
        ),
        elements=(_LANGUAGES,),
    ),
)
