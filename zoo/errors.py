"""One tree of errors: a message (what is wrong, with the evidence), a hint (what to do) and whether a retry can help.

Every class survives pickling, so an error raised on a Ray worker arrives whole at the driver.
"""

from __future__ import annotations

__all__ = [
    "ArtifactError",
    "BudgetError",
    "ClusterError",
    "ConfigError",
    "ConflictError",
    "DataError",
    "ModelError",
    "RegistryError",
    "StudyError",
    "ZooError",
    "first_line",
]


_MAX_LINE = 600  # characters of a line that a person reads


def _cut(text: str) -> str:
    """Return a text whose lines have an end in sight: a message may list all columns of a table."""
    lines = text.split("\n")
    return "\n".join(
        line if len(line) <= _MAX_LINE else f"{line[:450]} ... ({len(line) - 550:,} characters more) ... {line[-100:]}"
        for line in lines
    )


def first_line(error: BaseException) -> str:
    """Return the first line of what another library's error says; its class where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class ZooError(Exception):
    """Base of all errors that this project raises on purpose.

    Args:
        message: What is wrong, rule first, then the evidence.
        hint: What the reader can do about it; may be empty.
    """

    retryable: bool = False

    def __init__(self, message: str, hint: str = "") -> None:
        message, hint = _cut(message), _cut(hint)
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class DataError(ZooError):
    """The user's table cannot be used as it is."""


class ConfigError(ZooError):
    """An argument or option is invalid or contradicts another one."""


class ConflictError(ZooError):
    """Somebody else changed the same thing first; what was there before stands."""

    retryable = True


class BudgetError(ZooError):
    """The budget does not allow what was asked."""


class ModelError(ZooError):
    """A model cannot be fitted on, or cannot forecast, the given panel."""


class ArtifactError(ZooError):
    """A saved file is missing, foreign, damaged or tampered with."""


class RegistryError(ZooError):
    """The registry of models cannot be used, or does not allow what was asked."""


class StudyError(ZooError):
    """A study's storage cannot be opened or contradicts the request."""


class ClusterError(ZooError):
    """The Ray cluster cannot be reached or cannot give what was asked."""

    retryable = True
