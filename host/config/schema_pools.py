"""`system.applicationHost/applicationPools`: IIS's attributes, defaults and ranges of an application pool."""

from __future__ import annotations

from typing import Final

from host.config.schema_confinement import CPU, IDENTITY_RANGE, SANDBOX
from host.config.schema_types import (
    Attribute,
    Collection,
    Element,
    Expansion,
    Kind,
    Rule,
    Scope,
    Section,
    Support,
    boolean,
    choice,
    defaults_element,
    flags,
    string,
    time_span,
    uint,
)

_UNSUPPORTED: Final = Support.UNSUPPORTED
_WITHOUT_MEANING: Final = Support.WITHOUT_MEANING
_EVER: Final = (1, 4294967)  # seconds; WAS's limit for its timers

_RECYCLE_REASONS: Final = {
    "None": 0,
    "Time": 1,
    "Requests": 2,
    "Schedule": 4,
    "Memory": 8,
    "IsapiUnhealthy": 16,
    "OnDemand": 32,
    "ConfigChange": 64,
    "PrivateMemory": 128,
}

PROCESS_MODEL: Final = Element(
    name="processModel",
    meaning="identity, number and health of the pool's worker processes",
    attributes=(
        choice(
            "identityType",
            "ApplicationPoolIdentity",
            "account the pool runs as; as long as nobody writes it, the pool runs as isapy itself",
            {
                "LocalSystem": 0,
                "LocalService": 1,
                "NetworkService": 2,
                "SpecificUser": 3,
                "ApplicationPoolIdentity": 4,
            },
        ),
        string("userName", "account of identityType SpecificUser: its name, or a number", case_sensitive=True),
        string(
            "password",
            "password of that account, which Unix does not ask for",
            case_sensitive=True,
            support=_UNSUPPORTED,
        ),
        boolean("loadUserProfile", False, "load the account's profile", support=_WITHOUT_MEANING),
        boolean("setProfileEnvironment", True, "set the profile's environment", support=_WITHOUT_MEANING),
        choice(
            "logonType",
            "LogonBatch",
            "kind of logon",
            {"LogonBatch": 0, "LogonService": 1},
            support=_WITHOUT_MEANING,
        ),
        boolean("manualGroupMembership", False, "keep IIS_IUSRS out of the token", support=_WITHOUT_MEANING),
        time_span(
            "idleTimeout",
            "00:20:00",
            "a worker without requests for this long ends; 0: never",
            within=(0, 2592000),
            granularity=60,
        ),
        choice(
            "idleTimeoutAction",
            "Terminate",
            "an idle worker ends, or gives its memory back and sleeps until the next request",
            {"Terminate": 0, "Suspend": 1},
        ),
        uint(
            "maxProcesses",
            1,
            "workers of the pool; more than one is a web garden; 0: one for each NUMA node",
            within=(0, 2147483647),
        ),
        uint("maxConcurrentRequests", 256, "requests one worker takes at a time", within=(1, 65535), ours=True),
        time_span(
            "requestTimeLimit",
            "00:00:00",
            "a request that takes longer is ended with 504; 0: none",
            within=(0, 4294967),
            ours=True,
        ),
        time_span("shutdownTimeLimit", "00:01:30", "a worker that ends may take this long", within=_EVER),
        time_span("startupTimeLimit", "00:01:30", "a worker must be ready after this long", within=_EVER),
        boolean("pingingEnabled", True, "ask workers for a sign of life"),
        time_span("pingInterval", "00:00:30", "time between two pings", within=_EVER),
        time_span("pingResponseTime", "00:01:30", "a worker that takes longer is replaced", within=_EVER),
        flags(
            "logEventOnProcessModel",
            "IdleTimeout",
            "events that are logged",
            {"None": 0, "IdleTimeout": 1},
        ),
        boolean("noNewPrivileges", True, "set-user-id programs give the pool no further rights", ours=True),
        string("requestQueueDelegatorIdentity", "account that may delegate requests", support=_WITHOUT_MEANING),
    ),
)

_SCHEDULE: Final = Element(
    name="schedule",
    meaning="times of day at which workers are recycled",
    collection=Collection(
        clear="clear",
        entry=Element(
            name="add",
            meaning="one time of day",
            attributes=(
                Attribute(
                    name="value",
                    kind=Kind.TIME_SPAN,
                    meaning="local time, hh:mm:00",
                    required=True,
                    is_key=True,
                    minimum=0,
                    maximum=86399,
                    granularity=60,
                ),
            ),
        ),
    ),
)

