"""Operational events: stable ids, one meaning each. Why a process started, ended or was recycled.

IIS's numbers (source WAS) where IIS has the event; isapy's own start at 6000.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class EventKind(NamedTuple):
    """A stable id, IIS's or our number, the level and the meaning."""

    number: int
    level: str  # information | warning | error
    meaning: str


EVENTS: Final[Mapping[str, EventKind]] = {
    # the service and its children
    "service-started": EventKind(6000, "information", "the service is up"),
    "service-stopping": EventKind(6001, "information", "the service drains its children and ends"),
    "process-started": EventKind(6002, "information", "a process was started, and why"),
    "process-ended": EventKind(6003, "information", "a process ended as it was told to"),
    "process-died": EventKind(6004, "error", "a process ended unexpectedly; exit code or signal"),
    "process-killed": EventKind(6005, "warning", "a process was killed: it did not end in time, or was to end at once"),
    "front-hung": EventKind(6006, "error", "listener or inetinfo did not answer a ping in time and was replaced"),
    "front-not-replaced": EventKind(
        6013, "error", "another listener or inetinfo could not start; the old one serves on"
    ),
    "socket-not-wanted": EventKind(6007, "warning", "an inherited listening socket has no binding and was closed"),
    "service-upgraded": EventKind(6008, "information", "another process is the service now; this one drains and ends"),
    "upgrade-failed": EventKind(6009, "error", "the new service process could not start; the old one serves on"),
    "front-broken-link": EventKind(5011, "error", "a worker broke the dialogue or its link"),
    "descriptors-exhausted": EventKind(6085, "error", "the front may open no more files: it takes no more connections"),
    "listener-error": EventKind(6019, "error", "an exception that nothing in listener or inetinfo has caught"),
    "application-unloaded": EventKind(6018, "information", "a dllhost was unloaded by the administrator"),
    # workers and pools, with IIS's numbers
    "pool-rapid-fail": EventKind(5002, "error", "the pool was disabled after a series of failures"),
    "worker-died": EventKind(5009, "warning", "a worker ended unexpectedly"),
    "worker-ping-failed": EventKind(5010, "warning", "a worker did not answer a ping in time"),
    "worker-startup-limit": EventKind(5012, "warning", "a worker was not ready within startupTimeLimit"),
    "worker-shutdown-limit": EventKind(5013, "warning", "a worker did not end within shutdownTimeLimit"),
    "pool-cannot-load": EventKind(5059, "error", "the pool was disabled: a start that can never succeed"),
    "recycle-time": EventKind(5074, "information", "recycled: age"),
    "recycle-requests": EventKind(5075, "information", "recycled: requests served"),
    "recycle-schedule": EventKind(5076, "information", "recycled: the clock came to a time of the schedule"),
    "recycle-memory": EventKind(5077, "information", "recycled: virtual memory"),
    "recycle-unhealthy": EventKind(5078, "warning", "recycled: an extension reported itself unhealthy"),
    "recycle-on-demand": EventKind(5079, "information", "recycled: asked for by the administrator"),
    "recycle-config-change": EventKind(5080, "information", "recycled: the configuration changed"),
    "recycle-private-memory": EventKind(5117, "information", "recycled: private memory"),
    "worker-idle": EventKind(5186, "information", "a worker was idle for idleTimeout and was ended"),
    "worker-orphaned": EventKind(6060, "warning", "a worker that did not answer was left to a debugger"),
    "action-ended": EventKind(6061, "information", "a program that the configuration names for an occasion has run"),
    "action-failed": EventKind(6062, "warning", "such a program could not be started, or failed"),
    "pool-started": EventKind(6010, "information", "the pool takes requests"),
    "pool-stopped": EventKind(6011, "information", "the pool refuses requests"),
    "recycle-apart": EventKind(6080, "warning", "no memory for two workers at a time: recycled without overlap"),
    "recycle-failed": EventKind(6081, "error", "a replacement did not start: the old worker goes on serving"),
    "worker-suspended": EventKind(6082, "information", "a worker was idle for idleTimeout and was suspended"),
    "worker-resumed": EventKind(6083, "information", "a suspended worker was woken"),
    "demand-held-back": EventKind(6084, "warning", "no worker was started: demandStartThreshold is reached"),
    "recycle-plugin-change": EventKind(6012, "information", "recycled: a plugin file changed"),
    # sites
    "site-started": EventKind(6015, "information", "the site takes requests"),
    "site-stopped": EventKind(6016, "information", "the site was stopped: its bindings are withdrawn"),
    "site-not-started": EventKind(6017, "error", "the site cannot start: another one has its binding"),
    "pool-not-confined": EventKind(5057, "error", "identity, limits or sandbox cannot be had: the pool does not start"),
    "script-users-lost": EventKind(
        6110, "error", "a pool's helper for scripts of other users has ended: all start anew"
    ),
    "listener-confined": EventKind(6108, "information", "whom the listener runs as, and which files it may touch"),
    "listener-not-confined": EventKind(6109, "error", "the listener cannot be the user that is asked for"),
    "cpu-limit": EventKind(6104, "warning", "a pool has used more processor time than its limit within resetInterval"),
    "cpu-throttled": EventKind(6105, "information", "a pool is held to its processor limit, and how"),
    "cpu-freed": EventKind(6106, "information", "a pool is not held to its processor limit any more"),
    "pool-identity": EventKind(6100, "information", "whom the pool runs as, and why"),
    "pool-cannot-read": EventKind(6101, "warning", "the pool's identity cannot read what the pool needs"),
    "temporary-folder-lost": EventKind(6111, "warning", "somebody has removed a pool's temporary folder"),
    "pool-sandboxed": EventKind(6102, "information", "the kernel enforces the pool's sandbox"),
    "sandbox-report": EventKind(6103, "warning", "what the pool's sandbox would refuse if it were enforced"),
    # configuration
    "configuration-applied": EventKind(6020, "information", "a changed configuration is in force"),
    "configuration-refused": EventKind(6021, "error", "a changed configuration is broken; the old one serves on"),
    "configuration-warning": EventKind(6022, "warning", "the configuration names something isapy does not support"),
    "isolation-switched": EventKind(6023, "information", "the process model changed"),
    "binding-failed": EventKind(6024, "error", "a listening socket could not be opened"),
    "binding-shared": EventKind(6028, "warning", "listeners share a socket that could not be opened for each of them"),
    "certificate-loaded": EventKind(6025, "information", "a changed certificate is in force"),
    "certificate-refused": EventKind(6026, "error", "the certificate of an https binding cannot be used"),
    "certificate-expires": EventKind(6027, "warning", "the certificate of an https binding ends soon"),
    "user-file-problem": EventKind(6029, "warning", "a file of users or groups, or a line of it, is unusable"),
    # plugins
    "plugin-loaded": EventKind(6030, "information", "a plugin was loaded"),
    "plugin-failed": EventKind(6031, "error", "a plugin could not be loaded; its mappings answer 500.21"),
    "plugin-error": EventKind(6032, "error", "a plugin raised an exception"),
    "plugin-warning": EventKind(6033, "warning", "a plugin says something the operator should know"),
    "request-traced": EventKind(6037, "information", "the walk of a request that isapy trace has asked for"),
    "plugin-message": EventKind(6035, "information", "a plugin says something for the record"),
    "filter-refused": EventKind(2261, "error", "a filter wants raw data, which it cannot have here"),
    "application-output": EventKind(6036, "information", "a WSGI application wrote to wsgi.errors"),
    # CGI
    "cgi-failed": EventKind(6040, "warning", "a CGI program failed; exit status or signal, and its standard error"),
    "cgi-timeout": EventKind(6041, "warning", "a CGI program was ended by cgi/@timeout"),
    "cgi-stderr": EventKind(6042, "information", "a CGI program wrote to standard error"),
    "cgi-not-warm": EventKind(6043, "warning", "a warm interpreter failed or left; scripts are started cold meanwhile"),
    # FastCGI
    "fastcgi-process-started": EventKind(6140, "information", "a FastCGI process was started"),
    "fastcgi-process-ended": EventKind(6141, "information", "a FastCGI process ended; how, and why"),
    "fastcgi-failed": EventKind(6142, "warning", "a FastCGI request failed; its process, and its error text"),
    "fastcgi-timeout": EventKind(6143, "warning", "a FastCGI process was ended: activityTimeout or requestTimeout"),
    "fastcgi-stderr": EventKind(6144, "information", "a FastCGI application wrote to its error stream"),
    "fastcgi-rapid-fail": EventKind(6145, "error", "too many FastCGI processes have failed within a minute"),
    "scgi-failed": EventKind(6146, "warning", "an SCGI server could not be reached, or its answer was none"),
    # requests and logs
    "request-time-limit": EventKind(6063, "warning", "a request took longer than requestTimeLimit and was ended"),
    "preload-failed": EventKind(6066, "warning", "a plugin could not be preloaded; workers load it themselves"),
    "warm-up-page": EventKind(6064, "information", "a page was requested before the worker takes requests"),
    "warm-up-failed": EventKind(6065, "warning", "a page of the warm-up failed; the worker starts all the same"),
    "request-replayed": EventKind(6050, "information", "a request was given to another worker"),
    "log-failed": EventKind(6051, "error", "a log could not be written"),
}
