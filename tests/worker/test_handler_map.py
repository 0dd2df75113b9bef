"""Which handler answers: order, patterns, verbs, kinds of resources, access, restrictions."""

from __future__ import annotations

import html

import pytest

from tests.worker.front import Answer, run
from tests.worker.site import STATIC, Site

SHOW = """
@hookimpl
async def handle(request):
    return Response.text(f"{request.mapping.name} {request.script_name}|{request.path_info}|{request.physical_path}")
"""


def ask(site: Site, *targets: str, **request: str) -> list[Answer]:
    async def main() -> list[Answer]:
        front = await site.serve()
        return [await front.ask(target, **request) for target in targets]

    return run(main())


def add(name: str, path: str, *, verb: str = "*", modules: str = "show", further: str = "") -> str:
    return f'<add name="{name}" path="{path}" verb="{verb}" modules="{modules}" {further} />'


@pytest.fixture
def shown(site: Site) -> Site:
    """A site with an extension that shows how it was reached."""
    site.extension("show", SHOW)
    return site


def test_the_first_mapping_that_fits_path_and_verb_answers(shown: Site) -> None:
    """Verbs compare with case; a mapping for another verb is passed over."""
    shown.handlers = '<remove name="StaticFile" />' + add("Get", "*.x", verb="GET, HEAD") + add("Any", "*.x")
    shown.handlers += add("Y", "*.y", verb="PUT")
    first, nobody = ask(shown, "/a.x", "/a.y")
    assert first.text.startswith("Get ")
    assert (nobody.status, nobody.substatus) == (404, 4)
    assert "take only PUT" in nobody.text
    assert ask(shown, "/a.x", method="get")[0].text.startswith("Any ")


def test_path_info_is_what_follows_the_script(shown: Site) -> None:
    """Matched inside the path; the physical path is the script's."""
    shown.handlers = add("Py", "*.py")
    root = shown.root
    plain, tail, slash = ask(shown, "/d/a.py", "/d/a.py/t/u", "/a.py/")
    assert plain.text == f"Py /d/a.py||{root}/d/a.py"
    assert tail.text == f"Py /d/a.py|/t/u|{root}/d/a.py"
    assert slash.text == f"Py /a.py|/|{root}/a.py"


def test_a_mapping_that_demands_a_file_is_404_when_there_is_none(shown: Site) -> None:
    """404.0 names the mapping; an existing file answers, with and without a tail; a folder is passed over."""
    shown.write("a.py", "x")
    shown.write("folder.py/index.html", "in a folder")
    shown.write("folder.py/real.py", "x")
    shown.handlers = add("Py", "*.py", further='resourceType="File"') + STATIC
    found, tail, missing, inside, deeper = ask(
        shown, "/a.py", "/a.py/t", "/b.py/t", "/folder.py/index.html", "/folder.py/real.py/t"
    )
    assert found.text == f"Py /a.py||{shown.root}/a.py"
    assert tail.text == f"Py /a.py|/t|{shown.root}/a.py"
    assert (missing.status, missing.substatus) == (404, 0)
    assert "Py" in missing.text
    assert inside.text == "in a folder"
    assert deeper.text == f"Py /folder.py/real.py|/t|{shown.root}/folder.py/real.py"


def test_a_mapping_of_a_folder_finds_its_scripts_by_looking(shown: Site) -> None:
    """`dir/*` with resourceType File: the longest prefix that is a file is the script."""
    shown.write("cgi-bin/sub/run.cgi", "x")
    shown.handlers = add("Cgi", "/cgi-bin/*", further='resourceType="File"') + STATIC
    script, tail, slash, missing, folder = ask(
        shown,
        "/cgi-bin/sub/run.cgi",
        "/cgi-bin/sub/run.cgi/a/b",
        "/cgi-bin/sub/run.cgi/",
        "/cgi-bin/sub/none.cgi/a",
        "/cgi-bin/sub/",
    )
    physical = f"{shown.root}/cgi-bin/sub/run.cgi"
    assert script.text == f"Cgi /cgi-bin/sub/run.cgi||{physical}"
    assert tail.text == f"Cgi /cgi-bin/sub/run.cgi|/a/b|{physical}"
    assert slash.text == f"Cgi /cgi-bin/sub/run.cgi|/|{physical}"
    assert (missing.status, missing.substatus) == (404, 0)
    assert (folder.status, folder.substatus) == (403, 14)  # the static handler's answer: a folder is no script


def test_mappings_that_plugins_bring_stand_before_the_catch_all(site: Site) -> None:
    """Configured ones go first; `*` comes last; <remove> and <clear> take brought ones out."""
    bring = '@hookimpl\ndef handler_mappings(): return [HandlerMapping(name="Brought", path="*.b")]\n'
    site.extension("bring", bring + SHOW)
    site.extension("show", SHOW)
    site.handlers = add("Early", "*.e.b") + STATIC
    assert [answer.text.split()[0] for answer in ask(site, "/x.e.b", "/x.b")] == ["Early", "Brought"]
    site.handlers = STATIC + '<remove name="Brought" />'
    assert ask(site, "/x.b")[0].status == 404
    site.handlers = "<clear />" + STATIC
    assert ask(site, "/x.b")[0].status == 404
    site.handlers = add("Brought", "*.b", modules="show") + STATIC
    assert ask(site, "/x.b")[0].text.startswith("Brought ")


