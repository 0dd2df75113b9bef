"""Where an application is mounted."""

from __future__ import annotations

import pytest

from host.api import ApplicationInfo, HandlerMapping
from host.python_apps.mount_point import mount_length
from tests.gateway.sample_request import sample_request
from tests.kept_memory import kept_bytes


@pytest.mark.parametrize(
    ("application", "pattern", "path", "mount"),
    [
        ("/", "*", "/a/b", ""),
        ("/shop", "*", "/shop", "/shop"),
        ("/shop", "*", "/shop/a", "/shop"),
        ("/", "*.py", "/a.py/b", ""),
        ("/", "api/*", "/api/a", "/api"),
        ("/", "/API/*", "/api", "/api"),
        ("/", "api/*", "/apis/a", ""),
        ("/shop", "api/v1/*", "/shop/api/v1/x", "/shop/api/v1"),
        ("/shop", "/shop/api/*", "/shop/api/x", "/shop/api"),
        ("/shop", "api, api/*", "/Shop/Api", "/Shop/Api"),
        ("/", "a*/*", "/ab/c", ""),
    ],
)
def test_the_application_or_the_folder_of_its_mapping(application: str, pattern: str, path: str, mount: str) -> None:
    """As the client wrote it, whatever the case of the configuration."""
    info = ApplicationInfo(1, "Site", application, "/srv", "Pool")
    request = sample_request(path=path, application=info, mapping=HandlerMapping(name="x", path=pattern))
    assert request.path[: mount_length(request)] == mount


def test_long_paths_are_not_kept() -> None:
    """A client may invent them."""

    def ask(path: str) -> int:
        mapping = HandlerMapping(name="x", path="api/*")
        return mount_length(sample_request(path=f"/api/{path}", mapping=mapping))

    assert kept_bytes(ask) < 500_000
