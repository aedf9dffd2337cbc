"""A file of tokens that may change while a server runs: who is taken out is out, and a broken file changes nothing."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from serve.safety.tokens import Token, parse_tokens, read_tokens
from zoo.errors import ArtifactError
from zoo.files import digest, write_file
from zoo.locks import locked

__all__ = ["TokenFile"]

_log = logging.getLogger(__name__)
#: Seconds between two looks at the file; a look is one system call.
_LOOK = 0.5
_Seen = tuple[int, int, int, int]


class TokenFile:
    """The tokens of a file, as it is now.

    A change counts within half a second. A file that cannot be read, or is no list of tokens, is refused: it is logged,
    ``error`` says why, and the tokens before it go on. A server that starts beside a broken file takes those that the
    last server of the same endpoint could read, and lets nobody in if there was none.

    Args:
        path: The file, as ``write_tokens`` wrote it.
        kept: Where to keep what was last read well, for servers that start later; None for nowhere.
        clock: Seconds that only go forward.

    Raises:
        ArtifactError: The file cannot be used, and nothing is kept.
    """

    def __init__(
        self, path: str | Path, *, kept: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path, self._kept, self._clock = Path(path), kept, clock
        self.tokens: tuple[Token, ...] = ()
        #: Why the file as it is now does not count; empty if it does.
        self.error = ""
        self._seen: _Seen | None = None
        self._next = 0.0
        seen = self._stat()
        try:
            self.tokens = read_tokens(self.path)
        except ArtifactError as error:
            before = self._before()
            if before is None:
                raise
            self.tokens, self.error = before, error.message
            _log.error("refused: %s; the tokens before it go on", error.message)
        else:
            self._keep(seen)
        self._seen = seen

    @property
    def digest(self) -> str:
        """Of the tokens that count: the same list, the same digest."""
        text = json.dumps([asdict(token) for token in self.tokens])
        return digest(text)[:16]

    def look(self, *, now: bool = False) -> bool:
        """Read the file again if it has changed and half a second has passed; say whether other tokens count.

        Args:
            now: Do not wait for the half second.
        """
        moment = self._clock()
        if moment < self._next and not now:
            return False
        self._next = moment + _LOOK
        seen = self._stat()
        if seen == self._seen:
            return False
        try:
            tokens = read_tokens(self.path)
        except ArtifactError as error:
            self.error, self._seen = error.message, seen
            _log.error("refused: %s; the tokens before it go on", error.message)
            return False
        # What was written between the look and the reading is looked at again.
        self._seen, self.error = seen, ""
        changed, self.tokens = tokens != self.tokens, tokens
        self._keep(seen)
        return changed

    def _stat(self) -> _Seen | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        # The change time as well: a file that is copied with its old times is another file.
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _before(self) -> tuple[Token, ...] | None:
        if self._kept is None:
            return None
        try:
            told = json.loads(self._kept.read_text(encoding="utf-8"))
            return parse_tokens(told["tokens"]) if told["path"] == str(self.path) else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _keep(self, seen: _Seen | None) -> None:
        """Keep what was read, unless another server has kept something newer; a full disk is no reason to stop."""
        if self._kept is None or seen is None:
            return
        try:
            self._write(self._kept, seen)
        except OSError as error:
            _log.error("the tokens cannot be kept for servers that start later: %s", error)

    def _write(self, kept: Path, seen: _Seen) -> None:
        with locked(kept.with_suffix(".lock"), mode=0o600):
            try:
                before = json.loads(kept.read_text(encoding="utf-8"))
                if before["path"] == str(self.path) and before["changed"] > seen[3]:
                    return
            except (OSError, ValueError, TypeError, KeyError):
                pass
            rows = [asdict(token) for token in self.tokens]
            told = {"path": str(self.path), "changed": seen[3], "tokens": rows}
            write_file(kept, json.dumps(told), mode=0o600, durable=False)
