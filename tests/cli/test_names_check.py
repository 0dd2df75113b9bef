"""What `isapy check` says of managed types and of servers' addresses, without running any code."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.cli.code_names import SourceNames
from host.cli.names_check import name_problems
from host.config.store import ServerConfiguration, read_source

CONFIG = """<configuration><system.applicationHost>
<applicationPools><add name="Pool" /></applicationPools>
<sites><site name="Site" id="1">
<application path="/" applicationPool="Pool"><virtualDirectory path="/" physicalPath="{root}" /></application>
<application path="/sub" applicationPool="Pool"><virtualDirectory path="/" physicalPath="{sub}" /></application>
<bindings><binding protocol="http" bindingInformation="*:8080:" /></bindings></site></sites>
</system.applicationHost><system.webServer>
<modules>{modules}</modules>
<handlers>
{handlers}
</handlers></system.webServer></configuration>"""


def problems(folder: Path, handlers: str, modules: str = "") -> list[str]:
    """Line and message of each problem."""
    for name in ("root", "sub"):
        (folder / name / "App_Code").mkdir(parents=True, exist_ok=True)
    config = folder / "applicationHost.config"
    words = {"root": folder / "root", "sub": folder / "sub", "modules": modules, "handlers": handlers}
    config.write_text(CONFIG.format(**words))
    found = name_problems(ServerConfiguration(read_source(str(config)), 1))
    return [f"{one.line} {one.element} {one.attribute}: {one.message} | {one.remedy}" for one in found]


def test_managed_types_are_looked_for_where_they_are_loaded_from(tmp_path: Path) -> None:
    """In App_Code, bin and installed packages; what one application of the site has, others only inherit."""
    for name, text in {
        "root/App_Code/shop.py": "raise SystemExit(1)\nclass Order: pass\n",
        "root/bin/tools.py": "from somewhere import Till\n",
        "sub/App_Code/below/__init__.py": "Page = type('Page', (), {})\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    sound = ("shop:Order", "tools:Till", "below:Page", "email:Anything")
    handlers = [f'<add name="H{at}" path="*.h{at}" verb="*" type="{one}" />' for at, one in enumerate(sound)]
    assert problems(tmp_path, "\n".join(handlers)) == []
    wrong = [*handlers, '<add name="A" path="*.a" verb="*" type="shop:Ordre" />']
    wrong += ['<add name="B" path="*.b" verb="*" type="shopp.x:Order" />']
    found = problems(tmp_path, "\n".join(wrong), '<add name="M" type="tools:Missing" />')
    assert len(found) == 3
    texts = {text.partition(": ")[2] for text in found}
    root = tmp_path / "root"
    assert f"shop:Ordre: {root}/App_Code/shop.py has no class Ordre | define it there, or correct the name" in texts
    assert f"tools:Missing: {root}/bin/tools.py has no class Missing | define it there, or correct the name" in texts
    (missing,) = (text for text in found if "there is no module shopp.x" in text)
    assert missing.startswith("15 handlers/add type: ")
    assert missing.endswith(f"put shopp/x.py into {root}/App_Code, or correct the type")


@pytest.mark.parametrize(
    ("modules", "processor", "is_wrong"),
    [
        ("ScgiModule", "tcp://127.0.0.1:4000", False),
        ("ScgiModule", "127.0.0.1:4000", True),
        ("ScgiModule", "unix:run/app.sock", True),
        ("FastCgiModule", "tcp://127.0.0.1:99999", True),
        ("FastCgiModule", "/usr/bin/php-cgi", False),
    ],
)
def test_an_address_that_is_none_is_named(tmp_path: Path, modules: str, processor: str, is_wrong: bool) -> None:
    """Of SCGI always, of FastCGI where it names a server; told once, although applications inherit it."""
    found = problems(
        tmp_path, f'<add name="S" path="*.s" verb="*" modules="{modules}" scriptProcessor="{processor}" />'
    )
    assert len(found) == is_wrong, found
    if is_wrong:
        assert found[0].startswith("10 handlers/add scriptProcessor: S: ")
        assert processor in found[0]


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("def wanted(): pass", True),
        ("if x:\n  import wanted", True),
        ("import a.wanted", False),
        ("other, (wanted, *rest) = f()", True),
        ("match x:\n  case [*wanted]: pass", True),
        ("(wanted := 1)", True),
        ("globals()['wan' + 'ted'] = 1", True),
        ("def __getattr__(name): return 1", True),
        ("from a import *", True),
        ("print(wanted)", False),
        ("'wanted = 1'", False),
    ],
)
def test_a_name_is_missed_only_where_no_line_can_make_it(text: str, may: bool) -> None:
    """A check that cries wolf is turned off."""
    assert SourceNames(text.encode()).may_define("wanted") is may
