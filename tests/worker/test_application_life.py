"""Applications start with their first request, follow their settings, and stop; modules stand where they say."""

from __future__ import annotations

from tests.worker.front import run
from tests.worker.site import STATIC, Site, attach

LIFE = """
    calls = []

    @hookimpl
    def application_start(application, settings):
        calls.append(f"start {application.path} {application.pipeline_mode}")

    @hookimpl
    def application_resolve_modules(application, modules):
        calls.append("modules " + ",".join(entry.name for entry in modules))

    @hookimpl
    def application_stop(application):
        calls.append("stop")

    @hookimpl
    def handler_mappings():
        return [HandlerMapping(name="Life", path="*.life")]

    @hookimpl
    def handle(request):
        return Response.text(" | ".join(calls))
"""


def test_an_application_starts_once_before_its_first_request(site: Site) -> None:
    """Requests that come together wait for the one start; the list of modules comes behind it."""
    site.extension("life", LIFE)
    site.module("quiet", "")

    async def main() -> None:
        front = await site.serve()
        numbers = [front.send("/a.life") for _ in range(5)]
        texts = {(await front.answer(number)).text for number in numbers}
        assert texts == {"start / Integrated | modules quiet"}

    run(main())


def test_a_start_that_fails_refuses_the_request_and_is_tried_again(site: Site) -> None:
    """The next request tries again."""
    site.extension(
        "fails",
        """
        tries = []

        @hookimpl
        def application_start(application, settings):
            tries.append(1)
            if len(tries) == 1:
                raise RuntimeError("not yet")
        """,
    )
    site.write("a.txt", "hello")

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/a.txt")).status == 500
        assert (await front.ask("/a.txt")).status == 200
        assert any("not yet" in text for text in site.told("plugin-error"))

    run(main())


def test_stop_comes_with_an_orderly_end_and_before_unload(site: Site) -> None:
    """Only for what was started."""
    site.extension(
        "life",
        LIFE
        + """
    @hookimpl
    def unload(context):
        context.report_event("plugin-message", " | ".join(calls))
""",
    )

    async def main() -> None:
        engine = await site.start()  # nothing is asked of it
        await engine.close()
        assert site.told("plugin-message") == [""]

    run(main())

    async def asked() -> None:
        site.events.clear()
        engine = await site.start()
        front = attach(engine)
        await front.ask("/a.life")
        await engine.close()
        assert site.told("plugin-message") == ["start / Integrated | modules  | stop"]

    run(asked())


def test_a_health_check_that_says_why_recycles_the_worker(site: Site) -> None:
    """With the ping's probe; one that raises is an event and no reason."""
    site.extension("broken", "@hookimpl\ndef health_check():\n    raise ValueError('who knows')\n")
    site.extension("sick", "@hookimpl\ndef health_check():\n    return 'no database'\n")

    async def main() -> None:
        engine = await site.start()
        await engine.probe()
        assert site.unhealthy == ["sick: no database"]
        assert any("who knows" in text for text in site.told("plugin-error"))

    run(main())


def test_modules_stand_by_priority_then_as_configured(site: Site) -> None:
    """FIRST before MEDIUM before LAST, by event; in on_send_response the order is inverted."""
    for name, info in (
        ("late", "ModuleInfo(priority=ModulePriority.LAST)"),
        ("one", "ModuleInfo()"),
        ("two", "ModuleInfo(priorities={'end_request': ModulePriority.LAST})"),
        ("early", "ModuleInfo(priority=ModulePriority.FIRST)"),
    ):
        site.module(
            name,
            f"""
            @hookimpl
            def module_info():
                return {info}

            @hookimpl
            def begin_request(request):
                request.context.setdefault("order", []).append("{name}")

            @hookimpl
            def on_send_response(request, response):
                request.context.setdefault("sent", []).append("{name}")
                response.headers.set("Order", ",".join(request.context["order"]))
                response.headers.set("Sent", ",".join(request.context["sent"]))
            """,
        )
    site.write("a.txt", "hello")

    async def main() -> None:
        answer = await (await site.serve()).ask("/a.txt")
        assert answer.header("Order") == "early,one,two,late"
        assert answer.header("Sent") == "late,two,one,early"

    run(main())