@pytest.mark.parametrize(
    ("access", "required", "substatus"),
    [
        ("Read", "Script", 1),
        ("Read, Script", "Execute", 1),
        ("Script", "Read", 2),
        ("Read", "Write", 3),
        ("Read, Script", "Script", 0),
        ("None", "None", 0),
    ],
)
def test_the_access_policy_decides_what_may_run(shown: Site, access: str, required: str, substatus: int) -> None:
    """403.1 for script and execute, 403.2 read, 403.3 write; the page says what to add."""
    shown.access = access
    shown.handlers = add("X", "*.x", further=f'requireAccess="{required}"')
    answer = ask(shown, "/a.x")[0]
    assert (answer.status, answer.substatus) == ((403, substatus) if substatus else (200, 0))
    if substatus:
        assert f"Add {required} to" in answer.text


def test_no_remote_access_is_for_local_clients_only(shown: Site) -> None:
    """NoRemoteScript: 403.1 for everybody else, without the cause."""
    shown.access = "Read, Script, NoRemoteScript"
    shown.handlers = add("X", "*.x")
    assert ask(shown, "/a.x")[0].status == 200
    remote = ask(shown, "/a.x", remote="192.0.2.9")[0]
    assert (remote.status, remote.substatus) == (403, 1)
    assert "requires" not in remote.text


RESTRICTION = """<security><isapiCgiRestriction notListedCgisAllowed="{cgis}" notListedIsapisAllowed="{isapis}">
<add path="/usr/bin/allowed" allowed="true" /><add path="/usr/bin/denied -x" allowed="false" />
<add path="/lib/denied.so" allowed="false" /></isapiCgiRestriction></security>"""


@pytest.mark.parametrize(
    ("processor", "cgis", "isapis", "status"),
    [
        ("/usr/bin/allowed", "false", "false", 200),
        ("/usr/bin/allowed|-a", "false", "false", 200),
        ("/usr/bin/other", "false", "true", 404),
        ("/usr/bin/other", "true", "false", 200),
        ("/usr/bin/denied -x", "true", "true", 404),
        ("/lib/other.so", "true", "false", 404),
        ("/lib/other.so", "false", "true", 200),
        ("/lib/denied.so", "true", "true", 404),
    ],
)
def test_programs_must_pass_the_restriction_list(
    shown: Site, processor: str, cgis: str, isapis: str, status: int
) -> None:
    """404.2 for a script processor that is denied, or not listed while such are not allowed."""
    shown.further = RESTRICTION.format(cgis=cgis, isapis=isapis)
    shown.handlers = add("X", "*.x", further=f'scriptProcessor="{processor}"')
    answer = ask(shown, "/a.x")[0]
    assert (answer.status, answer.substatus) == ((200, 0) if status == 200 else (404, 2))
    listed = processor.partition("|")[0]
    assert (f'<add path="{listed}" allowed="true" />' in html.unescape(answer.text)) is (status == 404)


def test_a_mapping_whose_module_nobody_has_is_500_21(shown: Site) -> None:
    """The page names it; a list is served by the names that are known."""
    shown.extension("mute", "@hookimpl\ndef module_names(): return ['MuteModule']")
    shown.handlers = (
        add("None", "*.none", modules="NobodyModule")
        + add("Mute", "*.mute", modules="MuteModule")
        + add("Mixed", "*.mixed", modules="NobodyModule,SHOW")
        + '<add name="Empty" path="*.empty" verb="*" />'
    )
    nobody, mute, mixed, empty = ask(shown, "/a.none", "/a.mute", "/a.mixed", "/a.empty")
    for answer, cause in ((nobody, "NobodyModule"), (mute, "no handle hook"), (empty, "neither modules nor")):
        assert (answer.status, answer.substatus) == (500, 21)
        assert cause in answer.text
    assert mixed.text.startswith("Mixed ")


def test_a_plugin_that_failed_breaks_its_mappings_only(shown: Site) -> None:
    """500.21 with the traceback for a local client, where it is configured and where its own file maps it."""
    path = shown.misbehaving("crash_on_load")
    shown.handlers = add("Conf", "*.conf", modules="show,crash_on_load") + add("X", "*.x")
    configured, own, other = ask(shown, "/a.conf", "/a.crash", "/a.x")
    for answer in (configured, own):
        assert (answer.status, answer.substatus) == (500, 21)
        assert "the database is not there" in answer.text
        assert f"{path}" in answer.text
        assert "Traceback" in answer.text
    assert other.status == 200
    remote = ask(shown, "/a.conf", remote="192.0.2.9")[0]
    assert "database" not in remote.text


def test_preconditions_hide_mappings(shown: Site) -> None:
    """classicMode does not hold in an integrated pool; in a classic one it does."""
    shown.handlers = add("Classic", "*.x", further='preCondition="classicMode"') + add("Any", "*.x")
    assert ask(shown, "/a.x")[0].text.startswith("Any ")
    shown.pool = '<add name="Pool" managedPipelineMode="Classic" /><add name="Other" />'
    assert ask(shown, "/a.x")[0].text.startswith("Classic ")


def test_a_web_config_changes_the_mappings_of_its_folder(shown: Site) -> None:
    """Each set of settings has its own compiled map."""
    shown.extension("show", SHOW + '@hookimpl\ndef handler_mappings(): return [HandlerMapping(name="S", path="*.x")]\n')
    shown.write("closed/web.config", '<configuration><system.webServer><handlers><remove name="S" /></handlers>'
                "</system.webServer></configuration>")  # fmt: skip
    open_folder, closed = ask(shown, "/open/a.x", "/closed/a.x")
    assert (open_folder.status, closed.status) == (200, 404)
