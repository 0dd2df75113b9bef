"""CGI output as a response (RFC 3875 section 6): the same for every carrier."""

from __future__ import annotations

from collections.abc import Sequence

from host.api import Request, ResourceType, Response
from host.api.response import new_response
from host.gateway.cgi_response import CgiForm, CgiHead, CgiResponseParser, MalformedOutput, parse_whole
from host.programs.gateway_run import GatewayRun
from host.programs.output_body import NoBody, output_body
from host.programs.sent_file import FileNotAllowed, file_response, names_file


def answers_for_a_folder(request: Request) -> bool:
    """Whether the mapping names no files but a folder (`app/*`) or everything: what lies on disk has no part in it."""
    mapping = request.mapping
    return mapping is not None and mapping.resource_type is ResourceType.UNSPECIFIED and mapping.path.endswith("*")


def whole_answer(request: Request, output: bytes) -> Response | None:
    """The response that a program's whole output is, when nothing is left to be asked: a document with its body.
    None otherwise: that is `respond`'s."""
    found = parse_whole(output)
    if found is None:
        return None
    head, rest = found
    roots = request.settings.cgi.sendfile_roots if request.settings is not None else ()
    if not head.has_body or (roots and names_file(head)):
        return None
    body: bytes | NoBody = rest
    promised = head.content_length
    if request.method == "HEAD":
        body = NoBody()
    elif promised is not None and promised != len(rest):
        if promised > len(rest):
            return None
        body = rest[:promised]
    response = new_response(head.status, head.headers.copy(), body, head.reason)  # filters may change the fields
    if head.status == 401:
        response.substatus = 5  # denied by a CGI program
    return response


async def respond(request: Request, run: GatewayRun) -> Response:
    """The response as soon as its head is there. Raises HttpError as `run` does."""
    parser = CgiResponseParser()
    malformed: MalformedOutput | None = None
    while parser.head is None and malformed is None:
        data = await run.read()
        try:
            if data:
                parser.receive(data)
            else:
                parser.receive_end()
        except MalformedOutput as error:
            malformed = error
    head = parser.head
    if head is None:
        assert malformed is not None
        raise await run.failure(str(malformed), malformed.output) from malformed
    if head.form is CgiForm.LOCAL_REDIRECT:
        run.finish()
        return Response.local_redirect(head.target)
    roots = request.settings.cgi.sendfile_roots if request.settings is not None else ()
    if roots and head.form is CgiForm.DOCUMENT and names_file(head):
        return await _send_file(request, run, head, roots)
    response = Response(status=head.status, reason=head.reason, headers=head.headers)
    if head.status == 401:
        response.substatus = 5  # denied by a CGI program
    await _fill_body(request, run, response, head, parser.rest)
    return response


async def _send_file(request: Request, run: GatewayRun, head: CgiHead, roots: Sequence[str]) -> Response:
    response: Response | None = None
    refused: FileNotAllowed | None = None
    try:
        response = await file_response(request, head, roots)
    except FileNotAllowed as error:
        refused = error
    if response is None:
        failure = await run.failure(str(refused), in_body=True)
        failure.remedy = "Name a file that the pool's user may read, below one of the folders in cgi/@sendfileRoots."
        raise failure from refused
    run.finish()
    return response


async def _fill_body(request: Request, run: GatewayRun, response: Response, head: CgiHead, rest: bytes) -> None:
    """Our own page, the program's output, or nothing."""
    if head.stock_body is not None:
        run.finish()
        response.body = head.stock_body
    elif head.has_body and request.method != "HEAD":
        response.body = await output_body(run, rest, head.content_length)
    else:
        run.finish()
        if head.has_body:
            response.body = NoBody()
