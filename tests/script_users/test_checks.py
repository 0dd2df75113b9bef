"""Each of suexec's checks, by name: one fact is wrong, and one refusal names file, check and remedy."""

from __future__ import annotations

import stat
from dataclasses import replace

import pytest

from host.script_users.checks import CHECKS, LEAST_NUMBER, Place, ScriptFacts, TargetUser, refusals

FOLDER = stat.S_IFDIR | 0o755
FILE = stat.S_IFREG | 0o755
ALICE = TargetUser("alice", 1001, 1001, (1001, 2000), "/home/alice")
ABOVE = (Place("/srv", FOLDER, 0, 0), Place("/", FOLDER, 0, 0))
ROOT = Place("/srv/www", FOLDER, 0, 0)
BETWEEN = Place("/srv/www/~alice", FOLDER, 0, 0)
OWN = Place("/srv/www/~alice/cgi", FOLDER, 1001, 1001)
SCRIPT = Place("/srv/www/~alice/cgi/x.cgi", FILE, 1001, 1001)
GOOD = ScriptFacts(
    script=SCRIPT.path,
    root=ROOT.path,
    wanted="FileOwner",
    above=ABOVE,
    folders=(ROOT, BETWEEN, OWN),
    file=SCRIPT,
    user=ALICE,
)


def mode(place: Place, bits: int) -> Place:
    return replace(place, mode=stat.S_IFMT(place.mode) | bits)


def chain(**changed: Place) -> tuple[Place, ...]:
    return (changed.get("root", ROOT), changed.get("between", BETWEEN), changed.get("own", OWN))


WRONG: dict[str, list[ScriptFacts]] = {
    "path": [
        replace(GOOD, script="/srv/www/../x.cgi"),
        replace(GOOD, script="/srv/www/./x.cgi"),
        replace(GOOD, script="/srv//www/x.cgi"),
        replace(GOOD, script="x.cgi"),
    ],
    "root": [replace(GOOD, root="")],
    "symbolic-link": [replace(GOOD, link=OWN.path)],
    "exists": [replace(GOOD, stop="/srv/www/~alice/cgi/x.cgi: No such file or directory")],
    "regular-file": [replace(GOOD, file=replace(SCRIPT, mode=stat.S_IFIFO | 0o755))],
    "user-exists": [replace(GOOD, user=None), replace(GOOD, user=None, wanted="mallory")],
    "not-root": [
        replace(
            GOOD,
            user=TargetUser("root", 0, 1001),
            file=replace(SCRIPT, owner=0),
            folders=chain(own=replace(OWN, owner=0)),
        )
    ],
    "least-user": [
        replace(
            GOOD,
            user=TargetUser("daemon", LEAST_NUMBER - 1, 1001),
            file=replace(SCRIPT, owner=LEAST_NUMBER - 1),
            folders=chain(own=replace(OWN, owner=LEAST_NUMBER - 1)),
        )
    ],
    "not-root-group": [replace(GOOD, user=replace(ALICE, group=0))],
    "least-group": [replace(GOOD, user=replace(ALICE, group=LEAST_NUMBER - 1))],
    "file-owner": [replace(GOOD, wanted="alice", file=replace(SCRIPT, owner=1002))],
    "file-group": [replace(GOOD, file=replace(SCRIPT, group=1002))],
    "folder-owner": [
        replace(GOOD, folders=chain(own=replace(OWN, owner=1002))),
        replace(GOOD, folders=chain(own=replace(OWN, owner=0))),
        replace(GOOD, folders=chain(between=replace(BETWEEN, owner=1002))),
    ],
    "folder-group": [replace(GOOD, folders=chain(own=replace(OWN, group=1002)))],
    "folder-writable": [
        replace(GOOD, folders=chain(own=mode(OWN, 0o775))),
        replace(GOOD, folders=chain(between=mode(BETWEEN, 0o757))),
        replace(GOOD, folders=chain(root=mode(ROOT, 0o1777))),
    ],
    "above-writable": [replace(GOOD, above=(mode(ABOVE[0], 0o777), ABOVE[1]))],
    "file-writable": [replace(GOOD, file=mode(SCRIPT, 0o775)), replace(GOOD, file=mode(SCRIPT, 0o757))],
    "set-id": [replace(GOOD, file=mode(SCRIPT, 0o4755)), replace(GOOD, file=mode(SCRIPT, 0o2755))],
    "identity": [replace(GOOD, may_become=False, own_user=1002)],
}


def test_every_check_of_the_table_is_tried_here() -> None:
    """A row that is added needs a case."""
    assert list(WRONG) == [name for name, _ in CHECKS]


@pytest.mark.parametrize(
    ("name", "facts"),
    [(name, facts) for name, cases in WRONG.items() for facts in cases],
    ids=lambda value: str(value)[:40],
)
def test_one_wrong_fact_is_one_refusal(name: str, facts: ScriptFacts) -> None:
    """By the check's own name and no other; what was found and what to do are said."""
    found = list(refusals(facts))
    assert [one.check for one in found] == [name]
    assert found[0].reason
    assert found[0].remedy


@pytest.mark.parametrize(
    "facts",
    [
        GOOD,
        replace(GOOD, wanted="alice"),
        replace(GOOD, file=replace(SCRIPT, group=2000)),
        replace(GOOD, folders=chain(own=replace(OWN, group=2000))),
        replace(GOOD, folders=chain(between=replace(BETWEEN, owner=1001))),
        replace(GOOD, folders=chain(root=replace(ROOT, owner=1002))),
        replace(GOOD, above=(mode(ABOVE[0], 0o1777), ABOVE[1])),
        replace(GOOD, file=mode(SCRIPT, 0o700)),
        replace(GOOD, may_become=False, own_user=1001),
    ],
)
def test_what_is_in_order_is_refused_by_nobody(facts: ScriptFacts) -> None:
    """Its own file in its own folder; a group that the user is in; root's folders on the way; /tmp's sticky bit."""
    assert list(refusals(facts)) == []


def test_accounts_of_the_system_may_run_their_own_scripts_without_privileges() -> None:
    """The least number guards what a process that may become anybody becomes; one that may not stays what it is."""
    www = TargetUser("www-data", 33, 33, (33,))
    facts = replace(
        GOOD,
        user=www,
        file=replace(SCRIPT, owner=33, group=33),
        folders=chain(own=replace(OWN, owner=33, group=33)),
        own_user=33,
    )
    assert [one.check for one in refusals(facts)] == ["least-user", "least-group"]
    assert list(refusals(replace(facts, may_become=False))) == []
