"""What an ASGI scope says that the specification does not."""

from __future__ import annotations

from dataclasses import replace

from host.python_apps.asgi_scope import USER_EXTENSION, http_scope
from tests.gateway.sample_request import sample_request


def test_a_scope_names_who_has_logged_on() -> None:
    """ASGI has no REMOTE_USER: it is an extension, which nobody finds who has not logged on."""
    request = sample_request()
    assert USER_EXTENSION not in http_scope(request, None)["extensions"]
    known = replace(request, user="alice", auth_type="Basic")
    assert http_scope(known, None)["extensions"][USER_EXTENSION] == {"remote_user": "alice", "auth_type": "Basic"}
