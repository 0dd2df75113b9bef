"""`load` opens something and fails; `unload` must close it."""

from host.api import HandlerMapping, PluginContext, Request, Response, hookimpl


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="HalfWay", path="*.half")]


@hookimpl
def load(context: PluginContext) -> None:
    context.state["opened"] = True
    raise OSError(2, "No such file or directory", "/no/such/table")


@hookimpl
def unload(context: PluginContext) -> None:
    context.report_event("plugin-warning", f"closed what was opened: {context.state['opened']}")


@hookimpl
def handle(request: Request) -> Response:
    return Response.text("never reached")
