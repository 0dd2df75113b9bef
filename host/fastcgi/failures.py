"""What is said when a FastCGI request fails, to the error page and to the event log.

IIS's numbers for processes that it has started: 500.0 for one that exits, cannot be started or passes a limit (with the
Windows error WAIT_TIMEOUT), 503.4 for a full queue. Ours for servers that somebody else runs: 502.0 and 504.0. What an
answer must look like is CGI's business whoever carries it: 502.2.
"""

from __future__ import annotations

from typing import Final

from host.api import HttpError, ProgramExit
from host.fastcgi.policy import Overdue
from host.fastcgi.settings import ApplicationSettings
from host.gateway.cgi_failures import describe_exit
from host.gateway.error_output import ErrorOutput
from host.gateway.server_address import is_address

WAIT_TIMEOUT: Final = 258
"""sc-win32-status of a limit that has passed."""

_SHOWN_LINES: Final = 40


def not_configured(processor: str) -> HttpError:
    """500.0: the handler names a program that no entry of fastCgi has (IIS's words: could not be found in it)."""
    path, _, arguments = processor.partition("|")
    entry = f'<application fullPath="{path}"' + (f' arguments="{arguments}"' if arguments else "") + " />"
    detail = f"the scriptProcessor {processor!r} is no application of <fastCgi>"
    return HttpError(500, 0, detail, remedy=f"Add {entry} to <fastCgi> in applicationHost.config.")


def below_a_file(path: str) -> HttpError:
    """404.0: php-cgi takes the file on the way for the script, what follows for its PATH_INFO (cgi.fix_pathinfo), and
    would run /upload/photo.jpg/a.php as PHP."""
    remedy = 'Correct the link; resourceType="File" in the mapping lets only scripts that exist be asked for.'
    return HttpError(404, 0, f"{path} leads through a file", remedy=remedy)


def bad_application(settings: ApplicationSettings, why: str) -> HttpError:
    """500.19: fullPath, arguments or environment variables that cannot be used."""
    remedy = "fullPath is the absolute path of a program, unix:/run/NAME.sock or tcp://HOST:PORT."
    return HttpError(500, 19, f"fastCgi application {settings.full_path!r}: {why}", remedy=remedy)


def queue_full(settings: ApplicationSettings) -> HttpError:
    """503.4."""
    detail = f"{settings.queue_length} requests wait for a process of {settings.full_path}"
    return HttpError(503, 4, detail, remedy="Raise maxInstances or queueLength of its <application> in <fastCgi>.")


def rapid_fail(settings: ApplicationSettings) -> HttpError:
    """503.0 until the minute is over."""
    detail = f"more than {settings.rapid_fails_per_minute} processes of {settings.full_path} have failed in a minute"
    return HttpError(503, 0, detail, remedy="The events fastcgi-failed say why; it is tried again within a minute.")


def cannot_start(settings: ApplicationSettings, error: OSError) -> HttpError:
    """500.0 with exec's reason; 502.0 for a server that cannot be reached."""
    reason = error.strerror or str(error)
    if is_address(settings.full_path):
        detail = f"the FastCGI server {settings.full_path} cannot be reached: {reason}"
        return HttpError(
            502, 0, detail, remedy="Start it, or correct the address; the pool's user must be allowed to connect."
        )
    detail = f"the FastCGI process {settings.full_path} could not be started: {reason}"
    return HttpError(500, 0, detail, remedy=f"Run it by hand as the pool's user: {settings.full_path}.")


def timed_out(settings: ApplicationSettings, limit: Overdue) -> HttpError:
    """500.0 with WAIT_TIMEOUT; 504.0 for a server."""
    seconds = settings.request_timeout_seconds if limit is Overdue.REQUEST else settings.activity_timeout_seconds
    did = "took" if limit is Overdue.REQUEST else "was silent for"
    detail = f"{settings.full_path} {did} {seconds} seconds: its {limit.value} has passed"
    remedy = f"Make it faster, or raise {limit.value} of its <application> in <fastCgi>."
    if is_address(settings.full_path):
        return HttpError(504, 0, detail, remedy=remedy)
    return HttpError(500, 0, detail, win32_status=WAIT_TIMEOUT, remedy=remedy)


def exited(settings: ApplicationSettings, ended: ProgramExit | None, errors: ErrorOutput) -> HttpError:
    """500.0: the process went away before its answer was complete; 502.0 for a server."""
    if is_address(settings.full_path):
        detail = f"the FastCGI server {settings.full_path} closed the connection before its answer was complete"
        return HttpError(502, 0, _with_errors(detail, errors))
    detail = f"the FastCGI process {settings.full_path} ended its connection before its answer was complete"
    detail += f": it {describe_exit(ended)}"
    status = abs(ended.status) if ended is not None else 0
    return HttpError(500, 0, _with_errors(detail, errors), win32_status=status)


def broken(settings: ApplicationSettings, why: str) -> HttpError:
    """502.2: what it sends is no FastCGI."""
    return HttpError(502, 2, f"{settings.full_path} does not speak FastCGI: {why}")


def refused(settings: ApplicationSettings, why: str) -> HttpError:
    """The application itself has refused the request (END_REQUEST's protocolStatus)."""
    if why == "OVERLOADED":
        return HttpError(503, 4, f"{settings.full_path} says that it is overloaded")
    return HttpError(502, 2, f"{settings.full_path} has refused the request: {why}")


def error_text(script: str, errors: ErrorOutput, *, is_told: bool) -> HttpError:
    """500.0 because of text on FCGI_STDERR; `is_told`: the error page shows it (to whom httpErrors shows causes)."""
    detail = f"{script} wrote to its error stream"
    remedy = 'Correct it, or set stderrMode="IgnoreAndReturn200" at its <application> in <fastCgi>.'
    return HttpError(500, 0, _with_errors(detail, errors) if is_told else detail, remedy=remedy)


def _with_errors(detail: str, errors: ErrorOutput) -> str:
    lines = errors.last_lines(_SHOWN_LINES)
    return detail + ("\n\nIts error stream:\n" + "\n".join(lines) if lines else "")
