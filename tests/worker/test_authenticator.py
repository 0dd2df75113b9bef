"""Names and passwords: who is let in, who is asked, and what it costs."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from host.api import DenialReason
from host.authentication import password_hashes
from host.worker import authenticator
from host.worker.authenticator import most_hashes
from tests.authentication.hashes import HASHES, PASSWORD
from tests.worker.front import Answer, Front, run
from tests.worker.site import STATIC, Site, attach

SHA = HASHES["htpasswd -s"]
WHO = """
    @hookimpl
    def handler_mappings():
        return [HandlerMapping(name="Who", path="*.who", verbs="*")]

    @hookimpl
    async def handle(request):
        if request.raw_query == "401":
            return Response(status=401, body=b"no")
        return Response.text(f"{request.method} {request.user}|{request.auth_type}")
"""
NO_ANONYMOUS = '<anonymousAuthentication enabled="false" />'


def basic(user: str, password: str = PASSWORD, *, raw: bytes | None = None) -> dict[str, bytes]:
    """The field as an argument for `Front.ask`."""
    credentials = f"{user}:{password}".encode() if raw is None else raw
    return field(b"Basic " + base64.b64encode(credentials))


def field(value: bytes) -> dict[str, bytes]:
    return {"fields": b"Host: localhost\r\nAuthorization: " + value + b"\r\n"}


class Protected:
    """A site whose URLs ask for names of its file."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.users = site.folder / "users"
        self.users.write_text(f"alice:{SHA}\nbob:{HASHES['htpasswd -B']}\n")
        self.groups = site.folder / "groups"
        self.groups.write_text("staff: bob\n")
        self.rules = ""
        self.anonymous = NO_ANONYMOUS
        self.basic = f'enabled="true" userFile="{self.users}" groupFile="{self.groups}"'
        site.handlers = STATIC
        site.extension("who", WHO)
        site.write("a.txt", "secret")

    def write(self) -> None:
        rules = f"<authorization>{self.rules}</authorization>" if self.rules else ""
        basic_element = f"<basicAuthentication {self.basic} />" if self.basic else ""
        authentication = f"<authentication>{self.anonymous}{basic_element}</authentication>"
        self.site.further = f"<security>{authentication}{rules}</security>"

    def ask(self, *requests: dict[str, Any]) -> list[Answer]:
        """Serve those requests, one after the other."""

        async def ask_all(front: Front) -> list[Answer]:
            return [await front.ask(**{"target": "/x.who", **request}) for request in requests]

        answers: list[Answer] = self.serve(ask_all)
        return answers

    def serve(self, main: Callable[[Front], Awaitable[Any]], capacity: int = 64) -> Any:
        self.write()

        async def served() -> Any:
            return await main(attach(await self.site.start(capacity=capacity)))

        return run(served())


@pytest.fixture
def protected(site: Site) -> Protected:
    """Anonymous users are asked."""
    return Protected(site)


def codes(answers: list[Answer]) -> list[tuple[int, int]]:
    return [(answer.status, answer.substatus) for answer in answers]


def test_who_knows_a_password_is_let_in_and_named(protected: Protected) -> None:
    """By any handler, files included; in the log, too."""
    answers = protected.ask(basic("alice"), basic("bob"), {"target": "/a.txt", **basic("alice")})
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert [answer.text for answer in answers[:2]] == ["GET alice|Basic", "GET bob|Basic"]
    assert all(answer.log is not None and answer.log.user_name for answer in answers)


