"""One column of the user's table -> a typed array: numbers, categories."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.panel.panel import Floats
from autots.reading.findings import Finding
from autots.reading.numerals import BLANKS, PLAIN, UNKNOWN, NumberStyle, find_style, parse
from zoo.errors import DataError

__all__ = ["FEW", "Values", "decimal_mark", "number_share", "read_covariate", "read_numbers"]

#: Share of cells below which they are mistakes rather than another kind of column.
FEW = 0.05
_MOST_LOOKED_AT = 20_000  # different values that decide how a column is written
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")
_NUMERIC = (str, int, float, Decimal, np.integer, np.floating, np.bool_)


@dataclass(frozen=True)
class Values:
    """A column as numbers.

    Args:
        values: (N,) numbers, or codes of categories; NaN, or -1, where missing.
        style: How the numbers were written, where they were text.
        categories: What the codes stand for; None for numbers.
        findings: What was found in the column, for the report.
    """

    values: Floats
    style: NumberStyle | None = None
    categories: tuple[str, ...] | None = None
    findings: tuple[Finding, ...] = ()


@dataclass
class _Cells:
    """The different cells of a column of objects, and what each may be.

    Args:
        codes: (N,) index into ``cells``, -1 where missing.
        cells: (U,) the different values.
        numbers: (U,) those that are numbers already; else NaN.
        texts: (U,) stripped text where there is some that is not blank; else None.
        unknown: (U,) signs for a value that is not known.
        odd: (U,) cells that are neither.
    """

    codes: npt.NDArray[np.intp]
    cells: Any
    numbers: Floats
    texts: list[str | None]
    unknown: npt.NDArray[np.bool_]
    odd: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, column: Any) -> _Cells:
        codes, cells = pd.factorize(column.to_numpy(dtype=object, na_value=None))
        texts: list[str | None] = []
        numbers = np.full(len(cells), np.nan)
        unknown, odd = np.zeros(len(cells), dtype=bool), np.zeros(len(cells), dtype=bool)
        for i, cell in enumerate(cells):
            text = cell.strip() if isinstance(cell, str) else None
            low = None if text is None else text.lower()
            unknown[i] = low in UNKNOWN
            texts.append(None if unknown[i] or low in BLANKS else text)
            if text is None:
                odd[i] = not isinstance(cell, _NUMERIC)
                numbers[i] = np.nan if odd[i] else float(cell)
        return cls(codes, cells, numbers, texts, unknown, odd)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """(U,) rows of each cell."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.cells))

    def written(self) -> tuple[npt.NDArray[np.intp], list[str]]:
        """Return the places of text among the cells, in the order of the text, and the text."""
        at = sorted((text, i) for i, text in enumerate(self.texts) if text is not None)
        return np.array([i for _, i in at], dtype=np.intp), [text for text, _ in at]

    def style(self, name: object, decimal: str | None) -> tuple[NumberStyle, float]:
        """Return how the text is written, and the share of its rows that can be read so."""
        at, texts = self.written()
        # Evenly chosen in the order of the alphabet: never the first rows.
        some = slice(None, None, max(1, len(at) // _MOST_LOOKED_AT))
        return find_style(texts[some], self.counts[at[some]], name, decimal=decimal)

    def read(self, style: NumberStyle) -> Floats:
        """Return (U,) numbers in a style."""
        at, texts = self.written()
        out = self.numbers.copy()
        out[at] = parse(texts, style)
        return out


def read_numbers(
    column: Any,
    name: object,
    *,
    what: str = "the target",
    style: NumberStyle | None = None,
    decimal: str | None = None,
) -> Values:
    """Return (N,) numbers, NaN where missing.

    Few cells that hold no number are missing values, and listed.

    Args:
        column: The user's column, of any dtype, in its order.
        name: Its name, for messages.
        what: What it is, for messages.
        style: How its numbers were written in the first table, if they were text there.
        decimal: The decimal mark of other columns, if it is known.

    Raises:
        DataError: More than a few values are no numbers; the first one's row is named.
    """
    column = pd.Series(column)
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        column, dtype = column.astype(dtype.categories.dtype), dtype.categories.dtype
    if pd.api.types.is_complex_dtype(dtype) or pd.api.types.is_datetime64_any_dtype(dtype) or dtype.kind == "m":
        raise DataError(f"{what} must hold numbers, but column {name!r} holds {dtype}", "choose another column")
    if pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
        return Values(np.array(column.to_numpy(dtype=np.float64, na_value=np.nan)))
    try:
        cells = _Cells.of(column)
    except TypeError as error:
        raise _no_scalar(column, name) from error
    known = style is not None
    if style is None:
        style = _plain(cells) or cells.style(name, decimal)[0]
    elif not _readable(cells, cells.read(style)):
        style = _continued(cells, style, name, decimal)
    numbers = cells.read(style)
    wrong = np.isnan(numbers) & (cells.odd | np.array([text is not None for text in cells.texts], dtype=bool))
    counts = cells.counts
    if not _readable(cells, numbers):
        row = int(np.argmax(np.isin(cells.codes, np.flatnonzero(wrong))))
        said = f" after {style.describe() or 'a decimal point'} in the first table" if known else ""
        raise DataError(
            f"{what} must hold numbers, but column {name!r} holds {_short(cells.cells[cells.codes[row]])} in row {row} "
            f"({int(counts[wrong].sum())} such rows){said}",
            "correct or drop these values, or name another column",
        )
    # The last entry is what the code -1, a missing value, points to.
    values = np.append(numbers, np.nan)[cells.codes]
    return Values(values, style, None, tuple(_remarks(cells, wrong | cells.unknown, style, name)))


def _continued(cells: _Cells, style: NumberStyle, name: object, decimal: str | None) -> NumberStyle:
    """Return how later cells are written that the first table's style does not read, or that style."""
    if not style.thousands:
        # Below 1000 there was no mark to see; the decimal mark is none.
        for mark in {".": ",", ",": "."}[style.decimal], " ", "'":
            grouped = replace(style, thousands=mark)
            if _readable(cells, cells.read(grouped)):
                return grouped
    # Numbers at first may be text in another writing now.
    return cells.style(name, decimal)[0] if style == PLAIN else style


def _plain(cells: _Cells) -> NumberStyle | None:
    """Return the plain style if all text is written in it beyond doubt, without looking at each value's marks."""
    texts = cells.written()[1]
    if not texts or pd.to_numeric(pd.Series(texts), errors="coerce").isna().any():
        return None
    fractions = (text for text in texts if "." in text)
    first = next(fractions, None)
    if first is None or not re.fullmatch(_GROUPED, first):
        return PLAIN
    return PLAIN if any(not re.fullmatch(_GROUPED, text) for text in fractions) else None


def _readable(cells: _Cells, numbers: Floats) -> bool:
    """Whether but few of the cells that hold something hold no number."""
    there = cells.odd | ~np.isnan(numbers) | np.array([text is not None for text in cells.texts], dtype=bool)
    counts = cells.counts
    bad = int(counts[there & np.isnan(numbers)].sum())
    return bad == 0 or (bad < FEW * counts[there].sum() and not cells.odd.any())


def _remarks(cells: _Cells, missing: npt.NDArray[np.bool_], style: NumberStyle, name: object) -> list[Finding]:
    counts = cells.counts
    texts = int(sum(n for text, n in zip(cells.texts, counts, strict=True) if text is not None))
    texts -= int(counts[missing & ~cells.unknown].sum())
    written = f" ({style.describe()})" if style.describe() else ""
    found = []
    if texts:
        found.append(Finding("note", 1, f"{texts} numbers in {name!r} were written as text{written}", "read so"))
    lost = np.flatnonzero(missing)
    if len(lost):
        row = int(np.argmax(np.isin(cells.codes, lost)))
        number = int(counts[lost].sum())
        message = (
            f"{number} cells of {name!r} hold no number, such as {_short(cells.cells[cells.codes[row]])} in row {row}"
        )
        found.append(Finding("unreadable", number, message, "counted as missing"))
    return found


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def read_covariate(
    column: Any,
    name: object,
    known: Sequence[str] | None = None,
    *,
    decimal: str | None = None,
) -> Values:
    """Return a covariate as numbers, or as codes of categories together with the categories.

    A column of text is one of numbers if nearly all of its cells are, in whatever order they come. Missing and unseen
    categories have the code -1.

    Args:
        column: The user's column of a covariate, of any dtype.
        name: Its name, for messages.
        known: The categories seen at first; None to decide here whether the column is one of numbers.
        decimal: The decimal mark of other columns, if it is known.

    Raises:
        DataError: The cells hold neither numbers nor text.
    """
    column = pd.Series(column)
    dtype = column.dtype
    numeric = pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)
    if known is None and numeric:
        return read_numbers(column, name, what="a covariate")
    codes: npt.NDArray[Any]
    if isinstance(dtype, pd.CategoricalDtype):
        codes, values = column.cat.codes.to_numpy(), dtype.categories
    else:
        try:
            codes, values = pd.factorize(column)
        except TypeError as error:
            raise _no_scalar(column, name) from error
    if any(not pd.api.types.is_scalar(v) for v in values[:100]):
        raise _no_scalar(column, name)
    kinds = pd.api.types.infer_dtype(values)
    if known is None and kinds in ("integer", "floating", "decimal", "boolean", "mixed-integer-float"):
        return read_numbers(column, name, what="a covariate")
    findings: tuple[Finding, ...] = ()
    if known is None and not isinstance(dtype, pd.CategoricalDtype):
        share = number_share(column, name, decimal=decimal)
        if share > 1 - FEW:
            return read_numbers(column, name, what="a covariate", decimal=decimal)
        if share >= 0.5:
            message = f"only {share:.0%} of {name!r} are numbers"
            findings = (Finding("note", 1, message, "all of it read as categories"),)
    labels = np.array([_label(v, name) for v in values], dtype=object)
    used = np.unique(codes[codes >= 0])
    categories = tuple(known) if known is not None else tuple(sorted(set(labels[used])))
    place = {label: i for i, label in enumerate(categories)}
    # The last entry is what the code -1, a missing value, points to.
    lookup = np.array([*(place.get(label, -1) for label in labels), -1], dtype=np.float64)
    return Values(lookup[codes], None, categories, findings)


def _label(value: Any, name: object) -> str:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"categories must be text, but column {name!r} holds the bytes {_short(value)}",
            f"decode them: frame[{name!r}] = frame[{name!r}].str.decode('latin-1'), or what they are written in",
        ) from error


