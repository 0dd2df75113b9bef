"""Golden cases of broken server files: every error with its line, element, attribute, message and remedy."""

from __future__ import annotations

import pytest

from host.config.errors import ConfigErrors
from host.config.store import build_snapshot
from tests.config.server_sample import Case, Server, golden, lines_of


@pytest.mark.parametrize("case", golden("server_errors.txt"), ids=lambda case: case.name)
def test_every_error_of_a_server_file_is_told_at_once(case: Case, server: Server) -> None:
    """The expected lines are all errors, in the order of the file; lines count from the root element."""
    source = server.write(case.given, sites=False)
    with pytest.raises(ConfigErrors) as caught:
        build_snapshot(source, 1)
    lines = lines_of(caught.value, server.root)
    assert lines == [f"ROOT/conf/applicationHost.config:{line}" for line in case.expected]
