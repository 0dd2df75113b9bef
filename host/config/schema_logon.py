"""`system.webServer/security`: who is asked to log on, how, and who may come then."""

from __future__ import annotations

from typing import Final

from host.config.schema_types import (
    Attribute,
    Collection,
    Element,
    Expansion,
    Kind,
    Section,
    Support,
    boolean,
    choice,
    string,
)

_WITHOUT_MEANING: Final = Support.WITHOUT_MEANING
_LOGON_METHOD: Final = choice(
    "logonMethod",
    "ClearText",
    "kind of Windows logon",
    {"Interactive": 0, "Batch": 1, "Network": 2, "ClearText": 3},
    support=_WITHOUT_MEANING,
)

ANONYMOUS_AUTHENTICATION: Final = Section(
    path="system.webServer/security/authentication/anonymousAuthentication",
    allows_override=False,
    element=Element(
        name="anonymousAuthentication",
        meaning="visitors who do not say who they are",
        attributes=(
            boolean("enabled", True, "they may come, as far as authorization lets them; false: they get 401.2"),
            string("userName", "account for them", "IUSR", support=_WITHOUT_MEANING),
            string("password", "its password", case_sensitive=True, support=_WITHOUT_MEANING),
            _LOGON_METHOD,
        ),
    ),
)

BASIC_AUTHENTICATION: Final = Section(
    path="system.webServer/security/authentication/basicAuthentication",
    allows_override=False,
    element=Element(
        name="basicAuthentication",
        meaning="names and passwords (RFC 7617)",
        attributes=(
            boolean("enabled", False, "401 asks for them, and those that are sent are checked; wrong ones get 401.1"),
            string("realm", "what the browser says they are for; empty: the host name"),
            string("defaultLogonDomain", "domain of names without one", support=_WITHOUT_MEANING),
            _LOGON_METHOD,
            string(
                "userFile",
                "file of `name:hash` lines, as htpasswd writes it; it is read again when it changes",
                expansion=Expansion.PATH,
                case_sensitive=True,
                ours=True,
            ),
            string(
                "groupFile",
                "file of `group: name name` lines, for roles of authorization",
                expansion=Expansion.PATH,
                case_sensitive=True,
                ours=True,
            ),
        ),
    ),
)

AUTHORIZATION: Final = Section(
    path="system.webServer/security/authorization",
    element=Element(
        name="authorization",
        meaning="who may come: whom a Deny rule fits, or no Allow rule, gets 401.2",
        attributes=(boolean("bypassLoginPages", True, "login pages of ASP.NET are free", support=_WITHOUT_MEANING),),
        collection=Collection(
            remove="remove",
            clear="clear",
            default_entries=({"accessType": "Allow", "users": "*"},),
            entry=Element(
                name="add",
                meaning="one rule",
                attributes=(
                    Attribute(
                        name="accessType",
                        kind=Kind.ENUM,
                        meaning="what it says of those whom it fits",
                        required=True,
                        names=(("Allow", 0), ("Deny", 1)),
                    ),
                    string("users", "names with commas; * is everybody, ? who has none", key=True, case_sensitive=True),
                    string("roles", "groups of groupFile with commas", key=True, case_sensitive=True),
                    string("verbs", "methods with commas, in any case; empty or *: all", key=True, case_sensitive=True),
                ),
            ),
        ),
    ),
)
