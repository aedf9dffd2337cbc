"""What pydantic finds wrong with a file, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from zoo.spec.lines import Lines

__all__ = ["first_mistake"]


def first_mistake(error: ValidationError, said: Mapping[str, Any], lines: Lines) -> str:
    """Return the first mistake in words, with its line."""
    mistakes = error.errors(include_url=False)
    # A value that fits none of several kinds is a mistake for each: the deepest one is what was meant.
    chosen = max((m for m in mistakes if m["loc"][:1] == mistakes[0]["loc"][:1]), key=lambda m: len(m["loc"]))
    path: list[str | int] = []
    at: Any = said
    part: Any
    for part in chosen["loc"]:
        # pydantic's path names the kinds too; the file has only some of it.
        if (isinstance(at, Mapping) and part in at) or (isinstance(at, list) and isinstance(part, int)):
            at = at[part]
            path.append(part)
    kind, context = chosen["type"], chosen.get("ctx", {})
    missed = chosen["loc"][-1] if kind in ("missing", "extra_forbidden") and path[-1:] != [chosen["loc"][-1]] else None
    if kind == "missing":
        path, text = [*path, missed] if missed is not None else path, "is needed, but is not there"
    elif kind == "extra_forbidden":
        text = "is no field here"
    elif kind == "union_tag_invalid":
        text = f"type must be one of {context['expected_tags']}, but got {context['tag']!r}"
    elif kind == "union_tag_not_found":
        text = f"must have a type, but got {at!r}"
    else:
        text = f"{chosen['msg'].removeprefix('Input ')}, but got {at!r}"
    return lines.say(path, text)
