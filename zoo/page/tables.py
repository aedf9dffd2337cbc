"""Tables, bars and lists of definitions as HTML; text is escaped here, markup is the caller's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zoo.page.markup import escape

__all__ = ["Cell", "Row", "bar", "definitions", "number_cell", "table", "text_cell"]


@dataclass(frozen=True)
class Cell:
    """A table cell.

    Args:
        markup: What it shows, as HTML.
        kind: A class of the style sheet: "n" sets numbers flush right; "" by default.
    """

    markup: str
    kind: str = ""


@dataclass(frozen=True)
class Row:
    """A table row; its first cell names it.

    Args:
        cells: As many as the table has columns.
        kind: A class of the style sheet, or "" for an ordinary row.
    """

    cells: Sequence[Cell]
    kind: str = ""


def text_cell(value: object, kind: str = "", *, longest: int = 160) -> Cell:
    """Return a cell that shows escaped text, cut after ``longest`` characters."""
    return Cell(escape(value, longest), kind)


def number_cell(value: object) -> Cell:
    """Return a cell that shows a number in words, set flush right."""
    return text_cell(value, "n", longest=60)


def bar(share: float) -> str:
    """Return a bar that is filled by a share of 0 to 1; negative shares are shown in the colour of warnings."""
    width = min(abs(share), 1.0) if math.isfinite(share) else 0.0
    kind = ' class="bad"' if share < 0 else ""
    return f'<span class="bar" aria-hidden="true"><i{kind} style="width:{100 * width:.1f}%"></i></span>'


def table(columns: Sequence[str], rows: Iterable[Row], *, caption: str = "", label: str = "", kind: str = "") -> str:
    """Return a table with headers for columns and rows, which scrolls by itself where it is too wide.

    Args:
        columns: Titles of the columns, one for each cell of a row.
        rows: The rows below the titles, the first cell of each being its name.
        caption: A visible title above the table, or "" for none.
        label: Its name for those who cannot see it; the caption by default.
        kind: A class of the style sheet, or "" for an ordinary table.
    """
    body, flush = [], [False] * len(columns)
    for row in rows:
        cells = []
        for i, cell in enumerate(row.cells):
            flush[i] |= cell.kind == "n"
            style = _class(cell.kind)
            cells.append(f'<th scope="row"{style}>{cell.markup}</th>' if i == 0 else f"<td{style}>{cell.markup}</td>")
        body.append(f"<tr{_class(row.kind)}>{''.join(cells)}</tr>\n")
    head = "".join(
        f'<th scope="col"{_class("n" if right else "")}>{escape(title, 60)}</th>'
        for title, right in zip(columns, flush, strict=True)
    )
    titled = f"<caption>{escape(caption)}</caption>" if caption else ""
    # The keyboard must reach what scrolls.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label or caption or columns[0])}">'
        f"<table{_class(kind)}>{titled}<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{''.join(body)}</tbody></table></div>\n"
    )


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def definitions(pairs: Iterable[tuple[str, str]], kind: str) -> str:
    """Return a list of names and values, of a class of the style sheet; nothing for none."""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value, 200)}</dd></div>\n" for name, value in pairs)
    return f'<dl class="{kind}">\n{items}</dl>\n' if items else ""