RECYCLING: Final = Element(
    name="recycling",
    meaning="when workers are replaced by new ones",
    attributes=(
        boolean("disallowOverlappingRotation", False, "the old worker ends before the new one starts"),
        boolean("disallowRotationOnConfigChange", False, "changed pool settings wait for the next recycle"),
        flags(
            "logEventOnRecycle",
            "Time, Requests, Schedule, Memory, IsapiUnhealthy, OnDemand, ConfigChange, PrivateMemory",
            "reasons that are logged",
            _RECYCLE_REASONS,
        ),
    ),
    elements=(
        Element(
            name="periodicRestart",
            meaning="limits after which a worker is recycled; 0 switches one off",
            attributes=(
                uint("memory", 0, "virtual memory in kilobytes"),
                uint("privateMemory", 0, "private memory in kilobytes"),
                uint("requests", 0, "requests served by one worker"),
                time_span("time", "29:00:00", "age of a worker", within=(0, 25920000), granularity=60),
            ),
            elements=(_SCHEDULE,),
        ),
    ),
)

FAILURE: Final = Element(
    name="failure",
    meaning="what happens when workers fail",
    attributes=(
        choice(
            "loadBalancerCapabilities",
            "HttpLevel",
            "a disabled pool answers 503 (HttpLevel) or cuts the connection (TcpLevel)",
            {"TcpLevel": 1, "HttpLevel": 2},
        ),
        boolean("orphanWorkerProcess", False, "an unhealthy worker is let go, not killed"),
        string("orphanActionExe", "program run for an orphan", expansion=Expansion.TEXT),
        string("orphanActionParams", "its arguments; `%1%` is the process id", expansion=Expansion.TEXT),
        boolean("rapidFailProtection", True, "disable the pool after a series of failures"),
        time_span(
            "rapidFailProtectionInterval",
            "00:05:00",
            "window in which failures are counted",
            within=(60, 8640000),
            granularity=60,
        ),
        uint("rapidFailProtectionMaxCrashes", 5, "failures within the window", within=(1, 2147483647)),
        string("autoShutdownExe", "program run when the service shuts the pool down", expansion=Expansion.TEXT),
        string("autoShutdownParams", "its arguments; `%1%` is the pool's name", expansion=Expansion.TEXT),
        time_span(
            "actionTimeLimit",
            "00:10:00",
            "a program of orphanActionExe or autoShutdownExe that takes longer is ended; 0: never",
            within=(0, 4294967),
            ours=True,
        ),
        boolean(
            "replayIdempotentRequests",
            True,
            "an idempotent request whose worker died unanswered is given to another worker once",
            ours=True,
        ),
    ),
)

ENVIRONMENT_VARIABLES: Final = Element(
    name="environmentVariables",
    meaning="variables that every worker and program of the pool gets",
    collection=Collection(
        remove="remove",
        entry=Element(
            name="add",
            meaning="one variable",
            attributes=(
                string(
                    "name",
                    "name of the variable",
                    required=True,
                    key=True,
                    rule=Rule.NON_EMPTY,
                    case_sensitive=True,
                ),
                string("value", "its value", required=True, expansion=Expansion.TEXT, case_sensitive=True),
            ),
        ),
    ),
)

POOL: Final = Element(
    name="add",
    meaning="one application pool",
    attributes=(
        string("name", "name of the pool", required=True, key=True, rule=Rule.POOL_NAME),
        uint("queueLength", 1000, "waiting requests; one more is refused with 503", within=(10, 65535)),
        boolean("autoStart", True, "false: stopped until started by hand"),
        choice(
            "startMode",
            "OnDemand",
            "workers start with the first request (OnDemand) or with the pool (AlwaysRunning)",
            {"OnDemand": 0, "AlwaysRunning": 1},
        ),
        boolean("enable32BitAppOnWin64", False, "32-bit workers", support=_WITHOUT_MEANING),
        string("managedRuntimeVersion", "what preCondition runtimeVersion... is compared with"),
        string("managedRuntimeLoader", "loader of .NET", "webengine4.dll", support=_WITHOUT_MEANING),
        choice(
            "managedPipelineMode",
            "Integrated",
            "managed modules take part in every stage (Integrated) or run inside managed handlers only (Classic)",
            {"Integrated": 0, "Classic": 1},
        ),
        string("CLRConfigFile", "configuration of .NET", support=_WITHOUT_MEANING),
        boolean("enableConfigurationOverride", True, "false: no web.config is read for the pool's applications"),
        boolean("passAnonymousToken", True, "hand workers a token", support=_WITHOUT_MEANING),
        boolean(
            "preloadApplications",
            False,
            "import the plugins' files in the pool's parent: workers start at once and share memory",
            ours=True,
        ),
    ),
    elements=(PROCESS_MODEL, RECYCLING, FAILURE, CPU, SANDBOX, ENVIRONMENT_VARIABLES),
)

APPLICATION_POOLS: Final = Section(
    path="system.applicationHost/applicationPools",
    scope=Scope.APP_HOST_ONLY,
    allows_override=False,
    is_per_path=False,
    element=Element(
        name="applicationPools",
        meaning="the application pools; without any there is DefaultAppPool",
        attributes=IDENTITY_RANGE,
        elements=(defaults_element(POOL, "applicationPoolDefaults", "values for pools that do not set them"),),
        collection=Collection(
            entry=POOL, remove="", clear="", default_entries=({"name": "DefaultAppPool"},), defaults_yield=True
        ),
    ),
)
