"""Where readers and checks put what they find, so that one pass reports everything."""

from __future__ import annotations

from dataclasses import dataclass, field

from host.config.errors import ConfigError, ConfigErrors


@dataclass(slots=True)
class Problems:
    """Errors make a configuration unusable, warnings do not."""

    errors: list[ConfigError] = field(default_factory=list)
    warnings: list[ConfigError] = field(default_factory=list)

    def raise_errors(self) -> None:
        """Raises ConfigErrors with all of them in the order of the file, if there is any."""
        if self.errors:
            unique = dict.fromkeys(self.errors)
            raise ConfigErrors(sorted(unique, key=lambda error: (error.file, error.line)))