@pytest.mark.parametrize(
    ("request_fields", "substatus"),
    [
        ({}, 2),
        (field(b"Bearer abc"), 2),
        (field(b"Basic"), 1),
        (field(b"Basic %%%"), 1),
        (field(b"Basic YWJj"), 1),
        (basic("", raw=b"alice"), 1),
        (basic("", raw=b":"), 1),
        (basic("", raw=b"alice:\0"), 1),
        (basic("", raw=b"al\nice:x"), 1),
        (basic("", raw=b"\xff\xfe:x"), 1),
        (basic("alice", "wrong"), 1),
        (basic("alice", ""), 1),
        (basic("alice", "x" * 6000), 1),
        (basic("Alice"), 1),
        (basic("nobody"), 1),
        ({"target": "/a.txt"}, 2),
        ({"target": "/there-is-no-such-file"}, 2),
        ({"method": "OPTIONS"}, 2),
    ],
)
def test_everybody_else_is_asked(protected: Protected, request_fields: dict[str, Any], substatus: int) -> None:
    """401.1 for what is wrong, 401.2 for nothing; nobody learns what exists."""
    (answer,) = protected.ask(request_fields)
    assert (answer.status, answer.substatus) == (401, substatus)
    assert answer.header("WWW-Authenticate") == 'Basic realm="localhost", charset="UTF-8"'


def test_an_old_browsers_encoding_is_understood(protected: Protected) -> None:
    """ISO-8859-1, of a password that was hashed as UTF-8."""
    answers = protected.ask(basic("", raw=f"alice:{PASSWORD}".encode("latin-1")), field(b"bAsIc  " + b64("alice")))
    assert [answer.status for answer in answers] == [200, 200]


def b64(user: str) -> bytes:
    return base64.b64encode(f"{user}:{PASSWORD}".encode())


def test_the_realm_is_quoted(protected: Protected) -> None:
    """RFC 9110 section 5.6.4."""
    protected.basic += ' realm="the &quot;shop&quot; \\ x"'
    (answer,) = protected.ask({})
    assert answer.header("WWW-Authenticate") == 'Basic realm="the \\"shop\\" \\\\ x", charset="UTF-8"'


def test_a_handlers_own_401_asks_too_and_a_challenge_stands_once(protected: Protected) -> None:
    """A script may ask for another name, as on IIS."""
    answers = protected.ask({"target": "/x.who?401", **basic("alice")})
    assert (answers[0].status, answers[0].body) == (401, b"no")
    assert answers[0].head.count(b"WWW-Authenticate: Basic") == 1


def test_with_anonymous_users_credentials_are_checked_when_they_come(protected: Protected) -> None:
    """Nothing is demanded; what is sent has to be right."""
    protected.anonymous = ""
    answers = protected.ask({}, basic("alice"), basic("alice", "wrong"), field(b"Bearer x"))
    assert codes(answers) == [(200, 0), (200, 0), (401, 1), (200, 0)]
    assert [answers[0].text, answers[1].text] == ["GET |", "GET alice|Basic"]


def test_without_any_way_to_log_on_nobody_comes(protected: Protected) -> None:
    """And nobody is asked for what does not help; a file that says so is warned of elsewhere."""
    protected.basic = ""
    answers = protected.ask({}, basic("alice"))
    assert codes(answers) == [(401, 2), (401, 2)]
    assert answers[0].header("WWW-Authenticate") == ""


def test_without_a_file_no_name_is_right(protected: Protected) -> None:
    """The remedy is in the page for local clients."""
    protected.basic = 'enabled="true"'
    (answer,) = protected.ask(basic("alice"))
    assert (answer.status, answer.substatus) == (401, 1)
    assert "userFile" in answer.text


def test_a_file_that_cannot_be_read_lets_nobody_in_and_is_told_once(protected: Protected) -> None:
    """500.19 for those who send a password, until it is there again."""

    async def main(front: Front) -> list[Answer]:
        away = protected.users.rename(protected.users.with_name("away"))
        answers = [await front.ask("/x.who", **basic("alice")), await front.ask("/x.who", **basic("alice"))]
        answers.append(await front.ask("/x.who"))
        away.rename(protected.users)
        answers.append(await front.ask("/x.who", **basic("alice")))
        return answers

    assert codes(protected.serve(main)) == [(500, 19), (500, 19), (401, 2), (200, 0)]
    (told,) = protected.site.told("user-file-problem")
    assert str(protected.users) in told
    assert "No such file" in told


