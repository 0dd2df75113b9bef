"""What `security/authentication` and `security/authorization` say together, where that is hardly what was meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from host.config.inheritance import Effective, starting_point
from host.config.logon import ANONYMOUS, EVERYBODY, Logon, build_logon, build_rule, names_in
from host.config.problems import Problems
from host.config.schema import SECTIONS

_SECURITY: Final = "system.webServer/security"
_ANONYMOUS: Final = f"{_SECURITY}/authentication/anonymousAuthentication"
BASIC: Final = f"{_SECURITY}/authentication/basicAuthentication"
_AUTHORIZATION: Final = f"{_SECURITY}/authorization"
_REMOVE: Final = 'take the inherited rule away in front of it: <remove users="*" roles="" verbs="" />'


def check_logon(sections: Mapping[str, Effective], problems: Problems) -> None:
    """Warns of what protects less, or more, than it seems to; `sections` are in force for one path."""
    anonymous, basic, authorization = (_section(sections, path) for path in (_ANONYMOUS, BASIC, _AUTHORIZATION))
    logon = build_logon(anonymous, basic, authorization)
    if logon is None:
        _check_rules(authorization, problems)
        return
    if basic.node is not None and logon.uses_basic:
        _check_basic(basic, logon, problems)
    if anonymous.node is not None and not logon.allows_anonymous and not logon.uses_basic:
        message = (
            "nobody may come without a name, and nobody is asked for one: only a filter or module can log people on"
        )
        remedy = 'add <basicAuthentication enabled="true" userFile="..." />'
        problems.warnings.append(anonymous.node.error(message, remedy, attribute="enabled"))
    _check_rules(authorization, problems)


def _section(sections: Mapping[str, Effective], path: str) -> Effective:
    return sections.get(path) or starting_point(SECTIONS[path].element)


def _check_basic(basic: Effective, logon: Logon, problems: Problems) -> None:
    node = basic.node
    assert node is not None
    if not logon.user_file:
        message = "there is no userFile: no name and no password is right"
        remedy = 'make one with: htpasswd -cB FILE NAME, and add userFile="FILE"'
        problems.warnings.append(node.error(message, remedy, attribute="userFile"))
    if logon.allows_anonymous and logon.allows("", frozenset(), "GET"):
        message = (
            "nobody is asked for a password: anonymousAuthentication is enabled, and no rule refuses anonymous users"
        )
        remedy = 'add <anonymousAuthentication enabled="false" /> beside it'
        problems.warnings.append(node.error(message, remedy, attribute="enabled"))


def _check_rules(authorization: Effective, problems: Problems) -> None:
    """Allow rules beside one for everybody, and rules that speak of nobody."""
    rules = [entry.effective for entry in authorization.entries]
    is_for_everybody = any(rule.is_allowed and rule.is_for_all for rule in map(build_rule, rules))
    for rule in rules:
        if rule.node is None:
            continue
        users = names_in(rule.text("users"))
        if not users and not names_in(rule.text("roles")):
            message = "it speaks of nobody"
            remedy = f"name users or roles; {EVERYBODY} is everybody, {ANONYMOUS} who has no name"
            problems.warnings.append(rule.node.error(message, remedy))
        elif is_for_everybody and rule.text("accessType") == "Allow" and EVERYBODY not in users:
            problems.warnings.append(rule.node.error("it restricts nothing: another rule lets everybody in", _REMOVE))
