"""Numbers written as text -> numbers: decimal and thousands marks, signs, percent, currencies.

How a column writes its numbers is decided once, from all of its values and not from their order, and kept: a later
table is read the same way. "1,234" alone can be two numbers; other values of the column, then other columns, decide,
and where nothing does, both readings are shown and none is taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.panel.panel import Floats
from zoo.errors import DataError

__all__ = ["BLANKS", "PLAIN", "UNKNOWN", "NumberStyle", "find_style", "parse"]

#: What people and programs write where a number is missing.
BLANKS = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "<na>"})
#: What they write where they do not know it, or where a formula failed; listed when it is read.
UNKNOWN = frozenset(
    {"?", ".", "..", "...", "--", "---", "–", "—", "*", "n.a.", "n.a", "k.a.", "missing", "#n/a", "#na", "#value!"}
    | {"#div/0!", "#ref!", "#num!", "#null!", "#name?"}
)
_UNITS = r"[$€£¥%]|EUR|USD|GBP|CHF"
_UNIT = re.compile(rf"^([+-]?)\s*(?:({_UNITS})\s*)?([+-]?)(.*?)(?:\s*({_UNITS}))?$", re.DOTALL)
_ODD = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-", "\u2019": "'"})
_CODE = re.compile(r"[+-]?0\d+")
_LEAST_SEEN = 4  # different values from which a mark is believed to stand between thousands


@dataclass(frozen=True)
class NumberStyle:
    """How the numbers of a column are written.

    Args:
        decimal: The mark before the fraction.
        thousands: The mark between groups of three digits; empty for none.
        unit: What stands before or after each number: a currency, or ``"%"`` (5 % is the number 5).
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    def describe(self) -> str:
        """Return the style in words; empty for plain numbers.

        >>> NumberStyle(",", ".").describe()
        "decimal comma, '.' between thousands"
        """
        parts = [] if self.decimal == "." else ["decimal comma"]
        parts += [f"{self.thousands!r} between thousands"] if self.thousands else []
        return ", ".join([*parts, *([f"in {self.unit}"] if self.unit else [])])

    def to_dict(self) -> dict[str, str]:
        """Return JSON values."""
        return asdict(self)


PLAIN = NumberStyle()
_STYLES = [NumberStyle(d, t) for t in ("", ".", ",", " ", "'") for d in (".", ",") if t != d]


@lru_cache(64)
def _pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    # Groups of two before the last three are how India writes.
    groups = rf"[1-9]\d{{0,2}}(?:{re.escape(thousands)}\d{{2,3}})*{re.escape(thousands)}\d{{3}}|" if thousands else ""
    d = re.escape(decimal)
    return re.compile(rf"(?:(?:{groups}\d+)(?:{d}\d*)?|{d}\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?", re.IGNORECASE)


def _bare(text: str) -> tuple[str, str, str]:
    """Return the sign, the digits and their marks, and the unit of what may be a number."""
    text = text.translate(_ODD).strip()
    sign = ""
    if text.startswith("(") and text.endswith(")"):  # how accountants write what is owed
        sign, text = "-", text[1:-1].strip()
    elif len(text) > 1 and text[-1] == "-" and text[-2].isdigit():
        sign, text = "-", text[:-1]
    found = _UNIT.match(text)
    assert found is not None
    signs = {sign, found[1], found[3]} - {""}
    if len(signs) > 1 or (found[1] and found[3]):
        return "", "?", ""
    return "-" if "-" in signs else "", found[4].strip(), found[2] or found[5] or ""


def parse(texts: Sequence[str], style: NumberStyle) -> Floats:
    """Return (N,) numbers, NaN for what is none in this style.

    >>> parse(["1.234,5", "7", "(3)", "x"], NumberStyle(",", ".")).tolist()
    [1234.5, 7.0, -3.0, nan]
    """
    out = np.full(len(texts), np.nan)
    pattern = _pattern(style.decimal, style.thousands)
    for i, text in enumerate(texts):
        sign, digits, unit = _bare(text)
        if unit != style.unit and (unit or style.unit == "%"):
            continue
        if pattern.fullmatch(digits):
            plain = digits.replace(style.thousands, "") if style.thousands else digits
            out[i] = float(sign + plain.replace(style.decimal, "."))
    return out


