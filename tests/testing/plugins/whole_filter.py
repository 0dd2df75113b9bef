"""A filter with a little of everything."""

from host.api import Connection, FilterInfo, LogEntry, Request, Response, hookimpl

ended: list[int] = []


@hookimpl
def filter_info() -> FilterInfo:
    return FilterInfo(description="whole")


@hookimpl
def on_preproc_headers(request: Request) -> Response | None:
    return Response.text("kept out", status=503) if request.headers.get("X-Stranger") else None


@hookimpl
def on_log(request: Request, entry: LogEntry) -> None:
    entry.client_user_name = "somebody"


@hookimpl
async def on_end_of_net_session(connection: Connection) -> None:
    ended.append(connection.number)
