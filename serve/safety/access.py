"""Who may ask one endpoint: the tokens of a file that may change, and the token of whoever keeps the endpoint."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from serve.safety.token_file import TokenFile
from serve.safety.tokens import Token, bearer
from zoo.files import digest

__all__ = ["Access"]


class Access:
    """The tokens in force.

    Args:
        owner: SHA-256 of the owner's token, which no file must name; empty for none.
    """

    def __init__(self, owner: str = "") -> None:
        self._owner = () if not owner else (Token("owner", owner),)
        self._file: TokenFile | None = None
        #: Who may ask; None for everybody. Another tuple where another list counts.
        self.tokens: tuple[Token, ...] | None = None

    def plan(self, path: str | None) -> TokenFile | None:
        """Return what ``commit`` takes: where the same file was read before, that goes on, broken or not.

        Args:
            path: The file of tokens; None lets everybody in.

        Raises:
            ArtifactError: The file cannot be used; nothing has changed.
        """
        if path is None:
            return None
        if self._file is not None and self._file.path == Path(path):
            return self._file
        return TokenFile(path, kept=_copy_of(path))

    def commit(self, file: TokenFile | None) -> None:
        """Go on with a file, as it is now."""
        self._file = file
        if file is None:
            self.tokens = None
        else:
            file.look(now=True)
            self.tokens = (*file.tokens, *self._owner)

    def look(self, *, now: bool = False) -> None:
        """Read the file again if it has changed.

        Args:
            now: Look even where half a second has not passed since the last look.
        """
        if self._file is not None and self._file.look(now=now):
            self.tokens = (*self._file.tokens, *self._owner)

    def name_of(self, authorization: str) -> str:
        """Return the name of the token in a header; empty if nobody needs one."""
        token = bearer(authorization, self.tokens or ())
        return "" if token is None else token.name

    def is_owner(self, authorization: str) -> bool:
        """Whether a header has the owner's token."""
        return bearer(authorization, self._owner) is not None

    def described(self) -> dict[str, Any] | None:
        """Return which tokens are in force, as a digest, and why the file does not count if it does not."""
        self.look(now=True)
        return None if self._file is None else {"digest": self._file.digest, "error": self._file.error}


def _copy_of(path: str) -> Path | None:
    """Return where the replicas of an endpoint keep what they last read of a file of tokens."""
    folder = os.environ.get("ZOO_SERVE_DIR", "")
    if not folder or not Path(folder).is_dir():
        return None
    return Path(folder) / f"tokens-{digest(path)[:16]}.json"