def test_a_changed_file_counts_at_once(protected: Protected) -> None:
    """Also for a password that was right before; lines that are nobody's are an event."""

    async def main(front: Front) -> list[Answer]:
        answers = [await front.ask("/x.who", **basic("alice")), await front.ask("/x.who", **basic("alice"))]
        protected.users.write_text(f"alice:{HASHES['htpasswd -m'][:-1]}A\ncarol:{SHA}\nbob:plain\n")
        answers += [await front.ask("/x.who", **basic(name)) for name in ("alice", "carol", "bob")]
        return answers

    assert [answer.status for answer in protected.serve(main)] == [200, 200, 401, 200, 401]
    (told,) = protected.site.told("user-file-problem")
    assert "line 3 (bob)" in told


def test_a_password_is_hashed_once_and_guesses_are_bounded(
    protected: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page with many images costs one hash; names that are not there cost one each, as those that are."""
    counted: list[bytes] = []
    at_once: list[int] = []
    lock = threading.Lock()
    running = [0]

    def counting(password: bytes, stored: str) -> bool:
        with lock:
            running[0] += 1
            at_once.append(running[0])
            counted.append(password)
        try:
            return password_hashes.is_password(password, stored)
        finally:
            with lock:
                running[0] -= 1

    monkeypatch.setattr(authenticator, "is_password", counting)

    async def main(front: Front) -> list[Answer]:
        numbers = [front.send("/x.who", fields=basic("bob")["fields"]) for _ in range(20)]
        answers = [await front.answer(number) for number in numbers]
        numbers = [
            front.send("/x.who", fields=basic(name, "wrong")["fields"]) for name in ("bob", "eve") for _ in range(8)
        ]
        return answers + [await front.answer(number) for number in numbers]

    answers = protected.serve(main)
    assert [answer.status for answer in answers] == [200] * 20 + [401] * 16
    most = most_hashes(len(os.sched_getaffinity(0)))
    assert max(at_once) <= most
    assert counted.count(PASSWORD.encode()) <= most
    assert counted.count(b"wrong") == 16


def test_who_guesses_does_not_take_all_places(protected: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many wait for their turn, half of them from one address; one more is told to come again, and what needs no
    hash is answered meanwhile."""
    may_go_on = threading.Event()

    def slow(password: bytes, stored: str) -> bool:
        return may_go_on.wait(60) and password_hashes.is_password(password, stored)

    monkeypatch.setattr(authenticator, "is_password", slow)

    async def main(front: Front) -> list[Answer]:
        def guesses(address: str, count: int) -> list[int]:
            guess = basic("bob", "wrong")["fields"]
            return [front.send("/x.who", fields=guess, remote=address) for _ in range(count)]

        half = authenticator.MOST_WAITING // 2
        numbers = guesses("192.0.2.1", half)
        answers = [await front.ask("/x.who", **basic("alice"), remote="192.0.2.1")]
        numbers += guesses("192.0.2.2", 1) + guesses("192.0.2.3", half - 1)
        answers += [await front.ask("/x.who", **basic("alice"), remote="192.0.2.2"), await front.ask("/x.who")]
        may_go_on.set()
        return (
            answers + [await front.answer(number) for number in numbers] + [await front.ask("/x.who", **basic("alice"))]
        )

    answers = protected.serve(main, capacity=100)
    assert codes(answers[:3]) == [(503, 2), (503, 2), (401, 2)]
    assert [answer.header("Retry-After") for answer in answers[:2]] == ["5", "5"]
    assert codes(answers[3:-1]) == [(401, 1)] * authenticator.MOST_WAITING
    assert answers[-1].text == "GET alice|Basic"


def test_so_many_hashes_at_a_time() -> None:
    """Half of the processors, one at least, four at most."""
    assert [most_hashes(count) for count in (1, 2, 3, 4, 8, 64)] == [1, 1, 1, 2, 4, 4]


# --- authorization


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("", [200, 200]),
        ('<add accessType="Deny" users="alice" />', [401, 200]),
        ('<remove users="*" roles="" verbs="" /><add accessType="Allow" users="bob, carol" />', [401, 200]),
        ('<clear /><add accessType="Allow" roles="staff" />', [401, 200]),
        ('<add accessType="Deny" roles="staff" />', [200, 401]),
        ("<clear />", [401, 401]),
        ('<add accessType="Deny" users="*" verbs="get,HEAD" />', [401, 401]),
        ('<add accessType="Deny" users="*" verbs="POST" />', [200, 200]),
        ('<add accessType="Deny" users="?" />', [200, 200]),
        ('<add accessType="Deny" users="Alice" />', [200, 200]),
    ],
)
def test_rules_decide_who_of_them_may_come(protected: Protected, rules: str, expected: list[int]) -> None:
    """alice, and bob who is of the group staff. Deny comes before Allow; nothing that fits is a refusal."""
    protected.rules = rules
    answers = protected.ask(basic("alice"), basic("bob"))
    assert [answer.status for answer in answers] == expected
    assert all(answer.substatus == 2 for answer in answers if answer.status == 401)


