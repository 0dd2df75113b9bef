"""The table of request codes, and what the C side does with each."""

from __future__ import annotations

from host.api import win32_errors
from host.isapi.requests import REQUESTS
from host.native.structures import ffi
from host.native.support import HANDLERS


def test_every_supported_request_code_has_a_handler_and_no_refused_one() -> None:
    """C reaches all that docs/isapi.md promises, and nothing else."""
    assert set(HANDLERS) == {code for code, request in REQUESTS.items() if request.method}


def test_the_header_has_the_names_and_numbers_of_the_table() -> None:
    """A C program says HSE_REQ_ where Python has a method; private codes of old headers have no name in ours."""
    constants = ffi.dlopen(None)
    for code, request in REQUESTS.items():
        number = getattr(constants, request.name, None)
        assert number in (code, None), request.name
        assert number == code or code in (1020, 1021, 1031), request.name


def test_the_header_has_the_error_codes_that_calls_give() -> None:
    """By the names and numbers that `GetLastError` is compared with."""
    constants = ffi.dlopen(None)
    codes = {name: code for name, code in vars(win32_errors).items() if name.startswith(("ERROR_", "WSAE"))}
    assert len(codes) > 10
    assert {name: getattr(constants, name, None) for name in codes} == codes
