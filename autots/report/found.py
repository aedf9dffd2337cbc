"""What was found in a table, in words: how it was read, and what was changed in it, the graver first.

The page, the terminal, ``--json`` and ``zoo check`` say the same, from the same place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.page.wording import as_float, cut, percent, plural

__all__ = ["Found", "found_in", "reading_in", "report_lines", "told"]

# Share of the rows, or series, above which what was done to them is grave: they are not the table that was given.
_GRAVE_SHARE = 0.03
# Beginnings of actions that leave the rows as they are.
_LEFT_ALONE = ("kept", "read so", "sorted", "each is forecast", "searched all the same")
# Beginnings of actions after which the rows that they concern are no longer in the panel.
_GONE = ("merged", "dropped", "left out")
# An action that says that the forecasts will disappoint is grave though nothing was changed.
_WARNING = "kept, but"
# Findings that count series; others count rows, steps or values.
_OF_SERIES = ("dropped_series",)
_LONGEST, _LONGEST_NAME = 300, 40  # characters of a message, of a series or column


@dataclass(frozen=True)
class Found:
    """One finding.

    Args:
        kind: A word that programs can rely on.
        count: Rows, or series, that it concerns.
        message: What was found, as a sentence without an end.
        action: What was done about it.
        series: Some of the series concerned.
        important: Whether it merged, moved, dropped or invented more than a few per cent of the rows.
        share: Of the rows that were given, if it is important and can be told.
    """

    kind: str
    count: int
    message: str
    action: str
    series: tuple[str, ...] = ()
    important: bool = False
    share: float = math.nan

    @property
    def sentence(self) -> str:
        """What was found and done, in one line of bounded length."""
        names = ", ".join(cut(name, _LONGEST_NAME) for name in self.series)
        where = f" (such as {names})" if names else ""
        part = f" ({percent(self.share)} of all)" if math.isfinite(self.share) else ""
        return f"{cut(self.message, _LONGEST)}{part}{where}: {cut(self.action, _LONGEST)}"


def found_in(data: Mapping[str, Any]) -> tuple[Found, ...]:
    """Return the findings of ``DataReport.to_dict()``: important ones first, each group in the order of the repairs."""
    every = [
        Found(
            str(one.get("kind", "")),
            int(as_float(one.get("count", 0)) or 0),
            str(one.get("message", "")),
            str(one.get("action", "")),
            tuple(str(name) for name in one.get("series") or ()),
            _important(one, data),
            _share(one, data),
        )
        for one in data.get("findings") or ()
    ]
    return tuple(sorted(every, key=lambda found: not found.important))


def reading_in(data: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return how the table was read: pairs of what and how."""
    return tuple((str(what), str(how)) for what, how in data.get("reading") or ())


def told(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return both as JSON values."""
    return {
        "reading": [list(pair) for pair in reading_in(data)],
        "findings": [
            {
                "kind": found.kind,
                "count": found.count,
                "message": found.message,
                "action": found.action,
                "series": list(found.series),
                "important": found.important,
            }
            for found in found_in(data)
        ],
    }


def report_lines(data: Mapping[str, Any], *, most: int = 8, rest: str = "see the report") -> list[tuple[bool, str]]:
    """Return lines for a terminal, each with whether it is important: the reading, then at most ``most`` findings.

    Args:
        data: The table's report, as ``DataReport.to_dict()`` returned it.
        most: Findings to show, 8 by default; important ones are never cut by others.
        rest: Words that say where the others can be read; "see the report" by default.
    """
    lines = [(False, f"read: {cut(what, _LONGEST_NAME)}: {cut(how, _LONGEST)}") for what, how in reading_in(data)]
    found = found_in(data)
    lines += [(one.important, f"{'!' if one.important else '-'} {one.sentence}") for one in found[:most]]
    if len(found) > most:
        lines.append((any(one.important for one in found[most:]), f"and {len(found) - most:,} more, {rest}"))
    if not found and "rows" in data:
        lines.append((False, f"{plural(int(data['rows']), 'row')}: nothing had to be repaired"))
    return lines


def _important(found: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    action = str(found.get("action", ""))
    if action.startswith(_WARNING):
        return True
    if action.startswith(_LEFT_ALONE):
        return False
    whole = as_float(data.get("series" if found.get("kind") in _OF_SERIES else "rows"))
    return bool(as_float(found.get("count")) > _GRAVE_SHARE * max(whole, 1.0))


def _share(found: Mapping[str, Any], data: Mapping[str, Any]) -> float:
    if not _important(found, data):
        return math.nan
    count, left = as_float(found.get("count")), as_float(data.get("rows"))
    if found.get("kind") == "gaps":
        return count / left
    gone = str(found.get("action", "")).startswith(_GONE) and found.get("kind") not in _OF_SERIES
    return count / (count + left) if gone else math.nan
