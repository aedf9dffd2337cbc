"""Tables, bars and lists as HTML text; every value that comes from a user is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autots.report.svg import escape
from autots.report.wording import NOTHING, as_float, percent

__all__ = ["Cell", "Row", "bar", "definitions", "skill_cell", "table", "text_cell"]


@dataclass(frozen=True)
class Cell:
    """A table cell.

    Args:
        markup: What it shows, as HTML.
        numeric: Whether it is set flush right.
    """

    markup: str
    numeric: bool = False


@dataclass(frozen=True)
class Row:
    """A table row; its first cell names it.

    Args:
        cells: As many as the table has columns.
        kind: A class of the style sheet, or "".
    """

    cells: Sequence[Cell]
    kind: str = ""


def text_cell(value: object, *, numeric: bool = False) -> Cell:
    """Return a cell that shows escaped text."""
    return Cell(escape(value), numeric)


def skill_cell(skill: object) -> Cell:
    """Return a cell that shows a skill with its sign, green or orange."""
    x = as_float(skill)
    if not math.isfinite(x):
        return Cell(NOTHING, True)
    shown = escape(percent(x).replace("-", "−"))
    sign, kind = ("+", "good") if x > 0 else ("", "bad" if x < 0 else "")
    return Cell(f'<span class="{kind}">{sign}{shown}</span>', True)


def bar(share: float) -> str:
    """Return a bar that is filled by a share of 0 to 1; negative shares are shown in the colour of warnings."""
    width = min(abs(share), 1.0) if math.isfinite(share) else 0.0
    kind = ' class="bad"' if share < 0 else ""
    return f'<span class="bar" aria-hidden="true"><i{kind} style="width:{100 * width:.1f}%"></i></span>'


def table(columns: Sequence[str], rows: Iterable[Row], *, caption: str = "", kind: str = "") -> str:
    """Return a table with headers for columns and rows.

    Args:
        columns: Their titles.
        rows: What it holds.
        caption: A title above it.
        kind: A class of the style sheet, or "".
    """
    body, numeric = [], [False] * len(columns)
    for row in rows:
        cells = []
        for i, cell in enumerate(row.cells):
            numeric[i] |= cell.numeric
            style = ' class="n"' if cell.numeric else ""
            cells.append(f'<th scope="row"{style}>{cell.markup}</th>' if i == 0 else f"<td{style}>{cell.markup}</td>")
        body.append(f'<tr class="{row.kind}">' if row.kind else "<tr>")
        body.append("".join(cells) + "</tr>\n")
    head = "".join(
        f'<th scope="col"{" class=" + chr(34) + "n" + chr(34) if right else ""}>{escape(title)}</th>'
        for title, right in zip(columns, numeric, strict=True)
    )
    titled = f"<caption>{escape(caption)}</caption>" if caption else ""
    style = f' class="{kind}"' if kind else ""
    # Wide tables scroll by themselves, and the keyboard must reach what scrolls.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption or columns[0])}">'
        f"<table{style}>{titled}<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(body)}</tbody></table></div>\n"
    )


def definitions(pairs: Iterable[tuple[str, str]], kind: str) -> str:
    """Return a list of names and values; nothing for none."""
    items = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>\n" for k, v in pairs)
    return f'<dl class="{kind}">\n{items}</dl>\n' if items else ""
