"""`module:callable`: how a mapping's scriptProcessor names a Python application (gunicorn's and uvicorn's notation)."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any, Final

DEFAULT_ATTRIBUTE: Final = "application"
"""The attribute of a name without a colon, as PEP 3333's examples and gunicorn have it."""


@dataclass(frozen=True, slots=True)
class CallableName:
    """A module, a path of attributes in it, and whether what is found there is called for the application."""

    module: str
    attributes: tuple[str, ...]
    is_factory: bool = False
    arguments: tuple[Any, ...] = ()
    named_arguments: tuple[tuple[str, Any], ...] = ()

    @property
    def attribute_text(self) -> str:
        """The attributes as they are written."""
        return ".".join(self.attributes)


def parse_callable_name(text: str) -> CallableName:
    """The parts of `package.module:name`, `module:object.name`, `module:factory()` or `module:factory('a', b=1)`.

    Arguments of a factory are Python literals. Raises ValueError with a sentence about what is wrong.
    """
    module, colon, expression = (part.strip() for part in text.partition(":"))
    if not module or not all(part.isidentifier() for part in module.split(".")):
        raise ValueError(f"{text!r} names no module: it is written package.module:callable")
    if not colon:
        return CallableName(module, (DEFAULT_ATTRIBUTE,))
    try:
        node = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"{expression!r} behind the colon of {text!r} is no name and no call") from error
    if not isinstance(node, ast.Call):
        return CallableName(module, _attributes(node, text))
    if any(isinstance(argument, ast.Starred) for argument in node.args) or any(
        keyword.arg is None for keyword in node.keywords
    ):
        raise ValueError(f"a factory takes no * or ** arguments: {text!r}")
    try:
        arguments = tuple(ast.literal_eval(argument) for argument in node.args)
        named = tuple((str(keyword.arg), ast.literal_eval(keyword.value)) for keyword in node.keywords)
    except ValueError as error:
        raise ValueError(f"the arguments of a factory are literals, such as 'text' or 1: {text!r}") from error
    return CallableName(module, _attributes(node.func, text), True, arguments, named)


def _attributes(node: ast.expr, text: str) -> tuple[str, ...]:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise ValueError(f"behind the colon of {text!r} stands a name or the call of one, nothing else")
    return (node.id, *names)
