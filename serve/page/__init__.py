"""The page at ``/``: files without dependencies that speak the wire's own format, and nothing else.

The page holds no data: it asks ``/v1/models``, ``/v1/history`` and ``/v1/forecast`` like any other client, with the
token that its user types in. Its headers forbid scripts, styles and connections from anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

__all__ = ["FILES", "HEADERS", "asset"]

#: Path -> file (its package where that is not ours) and media type.
FILES: Mapping[str, tuple[str, str]] = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/palette.css": ("zoo.page:palette.css", "text/css; charset=utf-8"),
    "/page/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page/words.js": ("words.js", "text/javascript; charset=utf-8"),
    "/page/chart.js": ("chart.js", "text/javascript; charset=utf-8"),
    "/page/docs.css": ("docs.css", "text/css; charset=utf-8"),
}
HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


@cache
def asset(path: str) -> tuple[bytes, str]:
    """Return the content and the media type of one of ``FILES``.

    Raises:
        KeyError: There is no such path; no path is ever turned into a file's name.

    >>> asset("/")[1]
    'text/html; charset=utf-8'
    """
    name, kind = FILES[path]
    package, _, file = name.rpartition(":")
    return resources.files(package or __package__).joinpath(file).read_bytes(), kind