def test_rules_alone_ask_anonymous_users(protected: Protected) -> None:
    """Deny users="?" is the other way to say that everybody has to log on."""
    protected.anonymous = ""
    protected.rules = '<add accessType="Deny" users="?" verbs="POST" />'
    answers = protected.ask({}, {"method": "POST"}, {"method": "POST", **basic("alice")})
    assert codes(answers) == [(200, 0), (401, 2), (200, 0)]
    assert answers[1].header("WWW-Authenticate").startswith("Basic ")


def test_groups_that_cannot_be_read_let_nobody_in(protected: Protected) -> None:
    """500.19 where a rule asks for them."""
    protected.groups.unlink()
    protected.rules = '<add accessType="Deny" roles="staff" />'
    assert codes(protected.ask(basic("alice"))) == [(500, 19)]


# --- inside the server


def test_an_internal_request_has_to_be_let_in_to_its_own_url(protected: Protected) -> None:
    """A redirect inside the server leads nobody past the rules; who has logged on keeps his name."""
    site = protected.site
    site.extension(
        "leads",
        """
        @hookimpl
        def handler_mappings():
            return [HandlerMapping(name="Leads", path="*.leads", verbs="*")]

        @hookimpl
        async def handle(request):
            if request.raw_query == "execute":
                return await request.host.execute("/in/x.who")
            return Response.local_redirect("/in/x.who")
        """,
    )
    rule = '<add accessType="Deny" users="?" />'
    security = f"<security><authorization>{rule}</authorization></security>"
    site.write("in/web.config", f"<configuration><system.webServer>{security}</system.webServer></configuration>")
    protected.anonymous = ""
    protected.write()

    async def main(front: Front) -> list[Answer]:
        wanted = [(path, extra) for path in ("/a.leads", "/a.leads?execute") for extra in ({}, basic("alice"))]
        return [await front.ask(path, **extra) for path, extra in wanted]

    answers = protected.serve(main)
    assert [answer.status for answer in answers] == [401, 200, 401, 200]
    assert [answer.text for answer in answers if answer.status == 200] == ["GET alice|Basic"] * 2


def test_a_plugin_that_leads_elsewhere_leads_nobody_past_the_rules(protected: Protected) -> None:
    """on_auth_complete may set another URL: the user is judged there again."""
    site = protected.site
    site.filter(
        "elsewhere",
        """
        @hookimpl
        def on_auth_complete(request):
            if request.path == "/x.who":
                request.set_url("/in/x.who")
        """,
    )
    rule = '<add accessType="Deny" users="alice" />'
    security = f"<security><authorization>{rule}</authorization></security>"
    site.write("in/web.config", f"<configuration><system.webServer>{security}</system.webServer></configuration>")
    answers = protected.ask(basic("alice"), basic("bob"))
    assert [answer.status for answer in answers] == [401, 200]


