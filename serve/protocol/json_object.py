"""JSON whose shape several protocols share a path for: read once, and only what can be written again."""

from __future__ import annotations

import json
import re
from typing import Any

from serve.protocol.errors import RequestError
from serve.protocol.iso import shown

__all__ = ["mapping"]

# The halves of a pair that UTF-16 needs, which are no characters alone.
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


def mapping(body: bytes) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        RequestError: 400: it is none, a name comes twice in it, or a text holds what is no character.
    """
    try:
        fields = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"a body must be JSON, but {error}", "send JSON", "", 400) from None
    if not isinstance(fields, dict):
        raise RequestError("a body must be a JSON object, but it is not", "see /openapi.json", "", 400)
    if _HALF.search(body):
        try:
            json.dumps(fields, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = ascii(error.object[error.start])
            raise RequestError(
                f"texts must be of characters, but {half} is half of one", "send UTF-8", "", 400
            ) from None
    return fields


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"{shown(name)} comes twice in one object")
            seen.add(name)
    return fields
