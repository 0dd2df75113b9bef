"""`system.webServer/fastCgi`: the programs that FastCgiModule may start, and the servers it may ask."""

from __future__ import annotations

from typing import Final

from host.config.schema_types import (
    Collection,
    Element,
    Expansion,
    Rule,
    Scope,
    Section,
    Support,
    boolean,
    choice,
    string,
    uint,
)

_SECONDS: Final = (10, 2592000)

_ENVIRONMENT_VARIABLES: Final = Element(
    name="environmentVariables",
    meaning="variables of the processes, besides those of their pool",
    collection=Collection(
        remove="remove",
        clear="clear",
        entry=Element(
            name="environmentVariable",
            meaning="one variable",
            attributes=(
                string("name", "its name", required=True, key=True, rule=Rule.NON_EMPTY, case_sensitive=True),
                string("value", "its value", required=True, expansion=Expansion.TEXT, case_sensitive=True),
            ),
        ),
    ),
)

APPLICATION: Final = Element(
    name="application",
    meaning="a program whose processes answer requests; a handler names it in scriptProcessor",
    attributes=(
        string(
            "fullPath",
            "the program; or a server that runs already: unix:/run/NAME.sock, tcp://HOST:PORT",
            required=True,
            key=True,
            rule=Rule.NON_EMPTY,
            expansion=Expansion.COMMAND,
            case_sensitive=True,
        ),
        string("arguments", "its arguments", key=True, expansion=Expansion.TEXT, case_sensitive=True),
        uint(
            "maxInstances",
            0,
            "processes of one worker, or connections to a server; 0: four for each processor, at least eight",
            within=(0, 10000),
        ),
        uint("instanceMaxRequests", 200, "a process is replaced after so many requests", within=(1, 10000000)),
        uint("queueLength", 1000, "requests that wait for a process; one more gets 503.4", within=(1, 100000000)),
        uint("idleTimeout", 300, "seconds; a process with nothing to do for so long is ended", within=_SECONDS),
        uint(
            "activityTimeout", 70, "seconds without a byte from a process that is asked: it is ended", within=_SECONDS
        ),
        uint("requestTimeout", 90, "seconds that a request may take: its process is ended", within=_SECONDS),
        choice(
            "protocol",
            "NamedPipe",
            "how processes are spoken to: a unix socket, or a TCP port of 127.0.0.1",
            {"NamedPipe": 0, "Tcp": 1},
        ),
        boolean("flushNamedPipe", False, "flush the pipe; sockets need none", support=Support.UNSUPPORTED),
        uint(
            "rapidFailsPerMinute",
            10,
            "failed processes in a minute; one more, and requests get 503.0 until that minute is over; 0: no limit",
            within=(0, 1000),
        ),
        string(
            "monitorChangesTo",
            "file whose change replaces the processes, such as php.ini",
            expansion=Expansion.PATH,
            case_sensitive=True,
        ),
        choice(
            "stderrMode",
            "ReturnStdErrIn500",
            "error text before the answer: 500.0 that shows it; a bare 500.0; an event; "
            "500.0 and the end of the process",
            {"ReturnStdErrIn500": 0, "ReturnGeneric500": 1, "IgnoreAndReturn200": 2, "TerminateProcess": 3},
        ),
        uint(
            "signalBeforeTerminateSeconds",
            0,
            "from SIGTERM to SIGKILL when a process is ended; 0: the two seconds of every program",
            within=(0, 60),
        ),
    ),
    elements=(_ENVIRONMENT_VARIABLES,),
)

FASTCGI: Final = Section(
    path="system.webServer/fastCgi",
    scope=Scope.APP_HOST_ONLY,
    allows_override=False,
    element=Element(
        name="fastCgi",
        meaning="FastCGI programs and how many processes of each there are",
        collection=Collection(remove="remove", clear="clear", entry=APPLICATION),
    ),
)
