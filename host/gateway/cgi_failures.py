"""What is said when a CGI program fails: to the client's error page, with the cause and the remedy for a local one.

Numbers are IIS's: 403.1 execution not allowed, 404.0 no such script, 502.1 timed out, 502.2 ended without a complete
set of headers (which is also said when it could not be started at all).
"""

from __future__ import annotations

import errno
from typing import Final

from host.api import HttpError, LaunchRefused, ProgramExit, ResourceLimits
from host.gateway.error_output import ErrorOutput
from host.gateway.first_line import names_of_language

_SHOWN_OUTPUT: Final = 4096
_SHOWN_ERROR_LINES: Final = 40
_LOGGED_ERROR_LINES: Final = 5
_TAKEN_CARRIAGE_RETURNS: Final = ("\r: not found", "\\r': command not found")  # dash, bash
_STARTS_PROGRAM_OF_WINDOWS: Final = b"MZ"  # of .exe and of .dll
_BODYS_FILE: Final = "its request's body, which waits in a file"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_BUSY: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})

_REMEDIES_OF_PATHS: Final = {
    errno.ENOENT: "A temporary folder is made again when its pool starts: isapy stop pool NAME, isapy start pool NAME.",
    errno.ENOSPC: "Make room on the disk of the pool's temporary folder.",
    errno.EDQUOT: "Make room on the disk of the pool's temporary folder, or raise the quota of the pool's user.",
    errno.EACCES: "Give the pool's user access to it.",
}


def describe_exit(ended: ProgramExit | None) -> str:
    """How a program ended, as the end of a sentence that begins with its name."""
    if ended is None:
        return "is still running"
    if ended.by_signal or ended.status < 0:
        return f"was killed by {ended.by_signal or f'signal {-ended.status}'}"
    return f"exited with status {ended.status}"


def exit_in_brief(ended: ProgramExit | None) -> str:
    """How a program ended, as a word to count by: its exit status, or its signal."""
    if ended is None:
        return "running"
    return ended.by_signal or (f"signal {-ended.status}" if ended.status < 0 else str(ended.status))


def error_in_brief(why: str, ended: ProgramExit | None, errors: ErrorOutput) -> str:
    """A failure as one sentence for a list: why, how it ended, and the last line of its standard error."""
    last = errors.last_lines(1)
    return f"{why}; it {describe_exit(ended)}" + (f": {last[0]}" if last else "")


def not_executable(script: str) -> HttpError:
    """403.1: a file that nobody may execute and that no interpreter is mapped to."""
    return HttpError(
        403,
        1,
        f"{script} is not executable, and its mapping has no scriptProcessor",
        remedy=f'Make it executable: chmod +x {script}; or map its extension to an interpreter: scriptProcessor="...".',
    )


def no_such_script(script: str, error: OSError | ValueError | None) -> HttpError:
    """404.0 for what is not there or no regular file, 403.1 for what may not be looked at."""
    if isinstance(error, PermissionError):
        return HttpError(403, 1, f"{script} cannot be reached", remedy="Give the pool's user x on each folder above.")
    reason = getattr(error, "strerror", "") or ("not a regular file" if error is None else str(error))
    return HttpError(404, 0, f"{script}: {reason}")


def no_path_info(script: str, path_info: str) -> HttpError:
    """404.0: the URL goes on behind the script, and cgi/@acceptPathInfo is false."""
    remedy = 'Correct the link, or set <cgi acceptPathInfo="true" />.'
    return HttpError(404, 0, f"{script} takes no path behind its name: {path_info}", remedy=remedy)


def bad_processor(processor: str, why: str) -> HttpError:
    """500.19: the mapping's scriptProcessor cannot be used."""
    remedy = 'scriptProcessor is a command line such as /usr/bin/perl or /usr/bin/perl "%s" %s.'
    return HttpError(500, 19, f"scriptProcessor {processor!r}: {why}", remedy=remedy)


