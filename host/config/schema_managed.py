"""Managed modules and handlers as classic mode configures them (`system.web`); whether integrated mode minds them."""

from __future__ import annotations

from typing import Final

from host.config.schema_types import Collection, Element, Rule, Scope, Section, Support, boolean, string

VALIDATION: Final = Section(
    path="system.webServer/validation",
    element=Element(
        name="validation",
        meaning="whether configuration that integrated mode does not obey is refused",
        attributes=(
            boolean(
                "validateIntegratedModeConfiguration",
                True,
                "in integrated mode requests get 500.22 beside httpModules and 500.23 beside httpHandlers; "
                "false: those two are ignored there",
            ),
        ),
    ),
)

HTTP_MODULES: Final = Section(
    path="system.web/httpModules",
    scope=Scope.MACHINE_TO_APPLICATION,
    element=Element(
        name="httpModules",
        meaning="managed modules of classic mode, before those of modules; they run inside the handler's step",
        collection=Collection(
            remove="remove",
            clear="clear",
            entry=Element(
                name="add",
                meaning="one module",
                attributes=(
                    string("name", "name of the module", required=True, key=True, rule=Rule.NON_EMPTY),
                    string("type", "its class: module:Class", required=True, rule=Rule.NON_EMPTY, case_sensitive=True),
                ),
            ),
        ),
    ),
)

HTTP_HANDLERS: Final = Section(
    path="system.web/httpHandlers",
    element=Element(
        name="httpHandlers",
        meaning="managed handlers of classic mode: asked when the mapping in handlers names ManagedEngine and no type",
        collection=Collection(
            remove="remove",
            clear="clear",
            merge_append=False,
            entry=Element(
                name="add",
                meaning="one mapping; the first one that fits answers",
                attributes=(
                    string("verb", "comma list of methods, or *", required=True, key=True, rule=Rule.NON_EMPTY),
                    string("path", "comma list of patterns: *.ext, name.ext, *", required=True, key=True),
                    string("type", "its class: module:Class", required=True, rule=Rule.NON_EMPTY, case_sensitive=True),
                    boolean("validate", True, "load the class when it is needed only", support=Support.WITHOUT_MEANING),
                ),
            ),
        ),
    ),
)
