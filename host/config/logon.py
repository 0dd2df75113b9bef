"""Who may come, and how people prove who they are: `security/authentication` and `security/authorization` as values."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from host.config.inheritance import Effective

EVERYBODY = "*"
ANONYMOUS = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRule:
    """One rule. Names are compared with case, as the file of users spells them."""

    is_allowed: bool
    users: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()  # empty: all

    @property
    def is_for_all(self) -> bool:
        """Whether it fits every request."""
        return EVERYBODY in self.users and not self.verbs

    def fits(self, user: str, roles: Set[str], method: str) -> bool:
        """Whether it speaks of that request. An empty user is an anonymous one."""
        if self.verbs and method not in self.verbs:
            return False
        return EVERYBODY in self.users or (user or ANONYMOUS) in self.users or not self.roles.isdisjoint(roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logon:
    """What is demanded of those who ask for a path."""

    allows_anonymous: bool = True
    uses_basic: bool = False
    realm: str = ""
    user_file: str = ""
    group_file: str = ""
    rules: tuple[AuthorizationRule, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """What is read to check names and passwords."""
        named = (self.user_file, self.group_file) if self.uses_basic else ()
        return tuple(file for file in named if file)

    @property
    def names_roles(self) -> bool:
        """Whether some rule asks for somebody's groups."""
        return any(rule.roles for rule in self.rules)

    def allows(self, user: str, roles: Set[str], method: str) -> bool:
        """As IIS: any Deny rule that fits refuses, whatever its level; then any Allow rule that fits lets in."""
        fitting = [rule.is_allowed for rule in self.rules if rule.fits(user, roles, method)]
        return bool(fitting) and all(fitting)


def build_logon(anonymous: Effective, basic: Effective, authorization: Effective) -> Logon | None:
    """What is in force for one path; None where everybody may come and nobody is asked anything."""
    logon = Logon(
        allows_anonymous=anonymous.flag("enabled"),
        uses_basic=basic.flag("enabled"),
        realm=basic.text("realm"),
        user_file=basic.text("userFile"),
        group_file=basic.text("groupFile"),
        rules=tuple(build_rule(entry.effective) for entry in authorization.entries),
    )
    is_open = any(rule.is_for_all for rule in logon.rules) and all(rule.is_allowed for rule in logon.rules)
    return None if is_open and logon.allows_anonymous and not logon.uses_basic else logon


def build_rule(entry: Effective) -> AuthorizationRule:
    """One `<add>` of authorization."""
    return AuthorizationRule(
        is_allowed=entry.text("accessType") == "Allow",
        users=names_in(entry.text("users")),
        roles=names_in(entry.text("roles")),
        verbs=_verbs_in(entry.text("verbs")),
    )


def _verbs_in(text: str) -> frozenset[str]:
    """Methods, for which `*` is all of them, as in `handlers`: a Deny rule that fits nothing protects nothing."""
    verbs = names_in(text.upper())
    return frozenset() if EVERYBODY in verbs else verbs


def names_in(text: str) -> frozenset[str]:
    """The names of a list with commas."""
    return frozenset(filter(None, (name.strip() for name in text.split(","))))
