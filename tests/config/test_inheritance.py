"""Golden cases of inheritance: the server's file, `>> folder` for a web.config, and what is in force for each URL."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from host.config.errors import ConfigErrors
from host.config.model import PathSettings
from host.config.store import ServerConfiguration
from tests.config.server_sample import Case, Server, golden, lines_of

READERS: dict[str, Callable[[PathSettings, str], str]] = {
    "policy": lambda s, _: str(s.access_policy).removeprefix("AccessPolicy."),
    "handlers": lambda s, _: " ".join(handler.name for handler in s.handlers),
    "removed": lambda s, _: " ".join(s.removed_handlers),
    "plugins": lambda s, _: str(s.keeps_plugin_mappings),
    "documents": lambda s, _: " ".join(s.default_documents),
    "browse": lambda s, _: str(s.directory_browse_enabled),
    "mime": lambda s, extension: s.static_content.mime_map.get(extension, "-"),
    "hidden": lambda s, _: " ".join(sorted(s.request_filtering.hidden_segments)),
    "errors": lambda s, _: f"{s.http_errors.error_mode} {s.http_errors.existing_response}",
    "pages": lambda s, _: " ".join(f"{e.status}.{e.sub_status}:{e.path}" for e in s.http_errors.errors),
    "headers": lambda s, _: " ".join(f"{name}={value}" for name, value in s.custom_headers),
    "timeout": lambda s, _: str(s.cgi.timeout_seconds),
    "filters": lambda s, _: " ".join(f"{f.name}:{'server' if f.is_server_wide else 'site'}" for f in s.filters),
    "modules": lambda s, _: " ".join(f"{module.name}:{module.type}" for module in s.modules),
    "programs": lambda s, _: " ".join(f"{h.name}:{h.script_processor}" for h in s.handlers if h.script_processor),
    "settings": lambda s, name: " ".join(
        f"{k}={v}" for h in s.handlers if h.name == name for k, v in h.settings.items()
    ),
}


def in_force(configuration: ServerConfiguration, url: str, what: str, server: Server) -> list[str]:
    """The value, or every error, that one expected line asks for."""
    site_name, _, path = url.rpartition(":")
    site = next(s for s in configuration.snapshot.sites if s.name == (site_name or "Default Web Site"))
    application = next(a for a in site.applications if a.path == "/" or (path + "/").startswith(a.path + "/"))
    name, _, argument = what.partition(" ")
    try:
        settings = configuration.settings_for(application, path)
    except ConfigErrors as errors:
        if name != "error":
            raise
        return lines_of(errors, server.root)
    return [READERS[name](settings, argument).replace(str(server.root), "ROOT")]


@pytest.mark.parametrize("case", golden("inheritance.txt"), ids=lambda case: case.name)
def test_what_is_in_force_for_a_path(case: Case, server: Server) -> None:
    """Every expected line of a case holds, and every error of a path is expected."""
    inner, *web_configs = case.given.split(">> ")
    server.write(inner)
    for text in web_configs:
        folder, _, content = text.partition("\n")
        server.web_config(folder.strip(), content)
    configuration = server.configuration()
    expected: dict[tuple[str, str], list[str]] = {}
    for line in case.expected:
        question, _, answer = line.partition(" = ")
        url, _, what = question.partition(" ")
        expected.setdefault((url, what), []).append(answer)
    assert expected
    for (url, what), answers in expected.items():
        assert in_force(configuration, url, what, server) == answers