def launch_failure(error: OSError, argv: list[bytes], interpreter: str, start: bytes = b"") -> HttpError:
    """The program could not be started: exec's or chdir's errno, told in the script's terms; or something that it
    needs could not be had, which `error.filename` names.

    `interpreter` is what the script's `#!` line names, empty when it has none; `start` are the file's first bytes.
    """
    if isinstance(error, LaunchRefused):
        return HttpError(500, 0, f"it is not run: {error}", remedy=error.remedy)
    program = argv[0].decode("utf-8", "replace")
    reason = f"{program} could not be started: {error.strerror or error}"
    if error.errno in _BUSY:
        return HttpError(
            500, 13, reason, remedy="Raise the pool's limits, or lower the number of CGI requests at once."
        )
    concerned: object = error.filename  # text from the system's calls, bytes from the one who starts programs
    path = concerned.encode("utf-8", "surrogateescape") if isinstance(concerned, str) else concerned
    if error.errno in _FULL or (path and path not in argv):
        named = path.decode("utf-8", "replace") if isinstance(path, bytes) and path else _BODYS_FILE
        is_its_own = isinstance(path, bytes) and any(word.startswith(path + b"/") for word in argv)
        has_gone = error.errno == errno.ENOENT and is_its_own  # with the script: no pool makes that again
        return _hindered_by(error, program, named, "" if has_gone else _REMEDIES_OF_PATHS.get(error.errno or 0, ""))
    if error.errno == errno.E2BIG:
        return HttpError(431, 0, f"{reason}: the request's fields and query are larger than an environment may be")
    if error.errno in (errno.EACCES, errno.EPERM):
        return HttpError(403, 1, reason, remedy=f"Give the pool's user execute permission: chmod +x {program}")
    if error.errno == errno.ENOEXEC and start.startswith(_STARTS_PROGRAM_OF_WINDOWS):
        remedy = "It is a program of Windows: put one that was built for Linux there, or take it out of the folder."
        return HttpError(502, 2, reason, remedy=remedy)
    if error.errno == errno.ENOEXEC:
        return HttpError(502, 2, reason, remedy="Begin the script with a #! line that names its interpreter.")
    if error.errno == errno.ENOENT and interpreter:
        language = names_of_language(interpreter.encode("utf-8", "surrogateescape"))[-1]
        remedy = (
            f"Its #! line names {interpreter}: install it, correct the line, or name who runs {language} here: "
            f'<cgi><languages><add name="{language}" path="..." /></languages></cgi>.'
        )
        return HttpError(502, 2, reason, remedy=remedy)
    return HttpError(502, 2, reason)


def _hindered_by(error: OSError, program: str, path: str, remedy: str) -> HttpError:
    """500.0: a file or folder that the program needs, its temporary folder for example, and not the program."""
    detail = f"{program} could not be started because of {path}: {error.strerror or error}"
    return HttpError(500, 0, detail, remedy=remedy)


def overdue_in_brief(attribute: str, seconds: int) -> str:
    """Which time limit of `<cgi>` has passed, as the end of a sentence that begins with the program's name."""
    did = {
        "timeout": "ran for",
        "firstByteTimeout": "printed nothing for",
        "idleTimeout": "printed nothing more for",
    }[attribute]
    return f"{did} {seconds} seconds and was ended"


def timed_out(script: str, attribute: str, seconds: int, errors: ErrorOutput) -> HttpError:
    """502.1: `attribute`, a time limit of `<cgi>`, has passed."""
    detail = f"{script} {overdue_in_brief(attribute, seconds)}{_last_words(errors)}"
    return HttpError(502, 1, detail, remedy=f"Make it faster, or raise the {attribute} attribute of <cgi>.")


def printed_too_much(script: str, brief: str, errors: ErrorOutput) -> HttpError:
    """502.2: cgi/@outputSizeLimit has been passed."""
    detail = f"{script} {brief}{_last_words(errors)}"
    return HttpError(502, 2, detail, remedy="Make it print less, or raise the outputSizeLimit attribute of <cgi>.")


def _last_words(errors: ErrorOutput) -> str:
    lines = errors.last_lines(_SHOWN_ERROR_LINES)
    return ".\n\nIts standard error:\n" + "\n".join(lines) if lines else ""


def ended_event(script: str, request_id: str, brief: str, errors: ErrorOutput) -> str:
    """The line for the event log about a program that was ended."""
    lines = errors.last_lines(_LOGGED_ERROR_LINES)
    told = f"; standard error: {' | '.join(lines)}" if lines else ""
    return f"request {request_id}: {script} {brief}{told}"


def no_instance_free(most: int, queue_length: int) -> HttpError:
    """503.4: cgi/@maxInstances programs run, and as many requests as may wait do."""
    return HttpError(
        503,
        4,
        f"{most} programs run, and {queue_length} requests wait for one of them to end",
        remedy="Raise maxInstances or queueLength of <cgi>, or find out with `isapy list scripts` what takes long.",
    )


