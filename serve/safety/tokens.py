"""Bearer tokens: made here, kept as hashes, each with a rate of its own."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from zoo.errors import ArtifactError, ConfigError
from zoo.files import digest, write_file

__all__ = ["Bucket", "Token", "bearer", "issue", "parse_tokens", "read_tokens", "recognise", "write_tokens"]

_BYTES = 32


@dataclass(frozen=True)
class Token:
    """What is kept of a token.

    The token itself is 32 random bytes, so a plain hash of it cannot be reversed by guessing.

    Args:
        name: Whose it is, for logs.
        sha256: Of the token, hexadecimal.
        rate: Requests per second on average; 0 is without a limit.
        burst: Requests that may come at once after a rest.

    Raises:
        ConfigError: The hash is none, or a number is negative.
    """

    name: str
    sha256: str
    rate: float = 0.0
    burst: int = 20

    def __post_init__(self) -> None:
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise ConfigError(
                f"a token must be kept as its SHA-256 in hexadecimal, but {self.name!r} is not", "use issue()"
            )
        if not 0.0 <= self.rate < float("inf") or self.burst < 1:
            raise ConfigError(f"rate >= 0 and burst >= 1 must hold, but got ({self.rate}, {self.burst})", "rate=0")


def issue(name: str, *, rate: float = 0.0, burst: int = 20) -> tuple[str, Token]:
    """Make a token.

    Returns:
        The text to give away, which is kept nowhere, and what to keep.

    >>> text, token = issue("dashboard", rate=5)
    >>> recognise(text, [token]) is token, text in repr(token)
    (True, False)
    """
    text = secrets.token_urlsafe(_BYTES)
    return text, Token(name, _hash(text), rate, burst)


def recognise(text: str, tokens: Sequence[Token]) -> Token | None:
    """Return the token with this text. It takes equally long whichever it is, and if it is none."""
    given, found = _hash(text), None
    for token in tokens:
        if hmac.compare_digest(given, token.sha256):
            found = token
    return found


def bearer(authorization: str, tokens: Sequence[Token]) -> Token | None:
    """Return the token that a header ``Authorization: Bearer TEXT`` brings, if it is one of some."""
    kind, _, text = authorization.partition(" ")
    return recognise(text.strip(), tokens) if kind.lower() == "bearer" else None


def read_tokens(path: str | Path) -> tuple[Token, ...]:
    """Read a file of tokens.

    Raises:
        ArtifactError: It is missing, no such file, or readable by others.
    """
    path = Path(path)
    try:
        if path.stat().st_mode & 0o077:
            raise ArtifactError(f"a file of tokens must be readable by its owner only, but {path} is not", "chmod 600")
        return parse_tokens(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError, ConfigError) as error:
        raise ArtifactError(
            f"a file of tokens must be a JSON list, but {path}: {error}", "write_tokens() makes one"
        ) from error


def parse_tokens(rows: object) -> tuple[Token, ...]:
    """Read what a file of tokens holds.

    Raises:
        ArtifactError: It holds a token itself.
        TypeError: It is no list of tokens; ValueError, KeyError and AttributeError likewise.
    """
    if not isinstance(rows, list):
        raise TypeError(f"it holds a {type(rows).__name__}")
    return tuple(_token(row) for row in rows)


def write_tokens(path: str | Path, tokens: Sequence[Token]) -> None:
    """Write a file of tokens: hashes only, for the owner only."""
    write_file(Path(path), json.dumps([asdict(token) for token in tokens], indent=1), mode=0o600)


class Bucket:
    """A token bucket: ``rate`` a second on average, ``burst`` at once. The time is passed in.

    >>> bucket = Bucket(rate=2.0, burst=1)
    >>> bucket.take(0.0), bucket.take(0.0), bucket.take(0.5)
    (0.0, 0.5, 0.0)
    """

    def __init__(self, *, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, float(burst)
        self._level, self._at = float(burst), 0.0

    def take(self, now: float) -> float:
        """Take one and return 0, or the seconds until there is one."""
        self._level = min(self._burst, self._level + max(now - self._at, 0.0) * self._rate)
        self._at = now
        if self._level >= 1.0:
            self._level -= 1.0
            return 0.0
        return (1.0 - self._level) / self._rate


def _hash(text: str) -> str:
    return digest(text.encode("utf-8", "surrogateescape"))


def _token(row: Mapping[str, object]) -> Token:
    if "token" in row:
        raise ArtifactError("a file of tokens must hold hashes, but it has a token itself", "issue() makes both")
    return Token(str(row["name"]), str(row["sha256"]), float(str(row.get("rate", 0))), int(str(row.get("burst", 20))))
