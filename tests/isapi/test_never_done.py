"""Sessions that are never done, and procs that never return: what ends them, and what the extension notices."""

from __future__ import annotations

import pytest

from tests.isapi.proc import write_proc
from tests.worker.front import run, until
from tests.worker.site import Site, attach

POOL = '<add name="Pool"><processModel requestTimeLimit="00:00:01" /></add><add name="Other" />'
BODY = """
if ecb.query_string == "hello":
    return 1
if ecb.query_string == "pending":
    kept.append(ecb)
    return HSE_STATUS_PENDING
if ecb.query_string == "begun":
    kept.append(ecb)
    ecb.set_flush_flag(True)
    ecb.write_client(b"begun")
    return HSE_STATUS_PENDING
codes = []
for old in kept:
    for call in (lambda: old.write_client(b"x"), old.done_with_session, old.done_with_session):
        try:
            call()
            codes.append(0)
        except IsapiError as error:
            codes.append(error.code)
ecb.write_client(repr(codes))
return 1
"""


@pytest.mark.slow
def test_the_time_limit_of_a_pool_ends_a_session_that_is_never_done(site: Site) -> None:
    """504 where nothing was sent, a cut answer else. The extension is told at its next call, and may still say done."""
    site.pool = POOL
    write_proc(site, BODY, further="kept = []\n")

    async def main() -> None:
        front = await site.serve()
        pending, begun = front.send("/a.proc?pending"), front.send("/a.proc?begun")
        assert (await front.answer(pending)).status == 504
        answer = await front.answer(begun)
        assert answer.body == b"begun"
        assert answer.reset
        assert (await front.ask("/a.proc")).text == "[64, 0, 87, 64, 0, 87]"
        assert len(site.told("request-time-limit")) == 2
        assert not site.unhealthy

    run(main())


def test_a_session_without_an_end_leaves_the_thread_to_others(site: Site) -> None:
    """More pending requests than there are threads: others are answered."""
    write_proc(site, BODY, further="kept = []\n")

    async def main() -> None:
        engine = await site.start(capacity=256)
        front = attach(engine)
        for _ in range(100):
            front.send("/a.proc?pending")
        answer = await front.ask("/b.proc?hello")
        assert answer.status == 200
        assert engine.requests_in_hand == 100
        await front.ask("/b.proc")  # which ends all of them
        await until(lambda: engine.requests_in_hand == 0)

    run(main())
