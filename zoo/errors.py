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
    "StudyError",
    "ZooError",
]


class ZooError(Exception):
    """Base of all errors that this project raises on purpose.

    Args:
        message: What is wrong, rule first, then the evidence.
        hint: What the reader can do about it; may be empty.
    """

    retryable: bool = False

    def __init__(self, message: str, hint: str = "") -> None:
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


class StudyError(ZooError):
    """A study's storage cannot be opened or contradicts the request."""


class ClusterError(ZooError):
    """The Ray cluster cannot be reached or cannot give what was asked."""

    retryable = True
