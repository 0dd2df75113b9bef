"""What one more filter that does nothing costs a request: `python -m bench.filter_cost`.

The loops of a worker that call filters, with 1 and with 11 filters of three notifications each; the difference by ten
is one filter's cost. The smallest of many short rounds counts: what else the machine does makes rounds longer, never
shorter.
"""

from __future__ import annotations

import timeit
from typing import Final

from host.api import Request, Response
from host.worker.calling import call_on_response, call_plain
from host.worker.hooks import INLINE, Hook

ROUNDS: Final = 300
CALLS: Final = 500
FEW, MANY = 1, 11


def see_request(request: Request) -> None:
    """A notification that says nothing."""


def see_response(request: Request, response: Response) -> None:
    """Another one."""


def nanoseconds(filters: int) -> float:
    """Of one request's three notifications with so many filters."""
    of_request = tuple(Hook(see_request, INLINE, "filter", "on_preproc_headers") for _ in range(filters))
    of_response = tuple(Hook(see_response, INLINE, "filter", "on_send_response") for _ in range(filters))
    response = Response.text("hello")

    def one_request() -> None:
        call_plain(of_request, None)
        call_on_response(of_response, None, response)  # type: ignore[arg-type]
        call_plain(of_request, None)

    return min(timeit.repeat(one_request, number=CALLS, repeat=ROUNDS)) / CALLS * 1e9


def main() -> None:
    """Print it."""
    few, many = nanoseconds(FEW), nanoseconds(MANY)
    print(f"{FEW} filter: {few:.0f} ns a request; {MANY} filters: {many:.0f} ns")
    print(f"each further filter: {(many - few) / (MANY - FEW):.0f} ns")


if __name__ == "__main__":
    main()
