"""`isapy check`: every problem of the server's file and of the web.config files below its sites."""

from __future__ import annotations

from host.config.store import check_tree
from tests.config.server_sample import Server


def check(server: Server) -> tuple[list[str], list[str]]:
    errors, warnings = check_tree(server.source())
    root = str(server.root)
    return [str(one).replace(root, "ROOT") for one in errors], [str(one).replace(root, "ROOT") for one in warnings]


def test_a_sound_tree_has_neither_errors_nor_warnings(server: Server) -> None:
    """Web.config files that fit are not mentioned."""
    server.write("")
    server.web_config("www", '<directoryBrowse enabled="true" />')
    server.web_config("shop/cart", '<httpErrors errorMode="Custom" />')
    assert check(server) == ([], [])


def test_a_broken_server_file_is_told_alone(server: Server) -> None:
    """What builds on it cannot be judged."""
    server.write("<nonsense />")
    server.raw_web_config("www", "<broken")
    errors, _ = check(server)
    assert [error.partition(": ")[2] for error in errors] == [
        'nonsense: no section or group is called "nonsense"; remove it'
    ]
    server.file.write_text("<configuration>")
    assert check(server)[0][0].startswith("ROOT/conf/applicationHost.config:1: not well-formed XML")


def test_every_web_config_is_looked_at(server: Server) -> None:
    """In every site, application, virtual directory and folder, and inside locations that nobody asks for."""
    server.write("")
    server.raw_web_config("www", "<broken")
    server.web_config("www/images", '<cgi timeout="00:00:01" />')
    server.web_config("media", "<nonsense />")
    server.web_config("media/deep", "<nonsense />")
    server.web_config("shop/cart", '<modules><add name="no_such_plugin" /></modules>')
    server.raw_web_config(
        "other",
        '<configuration><location path="x"><system.webServer>\n<cgi />\n</system.webServer></location></configuration>',
    )
    errors, warnings = check(server)
    assert [error.partition(":")[0] + error.partition(":")[2].split(";")[0][1:70] for error in errors] == [
        "ROOT/media/web.config: nonsense: no section is called system.webServer/nonsense",
        "ROOT/other/web.config: cgi: this section is locked by ROOT/conf/applicationHost.config",
        'ROOT/shop/cart/web.config: modules/add/@name: there is no plugin "no_such_plugin"',
        "ROOT/shop/cart/web.config: modules: this section may not stand below an application's root",
        "ROOT/www/images/web.config: cgi: this section is locked by ROOT/conf/applicationHost.config",
        "ROOT/www/web.config: not well-formed XML: Couldn't find end of Start Tag broken line 1",
    ]
    assert warnings == []


def test_warnings_of_web_config_files(server: Server) -> None:
    """Sections of .NET, with a louder word for what IIS kept shut, and a file name that Windows would have found."""
    server.write("")
    server.raw_web_config("www", "<configuration>\n<system.web /></configuration>")
    server.raw_web_config(
        "shop", "<configuration><system.web>\n<authorization>\n<deny /></authorization></system.web></configuration>"
    )
    (server.root / "shop/Web.Config").write_text("<configuration />")
    assert check(server) == (
        [],
        [
            "ROOT/shop/Web.Config:1: it is not read; name it web.config",
            "ROOT/shop/web.config:2: authorization: system.web/authorization is not supported yet and ignored: "
            "it restricts NOTHING here",
            "ROOT/www/web.config:2: system.web: isapy has no use for this section; it is ignored",
        ],
    )


def test_a_pool_that_ignores_web_config_files_is_not_checked_for_them(server: Server) -> None:
    """Nobody will read them."""
    text = server.write("").text.decode().replace('name="Shop"', 'name="Shop" enableConfigurationOverride="false"')
    server.file.write_text(text)
    server.raw_web_config("shop", "<broken")
    assert check(server) == ([], [])


def test_two_sites_with_an_identical_binding_are_worth_a_warning(server: Server) -> None:
    """Only one of them can be started at a time; where one does not start by itself, that is what is meant."""
    server.write("")
    text = server.file.read_text()
    second = '<bindings><binding protocol="http" bindingInformation="127.0.0.1:8080:" /></bindings>'
    other = '<site name="Other" id="2">'
    server.file.write_text(text.replace(other, other + second))
    errors, warnings = check(server)
    assert errors == []
    line = text[: text.index(other)].count("\n") + 1
    assert warnings == [
        f"ROOT/conf/applicationHost.config:{line}: binding/@bindingInformation: site Default Web Site has this binding "
        "(127.0.0.1:8080:) already; Other stays stopped while Default Web Site is started; "
        "choose another address, port or host name"
    ]
    server.file.write_text(text.replace(other, f'<site name="Other" id="2" serverAutoStart="false">{second}'))
    assert check(server) == ([], [])


