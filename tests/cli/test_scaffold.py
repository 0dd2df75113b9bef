"""Starter sites and plugin files."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from host.cli import new_plugin
from host.cli.failures import CommandLineError
from host.config.store import ServerConfiguration, build_snapshot, read_source
from tests.cli.command_line import CHECKOUT, isapy
from tests.running_service import start_service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `isapy init` has made."""
    folder = tmp_path_factory.mktemp("made") / "site"
    result = isapy("init", folder)
    assert result.returncode == 0, result
    return folder


@pytest.fixture
def site(tmp_path: Path, made: Path) -> Path:
    """A copy of it, for this test alone."""
    return Path(shutil.copytree(made, tmp_path / "site"))


NEW = {
    "extension": new_plugin.new_extension,
    "filter": new_plugin.new_filter,
    "module": new_plugin.new_module,
    "isapi": new_plugin.new_isapi,
    "isapi-c": new_plugin.new_isapi_c,
    "wsgi": new_plugin.new_wsgi,
    "asgi": new_plugin.new_asgi,
}


def refused(kind: str, name: str, site: Path) -> CommandLineError:
    """The error of `isapy new`, which a process of its own would tell and end with."""
    with pytest.raises(CommandLineError) as error:
        NEW[kind](name, site)
    return error.value


def config_of(site: Path) -> Path:
    return site / "conf" / "applicationHost.config"


