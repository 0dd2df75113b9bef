"""docs/isapi.md against the code: the table of request codes, and the sample."""

from __future__ import annotations

import re
from pathlib import Path

from host.api.isapi import ControlBlock
from host.api.win32_errors import ERROR_CALL_NOT_IMPLEMENTED, MESSAGES
from host.isapi.requests import REQUESTS, request_of
from host.isapi.sending import ExtensionControlBlock
from host.isapi.server_variables import VARIABLES
from tests.worker.front import run
from tests.worker.site import Site

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "isapi.md").read_text()


def test_the_page_lists_every_request_code_and_what_becomes_of_it() -> None:
    """Number, name, method or error, note: line by line."""
    table = PAGE.partition("## ServerSupportFunction")[2]
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (.+) \| (.*) \|$", table, flags=re.M)
    wanted = [
        (str(number), one.name, f"`{one.method}`" if one.method else f"refused: {one.error}", one.note)
        for number, one in REQUESTS.items()
    ]
    assert [(*row[:3], row[3].strip()) for row in rows] == wanted


def test_every_request_code_is_a_method_or_an_error() -> None:
    """Of the control block, and of the contract that plugin authors see; unknown codes are refused."""
    for number, one in REQUESTS.items():
        assert bool(one.method) != bool(one.error), number
        if one.method:
            assert callable(getattr(ExtensionControlBlock, one.method))
            assert one.method in vars(ControlBlock)
        else:
            assert one.error in MESSAGES
    assert request_of(1019).error == ERROR_CALL_NOT_IMPLEMENTED


def test_every_method_of_the_contract_is_reached_by_a_code_or_is_a_field_of_the_structure() -> None:
    """No method that C would not have, but the two forms of GetServerVariable."""
    methods = {name for name, value in vars(ControlBlock).items() if callable(value) and not name.startswith("_")}
    of_the_structure = {"get_server_variable", "get_raw_server_variable", "read_client", "write_client"}
    assert methods - of_the_structure == {one.method for one in REQUESTS.values() if one.method}


def test_the_variables_of_the_list_are_there() -> None:
    """Names of every family; the header fields' are computed."""
    for name in ("ALL_HTTP", "ALL_RAW", "APPL_MD_PATH", "CERT_FLAGS", "HTTPS_KEYSIZE", "URL", "UNENCODED_URL"):
        assert name in VARIABLES
    assert len(VARIABLES) == len({name.upper() for name in VARIABLES})


def test_the_sample_of_the_page_runs(site: Site) -> None:
    """As it stands there."""
    code = PAGE.partition("```python\n")[2].partition("```")[0]
    (site.folder / "extensions" / "guestbook.py").write_text(code)

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/a.guestbook")).text == "GET /a.guestbook by nobody\n"
        fields = b"Host: x\r\nUser-Agent: tests\r\n"
        assert (await front.ask("/a.guestbook", fields=fields)).text == "GET /a.guestbook by tests\n"

    run(main())