def test_integrated_mode_refuses_what_only_classic_mode_obeys(site: Site) -> None:
    """500.22 beside httpModules and 500.23 beside httpHandlers, unless validation is off; classic mode takes both."""
    section = '<httpModules><add name="A" type="a:A" /></httpModules>'
    site.write("web.config", f"<configuration><system.web>{section}</system.web></configuration>")
    site.write("a.txt", "hello")

    async def status() -> tuple[int, int]:
        answer = await (await site.serve()).ask("/a.txt")
        return answer.status, answer.substatus

    assert run(status()) == (500, 22)
    handlers = '<httpHandlers><add verb="*" path="*.x" type="a:A" /></httpHandlers>'
    site.write("web.config", f"<configuration><system.web>{handlers}</system.web></configuration>")
    assert run(status()) == (500, 23)
    site.further = '<validation validateIntegratedModeConfiguration="false" />'
    assert run(status())[0] == 200
    site.further, site.pool = "", '<add name="Pool" managedPipelineMode="Classic" /><add name="Other" />'
    assert run(status())[0] == 200


def test_a_module_for_managed_handlers_is_called_for_those_alone(site: Site) -> None:
    """From begin_request on: the handler is foreseen; runAllManagedModulesForAllRequests lifts it."""
    site.extension(
        "engine",
        """
        @hookimpl
        def module_names():
            return ["ManagedEngine"]

        @hookimpl
        def handle(request):
            return Response.text(request.context.get("seen", ""))
        """,
    )
    site.module(
        "limited",
        """
        @hookimpl
        def begin_request(request):
            request.context["seen"] = "begin"
            return Response.text("taken") if request.path.endswith(".txt") else None

        @hookimpl
        async def pre_request_handler_execute(request):
            request.context["seen"] += " pre"
        """,
    )
    site.modules = ['<add name="limited" preCondition="managedHandler" />']
    site.handlers = '<add name="Managed" path="*.ashx" verb="*" modules="ManagedEngine" />' + STATIC
    site.write("a.txt", "hello")

    async def main() -> tuple[str, str]:
        front = await site.serve()
        return (await front.ask("/a.ashx")).text, (await front.ask("/a.txt", method="HEAD")).header("Content-Length")

    assert run(main()) == ("begin pre", "5")
    site.write(
        "web.config",
        "<configuration><system.webServer><modules runAllManagedModulesForAllRequests='true' />"
        "</system.webServer></configuration>",
    )
    assert run(main()) == ("begin pre", str(len("taken")))


def test_an_application_adds_to_and_removes_inherited_modules(site: Site) -> None:
    """By its web.config; a locked entry stays, and a web.config that touches it is 500.19."""
    for name in ("one", "two", "three"):
        site.module(
            name,
            f"""
            @hookimpl
            def on_send_response(request, response):
                response.headers.add("By", "{name}")
            """,
        )
    locked = '<add name="one" lockItem="true" />'
    site.modules = [locked, '<add name="two" />']
    folders = {name: site.folder / "wwwroot" / name for name in ("removes", "adds", "breaks")}
    for name, inside in (
        ("removes", '<remove name="two" /><add name="three" />'),
        ("adds", '<add name="three" />'),
        ("breaks", '<remove name="one" />'),
    ):
        section = f"<system.webServer><modules>{inside}</modules></system.webServer>"
        site.write(f"{name}/web.config", f"<configuration>{section}</configuration>")
        site.write(f"{name}/a.txt", "hello")
        site.applications += (
            f'<application path="/{name}" applicationPool="Pool">{site.directory("/", folders[name])}</application>'
        )

    async def main() -> None:
        front = await site.serve(["1:/", *(f"1:/{name}" for name in folders)])

        async def by(name: str) -> set[str]:
            answer = await front.ask(f"/{name}/a.txt", application=f"1:/{name}")
            lines = answer.head.decode().split("\r\n")
            return {line.partition(": ")[2] for line in lines if line.startswith("By")} or {str(answer.substatus)}

        assert await by("removes") == {"one", "three"}
        assert await by("adds") == {"one", "two", "three"}
        assert await by("breaks") == {"19"}

    run(main())
