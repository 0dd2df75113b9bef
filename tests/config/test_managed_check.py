"""What classic mode configures, beside pools of both pipeline modes; classes that no worker here can load."""

from __future__ import annotations

from host.config.store import check_tree
from tests.config.server_sample import Server

MODULES = '<httpModules><add name="A" type="audit:Audit" /></httpModules>'
HANDLERS = '<httpHandlers><add verb="*" path="*.x" type="x:X" /></httpHandlers>'
OFF = '<system.webServer><validation validateIntegratedModeConfiguration="false" /></system.webServer>'


def warnings_of(server: Server) -> set[str]:
    errors, warnings = check_tree(server.source())
    assert errors == []
    return {str(warning).partition(": ")[2] for warning in warnings}


def test_an_integrated_pool_is_told_what_it_will_refuse(server: Server) -> None:
    """With the substatus, and what to do; with validation off it is ignored, and that is told as well."""
    server.write(f"<system.web>{MODULES}{HANDLERS}</system.web>")
    told = warnings_of(server)
    assert any("httpModules is not obeyed: requests are refused with 500.22" in text for text in told)
    assert any("httpHandlers is not obeyed: requests are refused with 500.23" in text for text in told)
    server.write(f"<system.web>{MODULES}</system.web>{OFF}")
    assert any("httpModules is not obeyed: it is ignored" in text for text in warnings_of(server))


def test_types_of_dot_net_are_told_and_refuse_nothing(server: Server) -> None:
    """A web.config of a Windows server goes on working for what isapy can serve."""
    server.write(
        '<system.web><httpModules><add name="A" type="A.B, C" /></httpModules></system.web>'
        '<system.webServer><handlers><add name="P" path="*.aspx" verb="*" type="System.Web.UI.PageHandlerFactory" />'
        "</handlers></system.webServer>"
    )
    told = warnings_of(server)
    assert len(told) == 2
    assert all("is a type of .NET, which isapy cannot run" in text for text in told)


def test_other_sections_of_system_web_are_ignored_with_a_warning(server: Server) -> None:
    """One warning for each, beside a section that counts; an empty httpModules is worth none."""
    server.write("<system.web><compilation /><httpModules /></system.web>")
    assert warnings_of(server) == {"compilation: isapy has no use for this section; it is ignored"}
