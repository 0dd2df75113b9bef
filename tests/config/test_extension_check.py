"""Extensions that are written without their dot."""

from __future__ import annotations

from host.config.store import check_tree
from tests.config.server_sample import Server

LISTED = '<isapiFilters><filter name="request_filtering" /></isapiFilters>'


def warnings_of(server: Server) -> list[str]:
    errors, warnings = check_tree(server.source())
    assert errors == []
    return [str(warning).replace(str(server.root), "ROOT") for warning in warnings]


def test_an_extension_without_its_dot_is_warned_of_where_it_would_be_of_no_effect(server: Server) -> None:
    """What is to be refused, above all: `exe` refuses nothing. In the server's file and in a web.config."""
    server.write(
        f"""<system.webServer>{LISTED}<security><requestFiltering><fileExtensions>
<add fileExtension="exe" allowed="false" /><add fileExtension="." allowed="true" />
</fileExtensions></requestFiltering></security>
<caching><profiles><add extension="html" /><add extension="*" /></profiles></caching></system.webServer>"""
    )
    server.web_config(
        "www", '<staticContent><mimeMap fileExtension="wasm" mimeType="application/wasm" /></staticContent>'
    )
    told = '"{}" begins with no dot, so no file has it; write ".{}"'
    assert warnings_of(server) == [
        f"ROOT/conf/applicationHost.config:29: fileExtensions/add/@fileExtension: {told.format('exe', 'exe')}",
        f"ROOT/conf/applicationHost.config:31: profiles/add/@extension: {told.format('html', 'html')}",
        f"ROOT/www/web.config:2: mimeMap/@fileExtension: {told.format('wasm', 'wasm')}",
    ]


def test_extensions_as_they_are_meant_are_not_mentioned(server: Server) -> None:
    """With their dot, the one for none (`.`) and the one for any (`.*`); what is removed was added by others."""
    server.write("")
    inner = '<mimeMap fileExtension=".wasm" mimeType="a/b" /><mimeMap fileExtension="." mimeType="a/b" />'
    inner += '<remove fileExtension="txt" /><mimeMap fileExtension=".*" mimeType="a/b" />'
    server.web_config("www", f"<staticContent>{inner}</staticContent>")
    assert warnings_of(server) == []
