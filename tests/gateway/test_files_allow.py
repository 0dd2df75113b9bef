"""The methods of static content beside GET and HEAD."""

from __future__ import annotations

import pytest

from host.api import HttpError
from host.gateway.files_allow import answer_other_method


def test_options_is_told_and_others_are_refused() -> None:
    """RFC 9110 sections 9.3.7 and 15.5.6: both name what is allowed."""
    response = answer_other_method("OPTIONS")
    assert (response.status, response.body, response.headers["Allow"]) == (200, b"", "GET, HEAD, OPTIONS")
    with pytest.raises(HttpError) as caught:
        answer_other_method("PATCH")
    assert (caught.value.status, caught.value.headers) == (405, {"Allow": "GET, HEAD, OPTIONS"})