def find_style(
    texts: Sequence[str], counts: npt.NDArray[np.int64], name: object, *, decimal: str | None = None
) -> tuple[NumberStyle, float]:
    """Return how most of the texts write numbers, and the share of the rows that can be read so.

    Args:
        texts: The different values, without blanks.
        counts: (N,) rows that hold each.
        name: The column, for messages.
        decimal: The decimal mark of other columns of the table, if it is known.

    Raises:
        DataError: All could be two numbers, as "1,234" can, and nothing tells which.

    >>> find_style(["11,25", "3,5"], np.array([1, 1]), "price")[0]
    NumberStyle(decimal=',', thousands='', unit='')
    """
    total = int(counts.sum())
    if not total:
        return PLAIN, 0.0
    bare = [_bare(text) for text in texts]
    codes = np.array([bool(_CODE.fullmatch(digits)) for _, digits, _ in bare])
    if counts[codes].sum() > 0.05 * total:  # "007" is a name
        return PLAIN, 0.0
    units = pd.Series(counts).groupby([unit for _, _, unit in bare]).sum().sort_index()
    unit = str(units.drop("", errors="ignore").idxmax()) if (units.index != "").any() else ""
    if unit and units[unit] < 0.5 * total:
        unit = ""
    marks = {mark for _, digits, _ in bare for mark in digits if mark in ".,' "}
    best: list[tuple[int, NumberStyle]] = []
    for style in _STYLES:
        # A style with marks that no value has reads nothing that a plainer one does not.
        if {style.thousands or style.decimal} - {"."} <= marks:
            pattern = _pattern(style.decimal, style.thousands)
            fits = np.array([bool(pattern.fullmatch(d)) and u in ("", unit) for _, d, u in bare])
            best.append((int(counts[fits].sum()), NumberStyle(style.decimal, style.thousands, unit)))
    most = max(count for count, _ in best)
    able = [style for count, style in best if count == most]
    return _decided(able, [d for _, d, _ in bare], name, decimal), most / total


def _decided(able: list[NumberStyle], digits: list[str], name: object, decimal: str | None) -> NumberStyle:
    """Choose among styles that read equally many values."""
    for mark in (".", ","):
        as_decimal = next((s for s in able if s.decimal == mark and not s.thousands), None)
        as_group = next((s for s in able if s.thousands == mark), None)
        marked = [d for d in digits if re.fullmatch(rf"[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+", d)]
        if as_decimal is None or as_group is None or not marked:
            continue
        whole = [d for d in digits if d.isdigit()]
        other = {".": ",", ",": "."}[mark]
        if any(len(d) > 3 for d in whole) or decimal == mark:
            return as_decimal
        # Below 1000 there is no mark to write; fractions of just three digits beside whole numbers are rare.
        if decimal == other or (whole and len(marked) + len(whole) >= _LEAST_SEEN):
            return NumberStyle(other, mark, as_group.unit)
        value, asked = marked[0], f"frame[{name!r}]"
        point = asked if mark == "." else f"{asked}.str.replace(',', '.')"
        raise DataError(
            f"numbers must have one reading, but {name!r} holds {value!r}, which is "
            f"{value.replace(mark, '')} if {mark!r} stands between thousands, and {value.replace(mark, '.')} if it is "
            "the decimal mark, and no value tells which",
            f"convert it first: {asked} = {asked}.str.replace({mark!r}, '').astype(float) if it stands between "
            f"thousands, else {asked} = {point}.astype(float)",
        )
    return next((style for style in able if style.decimal == decimal), able[0])