def loaded(path: Path) -> ModuleType:
    """The plugin file as the worker loads it: under a private name."""
    spec = importlib.util.spec_from_file_location(f"test_of_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_init_makes_a_valid_site(site: Path) -> None:
    """Configuration, folders, a page, a program; without a warning."""
    snapshot = build_snapshot(read_source(str(config_of(site))), 1)
    assert snapshot.warnings == ()
    assert snapshot.sites[0].applications[0].physical_path == str(site / "wwwroot")
    assert snapshot.extension_folders[0] == str(site / "extensions")
    assert snapshot.filter_folders[0] == str(site / "filters")
    assert (site / "wwwroot" / "index.html").is_file()
    assert isapy("check", "--config", config_of(site)).returncode == 0


def test_the_sample_program_runs(site: Path) -> None:
    """As CGI runs it: by itself, with an environment."""
    program = site / "wwwroot" / "cgi-bin" / "hello.py"
    environment = {"PATH": os.environ["PATH"], "QUERY_STRING": "name=<b>", "SCRIPT_NAME": "/cgi-bin/hello.py"}
    result = subprocess.run([program], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("Content-Type: text/html; charset=utf-8\n\n")
    assert "&lt;b&gt;" in result.stdout


def test_the_sample_program_is_mapped(site: Path) -> None:
    """cgi-bin runs as CGI, and only there."""
    server = ServerConfiguration(read_source(str(config_of(site))), 1)
    settings = server.settings_for(server.snapshot.sites[0].applications[0], "/cgi-bin/hello.py")
    assert next((handler.path, handler.modules) for handler in settings.handlers) == ("cgi-bin/*", "CgiModule")


def test_init_overwrites_nothing(site: Path) -> None:
    """A second time changes nothing, a folder with one of the files neither."""
    config_of(site).write_text("mine")
    result = isapy("init", site)
    assert result.returncode == 1
    assert "exists already and is not overwritten" in result.stderr
    assert config_of(site).read_text() == "mine"


def test_init_with_a_port(tmp_path: Path) -> None:
    """The port goes into the configuration."""
    assert isapy("init", tmp_path / "s", "--port", 9191).returncode == 0
    snapshot = build_snapshot(read_source(str(config_of(tmp_path / "s"))), 1)
    assert snapshot.sites[0].bindings[0].port == 9191
    assert "http://localhost:9191/x.greet" in isapy("new", "extension", "greet", "--root", tmp_path / "s").stdout


def test_init_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A reason, no traceback."""
    (tmp_path / "file").write_text("x")
    result = isapy("init", tmp_path / "file" / "site")
    assert (result.returncode, "Traceback" in result.stderr) == (1, False)
    assert "cannot write" in result.stderr


def test_new_extension_is_a_plugin_that_maps_itself(site: Path) -> None:
    """The file loads, brings its mapping, and says what to try."""
    result = isapy("new", "extension", "greet", folder=site)
    assert result.returncode == 0, result
    path = site / "extensions" / "greet.py"
    plugin = loaded(path)
    (mapping,) = plugin.handler_mappings()
    assert (mapping.name, mapping.path) == ("greet", "*.greet")
    assert callable(plugin.handle)
    assert ast.get_docstring(ast.parse(path.read_text()))
    assert "curl -i 'http://localhost:8080/x.greet?name=you'" in result.stdout


def test_new_filter_is_listed_last_and_nothing_else_changes(site: Path) -> None:
    """One line more in the configuration; comments and formatting stay; it is still valid."""
    before = config_of(site).read_text()
    result = isapy("new", "filter", "count_visits", "--root", site)
    assert result.returncode == 0, result
    after = config_of(site).read_text()
    assert [line for line in after.splitlines() if line not in before.splitlines()] == [
        '            <filter name="count_visits" />'
    ]
    assert after.replace('            <filter name="count_visits" />\n', "") == before
    server = ServerConfiguration(read_source(str(config_of(site))), 1)
    settings = server.settings_for(server.snapshot.sites[0].applications[0], "/")
    assert [each.name for each in settings.filters] == ["request_filtering", "count_visits"]
    assert loaded(site / "filters" / "count_visits.py").filter_info().description == "count_visits"
    assert "look for X-Filter-Count-Visits" in result.stdout


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Greet", "cannot be the name"),
        ("a-b", "cannot be the name"),
        ("../x", "cannot be the name"),
        ("1a", "cannot be the name"),
        ("class", "a word of Python's own"),
        ("x" * 41, "cannot be the name"),
        ("static_file", "isapy itself has an extension called static_file"),
    ],
)
def test_names_that_will_not_do(site: Path, name: str, reason: str) -> None:
    """Names become file names, modules and URL endings."""
    error = refused("extension", name, site)
    assert error.status in (1, 2)
    assert reason in error.message
    assert list((site / "extensions").iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("wsgi", "django", "django is the name of a package that applications import"),
        ("asgi", "json", "json is the name of a module of Python's standard library"),
        ("wsgi", "lxml", "applications/lxml.py would be imported in its place"),
    ],
)
def test_an_application_may_not_hide_what_it_imports(site: Path, kind: str, name: str, reason: str) -> None:
    """Its folder stands first in sys.path; a plugin file of that name is loaded privately and hides nothing."""
    error = refused(kind, name, site)
    assert (error.status, reason in error.message) == (2, True)
    assert not (site / "applications").exists()
    NEW["extension"](name, site)
    assert (site / "extensions" / f"{name}.py").is_file()


def test_new_overwrites_nothing(site: Path) -> None:
    """An existing plugin stays, and so does the configuration."""
    for kind in ("extension", "filter"):
        (site / f"{kind}s" / "mine.py").write_text("# mine")
        before = config_of(site).read_bytes()
        error = refused(kind, "mine", site)
        assert (error.status, "is not overwritten" in error.message) == (1, True)
        assert (site / f"{kind}s" / "mine.py").read_text() == "# mine"
        assert config_of(site).read_bytes() == before


def test_new_outside_a_site_says_what_to_do(tmp_path: Path) -> None:
    """`isapy init` or `--root`."""
    result = isapy("new", "filter", "x", folder=tmp_path)
    assert result.returncode == 1
    assert "isapy init FOLDER makes a site" in result.stderr


def test_a_broken_configuration_is_left_alone(site: Path) -> None:
    """Its errors are shown, no plugin file is left behind."""
    text = config_of(site).read_text().replace('mode="WorkerProcess"', 'mode="Sideways"')
    config_of(site).write_text(text)
    assert "Sideways" in " ".join(refused("filter", "x", site).remedies)
    assert config_of(site).read_text() == text
    assert not (site / "filters" / "x.py").exists()


def test_a_listed_name_is_refused(site: Path) -> None:
    """The configuration lists it already, for a file elsewhere."""
    text = config_of(site).read_text().replace("</isapiFilters>", '<filter name="x" enabled="false" /></isapiFilters>')
    config_of(site).write_text(text)
    assert "lists a filter called x already" in refused("filter", "x", site).message
    assert not (site / "filters" / "x.py").exists()


KINDS = {
    "extension": "Hello you, this is my_extension at /x.my_extension\n",
    "filter": "a page\n",
    "module": "a page\n",
    "isapi": "Hello you, this is my_isapi at /x.my_isapi\n",
    "isapi-c": "Hello you, this is my_isapi_c\n",
    "wsgi": "Hello you, this is my_wsgi at /my_wsgi/page\n",
    "asgi": "Hello you, this is my_asgi at /my_asgi/page\n",
}


def test_every_kind_is_tested_and_served_at_once(site: Path) -> None:
    """Written into a new site; its tests pass; built and mapped as the command says, a real isapy serves it."""
    (site / "wwwroot" / "index.html").write_text("a page\n")
    urls = {}
    for kind in KINDS:
        result = isapy("new", kind, f"my_{kind.replace('-', '_')}", "--root", site)
        assert result.returncode == 0, result
        urls[kind] = re.findall(r"localhost:8080(\S+)'", result.stdout)[0]
        follow(result.stdout, config_of(site))
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(site / "tests")]
    tested = subprocess.run(run, cwd=site, env=with_checkout(), capture_output=True, text=True, check=False)
    assert f"{len(KINDS)} passed" in tested.stdout, tested.stdout
    assert isapy("check", "--config", config_of(site)).returncode == 0
    service = start_service(site, config_of(site), "command")
    try:
        answers = {kind: service.get(urls[kind]) for kind in KINDS}
        assert {kind: answer.text for kind, answer in answers.items()} == KINDS
        assert answers["filter"].headers["x-filter-my-filter"] == "seen"
        assert float(answers["module"].headers["x-my-module-milliseconds"]) >= 0
    finally:
        service.stop()


def follow(told: str, config: Path) -> None:
    """Do what `isapy new` says is to be done: build, and add lines to the configuration."""
    for command in re.findall(r"^    isapy (cc .+)$", told, re.MULTILINE):
        assert isapy(*command.split()).returncode == 0
    text = config.read_text()
    text = text.replace('notListedCgisAllowed="true" />', 'notListedCgisAllowed="true"></isapiCgiRestriction>')
    for section, line in re.findall(r"^in <([\w.]+)>:\n    (.+)$", told, re.MULTILINE):
        if line not in text:
            before, tag, after = re.split(rf"(<{section}\b[^>]*>)", text, maxsplit=1)
            text = before + tag + line + after
    config.write_text(text)


def with_checkout() -> dict[str, str]:
    """An environment in which isapy can be imported from anywhere, and pytest loads no plugins that nobody needs."""
    return {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def test_a_test_that_is_there_is_not_overwritten(site: Path) -> None:
    """Neither is the plugin written then, nor the configuration changed."""
    (site / "tests" / "test_mine.py").write_text("# mine")
    before = config_of(site).read_bytes()
    for kind in KINDS:
        error = refused(kind, "mine", site)
        assert (error.status, "is not overwritten" in error.message) == (1, True)
    assert (site / "tests" / "test_mine.py").read_text() == "# mine"
    assert config_of(site).read_bytes() == before
    assert list(site.rglob("mine.*")) == []


def test_the_checkout_s_python_is_enough(site: Path) -> None:
    """The files compile on the interpreter that runs isapy."""
    files = [*site.rglob("*.py")]
    assert files
    subprocess.run([sys.executable, "-m", "py_compile", *files], check=True)


def test_what_is_to_be_typed_can_be_typed(tmp_path: Path, made: Path) -> None:
    """In a folder whose name a shell would take apart."""
    site = Path(shutil.copytree(made, tmp_path / "my site"))
    shown = [isapy("init", tmp_path / "a site").stdout.splitlines()[-1]]
    for kind in ("filter", "isapi-c"):
        lines = isapy("new", kind, kind.replace("-", "_"), "--root", site).stdout.splitlines()
        shown += [line for line in lines if line.startswith(("    isapy ", "    python "))]
    words = [shlex.split(line) for line in shown]
    assert words[0] == ["isapy", "run", "--config", f"{tmp_path}/a site/conf/applicationHost.config"]
    assert [line[-1] for line in words[1:]] == [
        f"{site}/tests/test_filter.py",
        f"{site}/conf/applicationHost.config",
        f"{site}/tests/test_isapi_c.py",
        f"{site}/isapi/isapi_c.c",
        f"{site}/conf/applicationHost.config",
    ]
