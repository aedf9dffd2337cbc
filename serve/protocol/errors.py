"""What a client did wrong, or a server cannot do now: message, hint, place in the request, HTTP status."""

from __future__ import annotations

from typing import Any

from zoo.errors import ZooError

__all__ = ["RequestError"]


class RequestError(ZooError):
    """A request that cannot be answered as it is.

    Args:
        message: What is wrong, rule first, then the evidence.
        hint: What the client can do about it.
        where: The place in the request, such as ``series[2].y[17]``.
        status: The HTTP status, 4xx for the client's mistakes.
    """

    def __init__(self, message: str, hint: str = "", where: str = "", status: int = 422) -> None:
        super().__init__(message, hint)
        # All four, so that the error survives pickling between processes.
        self.args = (message, hint, where, status)
        self.where = where
        self.status = status
        self.retryable = status in (429, 503)

    def to_dict(self) -> dict[str, Any]:
        """Return the body of the answer."""
        return {"error": self.message, "hint": self.hint, "where": self.where}
