"""What control messages carry in lists or inside: rows about requests and plugins, the report of an examination."""

from __future__ import annotations

from typing import Any

import msgspec


class RequestRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request under way, in IIS's words. Times in milliseconds."""

    request_id: str
    connection_id: int
    verb: str
    url: str
    site_id: int
    host_name: str
    client_ip_address: str
    local_port: int
    time_elapsed: int
    pipeline_state: str
    worker: str
    queue: str
    local_ip_address: str = ""


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker that does not answer is doing. Texts are empty where nothing is known.

    `summary` is one sentence for people, `stacks` what every thread is in. `verb`, `url`, `request_id`, `plugin` and
    `place` (`file:line`) are of the request that is to blame; `culprits` are the numbers, on the worker's link, of all
    requests that hold it.
    """

    summary: str
    stacks: str = ""
    request_id: str = ""
    verb: str = ""
    url: str = ""
    plugin: str = ""
    place: str = ""
    culprits: list[int] = []


class PluginRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one plugin in this worker."""

    name: str
    family: str
    path: str
    state: str  # loaded | failed | not listed
    detail: str = ""


class KnownMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping that a plugin has brought, as far as a refusal needs it (`host.api.HandlerMapping`)."""

    name: str
    path: str
    verbs: str


class KnownPlugin(msgspec.Struct, frozen=True, kw_only=True):
    """What the extension in the file `path` has said of itself when it was loaded last."""

    path: str
    further_names: list[str]
    mappings: list[KnownMapping]


class FilterRow(msgspec.Struct, frozen=True, kw_only=True):
    """A filter that is listed for a site; `place` counts the site's filters in the order of their calls, from 1."""

    site: str
    place: int
    name: str
    scope: str  # server | site
    priority: str  # HIGH | MEDIUM | LOW
    ports: str  # all | secure | nonsecure
    notifications: list[str]
    tolerates_cache: bool
    state: str  # loaded | failed
    description: str = ""
    detail: str = ""


class ExecutingRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is doing for one request, in IIS's words. Times in milliseconds.

    `link_number` is the request's number on the worker's link: what stands behind the dash in RequestRow.request_id;
    `request_id` is what log, error page and UNIQUE_ID call it. `current_module` is empty while no plugin is at work.
    """

    link_number: int
    request_id: str
    pipeline_state: str
    current_module: str = ""
    time_in_module: int = 0
    time_in_state: int = 0


class HostedProcessRow(msgspec.Struct, frozen=True, kw_only=True):
    """A process that a plugin of the worker keeps for its requests, or (pid 0 and state `none`) an application without
    one; `host.api.HostedProcess` says what the fields mean. Times in seconds.

    Plugins, workers and administrators have three contracts that may grow apart; whoever hands one's row to the next
    copies all fields by name (`fields`), and a test holds them against each other.
    """

    command: str
    pid: int
    state: str
    requests_served: int
    requests_in_hand: int
    age_seconds: float
    idle_seconds: float
    most_processes: int
    restarts: int
    failures: int
    waiting: int
    queue_length: int

    def fields(self) -> dict[str, Any]:
        """The fields by name."""
        return msgspec.structs.asdict(self)