def limits_in_brief(limits: ResourceLimits | None) -> str:
    """The resource limits that a program ran under, by the names of their attributes; empty for none."""
    if limits is None:
        return ""
    all_of_them = (
        ("processorTimeLimit", limits.processor_seconds, " seconds"),
        ("addressSpaceLimit", limits.address_space_kilobytes, " kilobytes"),
        ("openFilesLimit", limits.open_files, ""),
        ("processesLimit", limits.processes, ""),
    )
    return ", ".join(f"{name} {value}{unit}" for name, value, unit in all_of_them if value)


def failed(  # a page that explains everything
    script: str,
    why: str,
    ended: ProgramExit | None,
    output: bytes,
    errors: ErrorOutput,
    *,
    in_body: bool = False,
    limits: ResourceLimits | None = None,
) -> HttpError:
    """502.2: IIS's "did not return a complete set of HTTP headers", with what the program did print.

    `in_body`: the headers were complete, and what they promise is not. `limits`: what it ran under.
    """
    missing = "its whole answer" if in_body else "a complete set of HTTP headers"
    parts = [f"{script} did not return {missing}: {why}. It {describe_exit(ended)}."]
    if in_force := limits_in_brief(limits):
        parts.append(f"It ran under these limits of <cgi>: {in_force}.")
    if output:
        parts.append(f"What it printed:\n{output[:_SHOWN_OUTPUT].decode('utf-8', 'replace')}")
    lines = errors.last_lines(_SHOWN_ERROR_LINES)
    if lines:
        parts.append("Its standard error:\n" + "\n".join(lines))
    remedy = _known_cause(errors) or (
        "Run it by hand: it must print its headers, Content-Type at least, then an empty line, then the page."
    )
    if in_body:
        remedy = "Run it by hand: it must print as many bytes as its Content-Length says, or no Content-Length."
    return HttpError(502, 2, "\n\n".join(parts), remedy=remedy)


def server_failed(server: str, script: str, why: str, output: bytes, *, in_body: bool = False) -> HttpError:
    """502.2 for what a server that somebody else runs has answered: there is no program of ours to speak of.

    `server` names it: `the SCGI server tcp://127.0.0.1:4000`.
    """
    missing = "its whole answer" if in_body else "a complete set of HTTP headers"
    parts = [f"{server} did not return {missing} for {script}: {why}."]
    if output:
        parts.append(f"What it printed:\n{output[:_SHOWN_OUTPUT].decode('utf-8', 'replace')}")
    remedy = "It must send its headers, Content-Type at least, then an empty line, then the page."
    if in_body:
        remedy = "It must send as many bytes as its Content-Length says, or no Content-Length."
    return HttpError(502, 2, "\n\n".join(parts), remedy=remedy)


def server_failure_event(server: str, name: str, why: str) -> str:
    """The line for the event log about such an answer; `name` is script and request."""
    return f"{name}: {server} did not answer as CGI demands: {why}"


def _known_cause(errors: ErrorOutput) -> str:
    """What is wrong with a script whose standard error betrays it, and the remedy; else empty."""
    if any(sign in errors.tail for sign in _TAKEN_CARRIAGE_RETURNS):
        return "Its lines end in CR LF, and a shell takes the CR as part of each command: isapy doctor --fix FOLDER."
    return ""


def refusal_event(request_id: str, failure: HttpError) -> str:
    """The line for the event log about a program that could not be started, with what helps."""
    return f"request {request_id}: {failure.detail}" + (f". {failure.remedy}" if failure.remedy else "")


def failure_event(  # a line that explains everything
    script: str,
    request_id: str,
    why: str,
    ended: ProgramExit | None,
    errors: ErrorOutput,
    *,
    limits: ResourceLimits | None = None,
) -> str:
    """The line for the event log."""
    text = f"{script} (request {request_id}) {describe_exit(ended)}: {why}"
    if in_force := limits_in_brief(limits):
        text += f" (under {in_force})"
    lines = errors.last_lines(_LOGGED_ERROR_LINES)
    text += f"; standard error: {' | '.join(lines)}" if lines else ""
    cause = _known_cause(errors)
    return f"{text}. {cause}" if cause else text
