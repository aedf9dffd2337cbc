"""Where things are: paths, and URLs where those are understood; passwords are never repeated."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from zoo.errors import ConfigError

__all__ = ["local_path", "location", "scheme_of"]

# A drive of Windows has one letter; pathlib makes one slash of two.
_URL = re.compile(r"([a-z][a-z0-9+.-]+(?::[a-z][a-z0-9+.-]*)*):/", re.IGNORECASE)
_CREDENTIALS = re.compile(r"^[^/]*://[^/?#]*@")


def scheme_of(text: object) -> str:
    """Return the scheme of a URL in lower case; "" for a path.

    >>> scheme_of("s3://bucket/table"), scheme_of("data/s3.csv"), scheme_of("C:/data")
    ('s3', '', '')
    """
    found = _URL.match(str(text))
    return "" if found is None else found[1].lower()


def location(text: str | Path, what: str, *, schemes: Collection[str] = (), hint: str = "") -> str:
    """Return a path, or a URL of a scheme that is understood there.

    Args:
        text: What the user wrote; ``file:`` URLs become paths.
        what: What messages call it, such as "a study".
        schemes: Of the URLs that work.
        hint: What to do instead of others.

    Raises:
        ConfigError: It is a URL of another scheme, or one with a password. Only its scheme is repeated.
    """
    scheme = scheme_of(text)
    if not scheme:
        return str(text)
    if scheme == "file":
        return re.sub(r"^file:/(/[^/]*/|/?)", "/", str(text), flags=re.IGNORECASE)
    if scheme not in schemes:
        known = f"a path or a URL with {', '.join(f'{name}://' for name in schemes)}" if schemes else "a path"
        raise ConfigError(f"{what} must be {known}, but got a URL of {scheme}://", hint or "name a file or folder here")
    if _CREDENTIALS.match(str(text)) and scheme not in _WITH_ACCOUNT:
        raise ConfigError(
            f"{what} must be a URL without user and password, but got one with them ({scheme}://)",
            "put them into the environment, as the store's own tools read them",
        )
    return str(text)


# abfss://container@account.dfs.core.windows.net/path has an @ by rule; a password would follow a colon.
_WITH_ACCOUNT = frozenset({"abfs", "abfss"})


def local_path(text: str | Path, what: str, *, hint: str = "") -> Path:
    """Return a path on this machine.

    Raises:
        ConfigError: It is a URL; only its scheme is repeated.
    """
    return Path(location(text, what, hint=hint))
