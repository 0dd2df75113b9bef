"""Managed modules as members of the integrated pipeline: one object with hooks for each entry of `modules`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from host.api import ModuleInfo, ModulePriority, RawData, Request, Response, hookimpl
from host.api.managed import GLOBAL_ASAX
from host.api.managed.events import AFTER_HANDLER, AT_THE_END, BEFORE_HANDLER
from host.managed.runtime import HttpRuntime

Hook = Callable[..., Coroutine[Any, Any, Any]]


def module_member(runtime: HttpRuntime, owner: str) -> object:
    """The hooks of a module: those of the events that it subscribes to, and no others."""
    events = runtime.subscriptions(owner)
    hooks: dict[str, Any] = {}
    for event in BEFORE_HANDLER:
        if event in events:
            hooks[event] = hookimpl(_before(runtime, event, owner))
    for event in (*AFTER_HANDLER, *AT_THE_END):
        if event in events:
            hooks[event] = hookimpl(_after(runtime, event, owner))
    if "pre_send_request_headers" in events:
        hooks["on_send_response"] = hookimpl(_sending(runtime, owner))
    if "pre_send_request_content" in events:
        hooks["on_send_raw_data"] = hookimpl(_sending_content(runtime, owner))
    return SimpleNamespace(**hooks)


def last_member(runtime: HttpRuntime) -> object:
    """The hooks of global.asax, which come behind every module's, and those that end a managed request."""
    member = module_member(runtime, GLOBAL_ASAX)
    raise_end = getattr(member, "end_request", None)
    raise_last = getattr(member, "post_update_request_cache", None)

    async def post_update_request_cache(request: Request, response: Response) -> None:
        if raise_last is not None:
            await raise_last(request, response)
        execution = runtime.execution(request)
        if not execution.is_streaming:
            execution.context.response.adopt(response)
            execution.finished()

    async def end_request(request: Request, response: Response) -> None:
        execution = runtime.execution(request)
        try:
            if raise_end is not None:
                await raise_end(request, response)
            await execution.raise_event("request_completed")
        finally:
            execution.release()

    def module_info() -> ModuleInfo:
        return ModuleInfo(priorities={"end_request": ModulePriority.LAST})

    vars(member).update(
        post_update_request_cache=hookimpl(post_update_request_cache),
        end_request=hookimpl(end_request),
        module_info=hookimpl(module_info),
    )
    return member


def _before(runtime: HttpRuntime, event: str, owner: str) -> Hook:
    async def before(request: Request) -> Response | None:
        execution = runtime.execution(request)
        if event == "post_map_request_handler":
            execution.context.handler_is_chosen()
        await execution.raise_event(event, owner)
        return execution.finished() if execution.context.is_completed else None

    return before


def _after(runtime: HttpRuntime, event: str, owner: str) -> Hook:
    async def after(request: Request, response: Response) -> None:
        execution = runtime.execution(request)
        view = execution.context.response

        async def run() -> None:
            await execution.raise_event(event, owner)

        if event in AT_THE_END:
            view.native = response
            await run()
        elif execution.is_streaming:
            execution.deferred.append(run)
        elif not execution.context.is_completed or execution.context.handler is not None:
            view.adopt(response)
            await run()
            view.settle()

    return after


def _sending(runtime: HttpRuntime, owner: str) -> Hook:
    async def sending(request: Request, response: Response) -> None:
        execution = runtime.execution(request)
        if not execution.is_streaming:
            execution.context.response.native = response
        await execution.raise_event("pre_send_request_headers", owner)

    return sending


def _sending_content(runtime: HttpRuntime, owner: str) -> Hook:
    async def sending_content(request: Request, data: RawData) -> None:
        del data
        await runtime.execution(request).raise_event("pre_send_request_content", owner)

    return sending_content