# --- filters and modules of the user's own


def test_a_filter_sees_and_changes_credentials_before_they_are_checked(protected: Protected) -> None:
    """SF_NOTIFY_AUTHENTICATION: names of its own, mapped to those of the file, whatever brought them."""
    protected.site.filter(
        "maps",
        f"""
        @hookimpl
        def on_authentication(request, credentials):
            if credentials.user == "guest" or request.headers.get("X-Ticket") == "good":
                credentials.user, credentials.password = "bob", {PASSWORD!r}
        """,
    )
    ticket = {"fields": b"Host: x\r\nX-Ticket: good\r\n"}
    answers = protected.ask(basic("guest", "x"), ticket, basic("alice"), {})
    assert [answer.text for answer in answers[:3]] == ["GET bob|Basic", "GET bob|Basic", "GET alice|Basic"]
    assert answers[3].status == 401


def test_who_has_been_authenticated_by_a_plugin_is_asked_nothing(protected: Protected) -> None:
    """A filter or module that sets request.user; rules hold for that name, too."""
    protected.site.module(
        "token",
        """
        @hookimpl
        def authenticate_request(request):
            if request.headers.get("Authorization").startswith("Bearer "):
                request.user, request.auth_type = request.headers.get("Authorization")[7:], "Bearer"
        """,
    )
    protected.rules = '<add accessType="Deny" users="eve" />'
    answers = protected.ask(field(b"Bearer carol"), field(b"Bearer eve"), basic("alice"))
    assert [answer.status for answer in answers] == [200, 401, 200]
    assert answers[0].text == "GET carol|Bearer"


def test_a_filter_that_answers_a_401_sees_why(protected: Protected) -> None:
    """SF_NOTIFY_ACCESS_DENIED, with the file's and the configuration's reasons."""
    protected.site.filter(
        "denied",
        """
        @hookimpl
        def on_access_denied(request, denial):
            return Response(status=401, body=str(denial.reason.value).encode())
        """,
    )
    answers = protected.ask(basic("alice", "wrong"), {})
    by_config = DenialReason.LOGON | DenialReason.BY_CONFIG
    assert [int(answer.text) for answer in answers] == [DenialReason.LOGON.value, by_config.value]
    assert all(answer.header("WWW-Authenticate") for answer in answers)


def only_alice(path: str) -> str:
    rules = '<clear /><add accessType="Allow" users="alice" />'
    security = f"<security><authorization>{rules}</authorization></security>"
    return f'<location path="{path}"><system.webServer>{security}</system.webServer></location>'


@pytest.mark.parametrize(
    "target",
    ["/virtual/a.txt", "/VIRTUAL/a.txt", "/Virtual//a.txt", "/x.who", "/X.WHO", "/X.who/more", "/below/a.txt"],
)
def test_a_path_is_locked_however_a_client_spells_it(protected: Protected, target: str) -> None:
    """Virtual directories and handlers are found in any case of letters, so their locks have to be, too."""
    site = protected.site
    folder, below = site.folder / "elsewhere", site.folder / "below"
    for one in (folder, below):
        one.mkdir()
        (one / "a.txt").write_text("secret")
    (below / "web.config").write_text(f"<configuration>{only_alice('.')}</configuration>")
    directories = site.directory("/", site.root) + site.directory("/virtual", folder) + site.directory("/BELOW", below)
    site.applications = f'<application path="/" applicationPool="Pool">{directories}</application>'
    site.write("web.config", f"<configuration>{only_alice('virtual')}{only_alice('x.who')}</configuration>")
    protected.anonymous = ""
    assert codes(protected.ask({"target": target}, {"target": target, **basic("bob")})) == [(401, 2), (401, 2)]
    (answer,) = protected.ask({"target": target, **basic("alice")})
    assert answer.status == 200
    assert protected.ask({"target": "/a.txt"})[0].status == 200
