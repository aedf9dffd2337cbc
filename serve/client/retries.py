"""When a client asks again, and how long it waits before: without any input or output, for sync and async alike."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from zoo.clock import Clock, Deadline, SystemClock
from zoo.errors import ClusterError, ConfigError, DataError, ModelError, ZooError

__all__ = ["Attempts", "RetryPolicy", "error_of"]

#: Busy, not there, or gone on the way: another attempt can succeed. Forecasts and observations may be repeated.
_AGAIN = (408, 425, 429, 502, 503, 504)


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently.

    Args:
        attempts: In all, the first one included.
        base: Seconds; the wait before attempt n+1 is drawn from [0, base * 2**n]: full jitter (Brooker, "Exponential
            backoff and jitter", 2015), so that many clients do not come back at the same moment.
        most: Seconds of the longest wait, unless the server asks for more.
    """

    attempts: int = 6
    base: float = 0.1
    most: float = 5.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or not 0.0 <= self.base <= self.most:
            raise ConfigError(f"attempts >= 1 and 0 <= base <= most must hold, but got {self}", "RetryPolicy()")


@dataclass
class Attempts:
    """The attempts of one request.

    Args:
        policy: How often is asked, and how patiently.
        timeout: Seconds for all attempts together.
        clock: What measures the timeout; the system's by default.
        chance: The generator from which the random waits are drawn.
    """

    policy: RetryPolicy
    timeout: float
    clock: Clock = field(default_factory=SystemClock)
    chance: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._deadline = Deadline.after(self.timeout, self.clock)
        self._done = 0

    @property
    def remaining(self) -> float:
        """Seconds of the timeout that are left, at least a millisecond."""
        return max(self._deadline.remaining, 0.001)

    def wait(self, error: ZooError, retry_after: str | None = None) -> float:
        """Return the seconds to wait before the next attempt.

        Args:
            error: What this attempt has failed with.
            retry_after: The server's header ``Retry-After``: seconds, or a date.

        Raises:
            ZooError: The error itself, where another attempt is of no use or out of time.
        """
        self._done += 1
        if not error.retryable or self._done >= self.policy.attempts:
            raise error
        jitter = self.chance.uniform(0.0, min(self.policy.most, self.policy.base * 2.0 ** (self._done - 1)))
        wait = _seconds(retry_after) + jitter
        if wait >= self._deadline.remaining:
            raise error
        return wait


def error_of(status: int, body: object, url: str) -> ZooError:
    """Return the error of an answer of 400 and above, by its kind.

    Data that cannot be used: ``DataError``. A wrong token or an unknown model: ``ConfigError``. Overload and
    restarts: ``ClusterError``, which can be retried. Anything else: ``ModelError``.
    """
    told = body if isinstance(body, dict) else {}
    message, hint = str(told.get("error") or f"status {status}"), str(told.get("hint") or "")
    where = told.get("where")
    message = f"{url} answered {status}: {message}" + (f" (at {where})" if where else "")
    if status in _AGAIN:
        return ClusterError(message, hint or "the server is busy or restarting: try again, or raise timeout=")
    if status in (401, 403, 404, 405):
        return ConfigError(message, hint or "check the URL, the model's name and the token")
    if status < 500:
        return DataError(message, hint)
    return ModelError(message, hint or "the server's log has more")


def _seconds(retry_after: str | None) -> float:
    if not retry_after:
        return 0.0
    try:
        return min(max(float(retry_after), 0.0), 3600.0)
    except ValueError:
        pass
    from datetime import UTC, datetime

    try:
        return max((parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0
