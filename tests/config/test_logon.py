"""`security/authentication` and `security/authorization`: what is in force, and what is warned of."""

from __future__ import annotations

import pytest

from host.config.logon import AuthorizationRule, Logon
from host.config.store import ServerConfiguration, check_tree
from tests.config.server_sample import Server

EVERYBODY = AuthorizationRule(is_allowed=True, users=frozenset("*"))
ANONYMOUS_OFF = '<anonymousAuthentication enabled="false" />'


def written(server: Server, authentication: str = "", authorization: str = "") -> None:
    """The two sections in the server's file, of the folder /images."""
    server.write(
        '<location path="Default Web Site/images"><system.webServer><security>'
        f"<authentication>{authentication}</authentication>"
        f"<authorization>{authorization}</authorization></security></system.webServer></location>"
    )


def logon_of(server: Server, path: str = "/images") -> Logon | None:
    configuration = ServerConfiguration(server.source(), 1)
    return configuration.settings_for(configuration.snapshot.application("1:/"), path).logon


def warnings_of(server: Server) -> list[str]:
    errors, warnings = check_tree(server.source())
    assert errors == []
    return [str(warning).partition(": ")[2] for warning in warnings]


def test_where_nothing_is_said_everybody_may_come(server: Server) -> None:
    """As IIS's setup leaves it, and nothing is looked at then."""
    server.write("")
    assert logon_of(server) is None
    written(server, '<anonymousAuthentication enabled="true" userName="" />', '<add accessType="Allow" users="*" />')
    assert logon_of(server) is None


def test_what_is_said_is_in_force_for_that_path_alone(server: Server) -> None:
    """Files are taken from the folder of the server's file."""
    basic = '<basicAuthentication enabled="true" realm="r" userFile="users" groupFile="/etc/g" />'
    written(server, ANONYMOUS_OFF + basic, '<add accessType="Deny" users=" bob, eve ,"  roles="x" verbs="post,PUT" />')
    rule = AuthorizationRule(
        is_allowed=False, users=frozenset({"bob", "eve"}), roles=frozenset({"x"}), verbs=frozenset({"POST", "PUT"})
    )
    logon = logon_of(server)
    assert logon == Logon(
        allows_anonymous=False,
        uses_basic=True,
        realm="r",
        user_file=str(server.root / "conf/users"),
        group_file="/etc/g",
        rules=(EVERYBODY, rule),
    )
    assert logon.files == (str(server.root / "conf/users"), "/etc/g")
    assert logon.names_roles
    assert logon_of(server, "/") is None


def test_verbs_count_in_any_case_and_a_star_is_all_of_them(server: Server) -> None:
    """A Deny rule that fits no method would leave a door open."""
    written(
        server, "", '<add accessType="Deny" users="?" verbs="*" /><add accessType="Deny" users="eve" verbs="Put" />'
    )
    logon = logon_of(server)
    assert logon is not None
    assert not logon.allows("", frozenset(), "POST")
    assert not logon.allows("eve", frozenset(), "PUT")
    assert logon.allows("eve", frozenset(), "GET")


def test_a_web_config_may_say_who_comes_but_not_how_they_log_on(server: Server) -> None:
    """overrideModeDefault, as IIS has it."""
    server.write("")
    rule = '<remove users="*" roles="" verbs="" /><add accessType="Allow" users="alice" />'
    server.web_config("www/images", f"<security><authorization>{rule}</authorization></security>")
    alone = AuthorizationRule(is_allowed=True, users=frozenset({"alice"}))
    logon = logon_of(server)
    assert logon is not None
    assert logon.rules == (alone,)
    server.web_config("www/images", f"<security><authentication>{ANONYMOUS_OFF}</authentication></security>")
    errors, _ = check_tree(server.source())
    assert ["anonymousAuthentication" in str(error) and "locked" in str(error) for error in errors] == [True]


def test_what_protects_nothing_is_warned_of(server: Server) -> None:
    """The traps of IIS: anonymous users are let in first, and the inherited rule lets everybody in."""
    basic = '<basicAuthentication enabled="true" userFile="users" />'
    written(server, basic)
    (told,) = warnings_of(server)
    assert told.startswith("basicAuthentication/@enabled: nobody is asked for a password")
    written(server, basic, '<add accessType="Deny" users="?" />')
    assert warnings_of(server) == []
    written(server, ANONYMOUS_OFF + basic, '<add accessType="Allow" users="alice" />')
    (told,) = warnings_of(server)
    assert "it restricts nothing: another rule lets everybody in" in told
    assert '<remove users="*" roles="" verbs="" />' in told
    written(server, "", '<add accessType="Allow" users="alice" />')
    assert len(warnings_of(server)) == 1


@pytest.mark.parametrize(
    ("authentication", "authorization", "words"),
    [
        (ANONYMOUS_OFF, "", "nobody is asked for one"),
        (ANONYMOUS_OFF + '<basicAuthentication enabled="true" />', "", "there is no userFile"),
        ("", '<add accessType="Deny" users="" verbs="PUT" />', "it speaks of nobody"),
    ],
)
def test_what_refuses_everybody_or_nobody_is_warned_of(
    server: Server, authentication: str, authorization: str, words: str
) -> None:
    """Once, although several paths inherit it."""
    written(server, authentication, authorization)
    (told,) = warnings_of(server)
    assert words in told


def test_a_location_that_is_written_as_in_a_url_locks_nothing(server: Server) -> None:
    """The path is compared as it is, decoded; who writes an escape is told what to write."""
    deny = '<security><authorization><add accessType="Deny" users="?" /></authorization></security>'
    for path, count in (("a%20b", 1), ("a b", 0), ("100%", 0)):
        text = f"<system.webServer>{deny}</system.webServer>"
        server.write(f'<location path="Default Web Site/{path}">{text}</location>')
        found = warnings_of(server)
        assert len(found) == count
        assert all('"%20" stands for itself' in told and told.endswith("write a b") for told in found)


def test_the_same_rule_twice_is_an_error(server: Server) -> None:
    """users, roles and verbs are its key together."""
    rule = '<add accessType="Deny" users="a" />'
    written(server, "", rule + rule.replace("Deny", "Allow"))
    errors, _ = check_tree(server.source())
    assert len(errors) == 1
    written(server, "", rule + '<add accessType="Deny" users="a" verbs="PUT" /><add accessType="Deny" users="A" />')
    assert check_tree(server.source())[0] == []