def decimal_mark(column: Any) -> str | None:
    """Return the decimal mark of a column of numbers written as text, if it shows one beyond doubt."""
    try:
        cells = _Cells.of(pd.Series(column))
        style, share = cells.style("", None)
    except (TypeError, DataError):
        return None
    if share <= 1 - FEW:
        return None
    shows = style.decimal == "," or style.thousands == "," or any("." in (text or "") for text in cells.texts)
    return style.decimal if shows else None


def number_share(column: Any, name: object, *, decimal: str | None = None) -> float:
    """Return the share of a column's known cells that are numbers, in whatever writing; 0 for cells of other kinds."""
    try:
        cells = _Cells.of(pd.Series(column))
    except TypeError:
        return 0.0
    counts = cells.counts
    numbers = int(counts[~np.isnan(cells.numbers)].sum())
    texts = int(sum(n for text, n in zip(cells.texts, counts, strict=True) if text is not None))
    if cells.odd.any() or not numbers + texts:
        return 0.0
    try:
        share = cells.style(name, decimal)[1]
    except DataError:  # two readings, each of them of numbers
        share = 1.0
    return (numbers + share * texts) / (numbers + texts)


def _no_scalar(column: Any, name: object) -> DataError:
    first = column.dropna().iloc[0]
    return DataError(
        f"a covariate must hold numbers or text, but column {name!r} holds {type(first).__name__} values",
        "drop this column, or turn it into numbers",
    )