def test_server_auto_start_is_no_matter_of_workers(server: Server) -> None:
    """Changing it recycles nothing."""
    server.write("")
    before = server.snapshot().pool_fingerprints
    other = '<site name="Other" id="2"'
    server.file.write_text(server.file.read_text().replace(other, f'{other} serverAutoStart="false"'))
    assert server.snapshot().pool_fingerprints == before


def test_pool_settings_that_iis5_isolation_ignores_are_named(server: Server) -> None:
    """One warning a pool with its line; what an application is told of its pool in either mode is not among them."""
    server.write("", pools='<add name="Quiet" managedPipelineMode="Classic" />')
    text = server.file.read_text().replace(
        '<add name="Shop" />',
        """<applicationPoolDefaults><processModel idleTimeout="00:05:00" /></applicationPoolDefaults>
      <add name="Shop" queueLength="50" enableConfigurationOverride="true">
        <recycling><periodicRestart requests="10" /></recycling>
        <failure rapidFailProtection="false" replayIdempotentRequests="false" />
      </add>""",
    )
    server.file.write_text(text)
    assert check(server) == ([], [])
    server.file.write_text(text.replace("<sites>", '<isolation mode="IIS5" /><sites>'))
    errors, warnings = check(server)
    assert errors == []
    first, second = (
        text[: text.index(word)].count("\n") + 1 for word in ("<applicationPoolDefaults", '<add name="Shop"')
    )
    ignores = "IIS 5 isolation mode has no application pools; it ignores"
    remedy = 'these settings count with <isolation mode="WorkerProcess" />'
    assert warnings == [
        f"ROOT/conf/applicationHost.config:{first}: applicationPoolDefaults: {ignores} processModel; {remedy}",
        f"ROOT/conf/applicationHost.config:{second}: applicationPools/add: {ignores} "
        f"failure/@rapidFailProtection, queueLength, recycling; {remedy}",
    ]


def test_modules_and_conditions_that_nobody_has_are_warned_of(server: Server) -> None:
    """A handler's module is known by its file or by what that calls itself; of a list one name is enough."""
    (server.root / "extensions").mkdir()
    (server.root / "extensions" / "till.py").write_text('def module_names():\n    return ("CashModule",)\n')
    server.write(
        """<system.webServer><handlers>
        <add name="a" path="*.a" verb="*" modules="till" />
        <add name="b" path="*.b" verb="*" modules="CashModul" />
        <add name="c" path="*.c" verb="*" modules="X, cashmodule" preCondition="integratedmode,runtimeVersionv2.0" />
        <add name="e" path="*.e" verb="*" />
        </handlers>
        <isapiFilters><filter name="request_filtering" preCondition="bitness46" /></isapiFilters>
        <modules><add name="till" preCondition="integratedMode, sometimes" /></modules></system.webServer>"""
    )
    server.web_config("shop", '<handlers><add name="d" path="*.d" verb="*" modules="Nobody" /></handlers>')
    absent = "it never holds, and the entry counts as absent"
    refused = "such requests are answered with 500.21"
    host = "ROOT/conf/applicationHost.config"
    assert check(server) == (
        [],
        [
            f"{host}:30: handlers/add/@modules: no plugin is called CashModul: {refused}; did you mean CashModule?",
            f"{host}:32: handlers/add: it names nobody who answers: {refused}; "
            "name a plugin in modules, or a program in scriptProcessor",
            f'{host}:34: filter/@preCondition: there is no condition "bitness46": {absent}; did you mean bitness64?',
            f'{host}:35: modules/add/@preCondition: there is no condition "sometimes": {absent}; write one of '
            "integratedMode, classicMode, bitness32, bitness64, managedHandler, runtimeVersion...",
            f"ROOT/shop/web.config:2: handlers/add/@modules: no plugin is called Nobody: {refused}; "
            "name a plugin that `isapy list plugins` shows",
        ],
    )
