"""What is wrong with a configuration: every problem with its place and its remedy, all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One problem. `element` and `attribute` are IIS's names (empty when the file as a whole is meant).

    As text: `file:line: element/@attribute: message; remedy`.
    """

    file: str
    line: int
    element: str
    attribute: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        place = self.element + (f"/@{self.attribute}" if self.attribute else "")
        text = f"{self.file}:{self.line}: " + (f"{place}: " if place else "") + self.message
        return f"{text}; {self.remedy}" if self.remedy else text


class ConfigErrors(Exception):
    """A configuration that cannot be used. `errors` holds every problem that was found, never only the first."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        self.errors: tuple[ConfigError, ...] = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))


class ValueProblem(ValueError):
    """A text that is no value of its attribute. The reader adds file, line and names and makes it a ConfigError."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class VersionConflict(Exception):
    """Somebody else changed the configuration since it was read: read it again and repeat the change."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"the configuration is at version {actual}, the change was made for version {expected}")
        self.expected = expected
        self.actual = actual
