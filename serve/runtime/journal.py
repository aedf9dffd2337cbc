"""Actuals on disk: one journal that all replicas of a model write and read (``zoo.journal`` says how).

A line is what one ``/v1/observe`` brought, when, and by whom; a correction or a withdrawal is a line more, so what was
said first stays readable. Every replica, also one started later or after a crash, holds the same state, and nothing is
counted twice.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple, TypeAlias

from zoo.journal import Codec, json_line

__all__ = ["CORRECT", "WITHDRAW", "ActualsCodec", "Observation", "Row", "observation_line"]

#: id, moment, target (None where withdrawn), known and past covariates by name; and for a change of an actual that was
#: told before: CORRECT or WITHDRAW.
Row: TypeAlias = tuple[Any, ...]
CORRECT, WITHDRAW = "correct", "withdraw"
_MAX_MOMENT = 2**63 - 1  # of a time in nanoseconds, or of a step
_PARTS, _CHANGED_PARTS = 5, 6  # of a row


class Observation(NamedTuple):
    """What one request brought.

    Args:
        id: The sender's name for it, under which it counts once; None if it has none.
        rows: Actuals, and changes of those told before.
    """

    id: str | None
    rows: list[Row]


class ActualsCodec(Codec[Observation]):
    """The lines of a model's actuals."""

    what = "a file of actuals"
    form = "what an endpoint has written"
    begins = b'{"id":'

    def decode(self, line: bytes) -> Observation:
        """Return an observation; every row of it must be one."""
        known = json.loads(line)
        name = known["id"]
        if name is not None and not isinstance(name, str):
            raise ValueError("its id is no text")
        rows = [_row(row, _PARTS) for row in known["rows"]]
        return Observation(name, rows + [_row(row, _CHANGED_PARTS) for row in known.get("changes", ())])


def observation_line(told: Observation, *, at: str = "", by: str = "") -> bytes:
    """Return the line of an observation.

    Args:
        told: What the request brought.
        at: When it came, in ISO form; empty if that is not known.
        by: Who sent it, as the token says; empty if that is not known.
    """
    line: dict[str, Any] = {"id": told.id, "rows": [row for row in told.rows if len(row) == _PARTS]}
    # Apart from the rows: a version that knows no changes reads those alone.
    changes = [row for row in told.rows if len(row) == _CHANGED_PARTS]
    said = {"changes": changes, "at": at, "by": by}
    return json_line(line | {name: value for name, value in said.items() if value})


def _row(row: Any, length: int) -> Row:
    """Return a row of the file, if it is one.

    Raises:
        ValueError: It is no row, or has other parts.
    """
    if not isinstance(row, list) or len(row) != length:
        raise ValueError(f"a row must have {length} parts")
    id_, moment, value, known, past = row[:5]
    whole = isinstance(moment, int) and not isinstance(moment, bool) and abs(moment) <= _MAX_MOMENT
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    gone = length == _CHANGED_PARTS and row[5] == WITHDRAW and value is None
    if not (isinstance(id_, str) and whole and (number or gone) and isinstance(known, dict) and isinstance(past, dict)):
        raise ValueError(f"no row of id, moment and value: {str(row)[:80]}")
    if length == _CHANGED_PARTS and row[5] not in (CORRECT, WITHDRAW):
        raise ValueError(f"a change must be {CORRECT} or {WITHDRAW}, but is {row[5]!r}")
    return tuple(row)
