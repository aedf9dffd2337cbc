"""How a moment is written as text: the formats that a text may have, reading by one of them, writing by it.

A format is one of strftime, with what strftime lacks: ``%-d`` (no leading zero; ``m``, ``H`` and ``I`` too), ``%^b``
(capitals), ``%P`` (am and pm in small letters), ``%3f`` (three digits of a second), ``%q`` (quarter), ``%h`` (half of
the year), ``%G`` with ``%V`` (week of ISO 8601, named by its Monday), ``%~y`` (the year after, in two digits).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from zoo.series.calendar import days_of, iso_week, iso_week_start, iso_year, month_start

__all__ = ["ISO", "date_part", "digits_only", "exact", "formats_of", "in_words", "read", "shape", "write"]

#: The name of ISO 8601 in all its forms, as a format.
ISO = "ISO8601"

_CLOCK = r"\d{1,2}(:?\d{2}(:?\d{2}([.,]\d{1,9})?)?)?"
_ISO = re.compile(rf"\d{{4}}-\d{{1,2}}(-\d{{1,2}}([T ]{_CLOCK})?)?|\d{{8}}T{_CLOCK}")
_TIME = re.compile(
    r"(?P<gap>T|[-, ]*)(?P<hour>\d{1,2})"
    r"(?:(?P<colon>[:h])(?P<minute>\d{2})(?::(?P<second>\d{2})(?:(?P<point>[.,])(?P<part>\d{1,9}))?)?)?"
    r"(?:(?P<pause>[- ]?)(?P<half>[AaPp][Mm]))?$"
)
_PIECES = re.compile(r"\d+|[^\W\d_]+|[\W_]+")
_MONTHS = ("january february march april may june july august september october november december").split()
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_DIGITS = {
    4: ("%Y",),
    6: ("%Y%m", "%G%V", "%y%m%d", "%d%m%y", "%m%d%y"),
    8: ("%Y%m%d", "%d%m%Y", "%m%d%Y"),
    10: ("%Y%m%d%H",),
    12: ("%Y%m%d%H%M",),
    14: ("%Y%m%d%H%M%S",),
}
_KEYS = (
    (re.compile(r"(\d{4})(\D{0,2})([Qq])([1-4])"), "%Y{2}{3}%q"),
    (re.compile(r"(\d{4})(\D{0,2})([Hh])([12])"), "%Y{2}{3}%h"),
    (re.compile(r"(\d{4})(\D{0,2})([Ww]|KW|CW)(\d{2})"), "%G{2}{3}%V"),
    (re.compile(r"(\d{4})(\D{0,2})([Mm])(\d{2})"), "%Y{2}{3}%m"),
    (re.compile(r"([Qq])([1-4])(\D{1,2})(\d{4})"), "{1}%q{3}%Y"),
    (re.compile(r"([Qq])([1-4])([-/' ])(\d{2})"), "{1}%q{3}%y"),
    (re.compile(r"([Hh])([12])(\D{1,2})(\d{4})"), "{1}%h{3}%Y"),
    (re.compile(r"([Ww]|KW ?|CW ?)(\d{2})(\D{1,2})(\d{4})"), "{1}%V{3}%G"),
    (re.compile(r"(\d{4})([-/])(\d{2})"), "%Y{2}%~y"),
)
#: What the parts of a format look like, for those formats that pandas cannot read.
_PARTS = {"Y": r"(\d{4})", "G": r"(\d{4})", "y": r"(\d{2})", "q": "([1-4])", "h": "([12])", "V": r"(\d{2})"}
_PARTS |= {"m": r"(\d{2})", "~y": r"(\d{2})"}


def read(values: pd.Index[Any], form: str) -> pd.DatetimeIndex:
    """Return the moments that texts name by a format, NaT for those that it cannot read."""
    if form == ISO:
        # pandas takes "now" and "today" for ISO 8601, too.
        fit = np.fromiter((_ISO.fullmatch(value) is not None for value in values), dtype=bool, count=len(values))
        return pd.DatetimeIndex(_parse(values.where(fit, None), ISO))
    if re.search("%q|%h|%V|%~y", form):
        return _read_key(values, form)
    plain = re.sub(r"%[-^]([a-zA-Z])", r"%\1", form).replace("%P", "%p")
    return _parse(values, re.sub(r"%\df", "%f", plain))


def _parse(values: pd.Index[Any], form: str) -> pd.DatetimeIndex:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return pd.DatetimeIndex(pd.to_datetime(values, format=form, errors="coerce"))


def _read_key(values: pd.Index[Any], form: str) -> pd.DatetimeIndex:
    """Read quarters, halves, weeks and seasons by a regular expression."""
    pieces = re.findall(r"%~y|%[a-zA-Z]|[^%]+", form)
    names = [p[1:] for p in pieces if p[0] == "%"]
    pattern = "".join(_PARTS[p[1:]] if p[0] == "%" else re.escape(p) for p in pieces)
    found = pd.Series(values, dtype=object).str.extract(f"^{pattern}$")
    numbers = found.apply(pd.to_numeric).to_numpy(dtype=float)
    known = ~np.isnan(numbers).any(axis=1)
    part = dict(zip(names, np.nan_to_num(numbers, nan=1).astype(np.int64).T, strict=True))
    year = part.get("Y", part.get("G"))
    if year is None:
        year = part["y"] + np.where(part["y"] < 69, 2000, 1900)
    if "V" in part:
        known &= (part["V"] >= 1) & (part["V"] <= 53)
        days = iso_week_start(year, part["V"])
        known &= iso_year(days) == year  # not every year has a week 53
    else:
        month = 3 * part["q"] - 2 if "q" in part else 6 * part["h"] - 5 if "h" in part else part.get("m", 1 + 0 * year)
        known &= (month >= 1) & (month <= 12)
        if "~y" in part:
            known &= part["~y"] == (year + 1) % 100
        days = month_start((year - 1970) * 12 + month - 1)
    moments = days.astype("datetime64[D]").astype("datetime64[s]")
    moments[~known] = np.datetime64("NaT")
    return pd.DatetimeIndex(moments.astype("datetime64[ns]"))


def write(index: pd.DatetimeIndex, form: str) -> Any:
    """Return an object index of texts."""
    out: Any = np.full(len(index), "", dtype=object)
    for piece in re.findall(r"%[-^~]?\d?[a-zA-Z]|%%|[^%]+", form):
        out = out + np.asarray(_written(index, piece), dtype=object)
    return pd.Index(out, dtype=object)


def _written(index: pd.DatetimeIndex, piece: str) -> Any:
    if piece[0] != "%":
        return piece
    kind = piece[-1]
    if piece == "%q":
        return index.quarter.astype(str)
    if piece == "%h":
        return ((index.month - 1) // 6 + 1).astype(str)
    if piece == "%~y":
        return ((index.year + 1) % 100).astype(str).str.zfill(2)
    if piece in ("%G", "%V"):
        number = (iso_year if kind == "G" else iso_week)(days_of(index))
        return pd.Series(number).astype(str).str.zfill(2 if kind == "V" else 4)
    if piece[1] == "-":
        return index.strftime(f"%{kind}").str.replace("^0", "", regex=True)
    if piece[1] == "^":
        return index.strftime(f"%{kind}").str.upper()
    if piece == "%P":
        return index.strftime("%p").str.lower()
    if kind == "f" and piece[1] != "f":
        digits = np.asarray(index, dtype="datetime64[ns]").astype(np.int64) % 10**9 // 10 ** (9 - int(piece[1]))
        return pd.Series(digits).astype(str).str.zfill(int(piece[1]))
    return index.strftime(piece)


def shape(text: str) -> str:
    """Return what texts of one format have in common: separators, and which numbers have how many digits."""
    out = []
    for piece in _PIECES.findall(text.strip()):
        if piece.isdigit():
            out.append("9" if len(piece) <= 2 else str(len(piece)))
        elif piece[0].isalpha():
            out.append("a" if len(piece) == 3 else "A" if len(piece) > 2 else piece)
        else:
            out.append(piece)
    return "".join(out)


@lru_cache(maxsize=4096)
def formats_of(text: str) -> tuple[tuple[str, str], ...]:
    """Return the (order, format) pairs that a text may have, the usual ones first.

    The order is ``"DMY"``, ``"MDY"`` or ``"YMD"`` where nothing but the numbers' sizes tells day, month and year apart,
    and ``""`` where the writing itself does: a year of four digits in front, the name of a month, a quarter.

    >>> formats_of("1/2/2024 10:30")
    (('DMY', '%d/%m/%Y %H:%M'), ('MDY', '%m/%d/%Y %H:%M'))
    >>> formats_of("Q1 2024")
    (('', 'Q%q %Y'),)
    """
    text = text.strip()
    keys = [("", _filled(form, found)) for pattern, form in _KEYS if (found := pattern.fullmatch(text))]
    return tuple(dict.fromkeys([*_dated(text, ""), *keys, *_timed(text)]))


def _filled(form: str, found: re.Match[str]) -> str:
    return form.format(None, *(found[i].replace("%", "%%") for i in range(1, 5 if found.re.groups > 3 else 4)))


def _timed(text: str) -> list[tuple[str, str]]:
    """Return the formats of a date with a time of the day."""
    out = []
    for found in re.finditer(r"(?<=[\w.])(T|[-, ]*)(?=\d{1,2}([:h]\d{2}|[- ]?[AaPp][Mm]))", text):
        time = _TIME.fullmatch(text[found.start() :])
        if time is None or found.start() == 0 or (not time["gap"]):
            continue
        if time["minute"] is None and time["half"] is None:
            continue
        hour = "%I" if time["half"] else "%H"
        clock = f"{time['gap']}{hour}"
        if time["minute"]:
            clock += f"{time['colon']}%M"
        if time["second"]:
            clock += ":%S"
        if time["part"]:
            clock += f"{time['point']}%{len(time['part'])}f"
        if time["half"]:
            clock += f"{time['pause']}{'%P' if time['half'].islower() else '%p'}"
        out += _dated(text[: found.start()], clock)
    return out


def _dated(text: str, clock: str) -> list[tuple[str, str]]:
    """Return the formats of a date, each with the format of the time of day behind it."""
    pieces = _PIECES.findall(text)
    if not pieces or len(pieces) > 9:
        return []
    front = ""
    if len(pieces) > 2 and (day := _word(pieces[0], _DAYS)):
        front = ("%A" if day == "long" else "%a") + pieces[1].replace("%", "%%")
        pieces = pieces[2:]
    marks: list[str] = []
    parts: list[str] = []  # what stands between the parts, and the parts
    for piece in pieces:
        if piece.isdigit() or _word(piece, _MONTHS):
            if len(parts) > len(marks):
                marks.append("")
            parts.append(piece)
        elif piece[0].isalpha() or len(marks) >= len(parts):
            return []
        else:
            marks.append(piece.replace("%", "%%"))
    if len(marks) == len(parts) and marks[-1].strip() == ".":
        end = marks.pop()  # "4. 3. 2020." is Hungarian and Croatian
    elif len(marks) == len(parts):
        return []
    else:
        end = ""
    words = [i for i, part in enumerate(parts) if not part.isdigit()]
    if len(words) > 1 or len(parts) not in (1, 2, 3):
        return []
    found = _words(parts, words[0]) if words else _numbers(parts)
    out = []
    for order, names in found:
        body = "".join(f"{name}{mark}" for name, mark in zip(names, [*marks, ""], strict=True))
        out.append((order, f"{front}{body}{end}{clock}"))
    return out


def _word(piece: str, names: Sequence[str]) -> str:
    """Return whether a word is a name (``"long"``), its first three letters (``"short"``), or neither."""
    low = piece.lower()
    return "long" if low in names and len(low) > 3 else "short" if low in {n[:3] for n in names} else ""


def _words(parts: list[str], at: int) -> list[tuple[str, list[str]]]:
    """Name the parts of a date whose month is a word."""
    form = "%B" if _word(parts[at], _MONTHS) == "long" else "%b"
    form = f"%^{form[1]}" if parts[at].isupper() else form
    rest = [len(part) for i, part in enumerate(parts) if i != at]
    if len(parts) == 1:
        return []
    if len(parts) == 2:
        # "20-Mar" may be a day without a year: only behind the month do two digits name the year.
        year = "%Y" if rest == [4] else "%y" if rest == [2] and at == 0 else ""
        return [("", [form, year] if at == 0 else [year, form])] if year else []
    orders = []
    for order, first, second in (("DMY", "%d", "Y"), ("YMD", "Y", "%d")):
        lengths = dict(zip((first, second), rest, strict=True))
        if lengths["%d"] > 2 or lengths["Y"] not in (2, 4):
            continue
        names = [{"Y": "%Y" if lengths["Y"] == 4 else "%y"}.get(n, n) for n in (first, second)]
        names.insert(at, form)
        orders.append(("" if lengths["Y"] == 4 else order, names))
    if len(orders) == 2 and at == 0:  # "Mar 4, 20": nobody writes the year in the middle
        orders = orders[:1]
    return orders


def _numbers(parts: list[str]) -> list[tuple[str, list[str]]]:
    """Name the parts of a date of numbers."""
    lengths = [len(part) for part in parts]
    if len(parts) == 1:
        ways = [(form.replace("%y", "").replace("%", ""), form) for form in _DIGITS.get(lengths[0], ())]
        orders = {"%d%m%y": "DMY", "%d%m%Y": "DMY", "%m%d%y": "MDY", "%m%d%Y": "MDY", "%y%m%d": "YMD", "%G%V": "W"}
        return [(orders.get(form, "YMD" if len(ways) > 1 else ""), [form]) for _, form in ways]
    if len(parts) == 2:
        if sorted(lengths) not in ([1, 4], [2, 4]):
            return []
        return [("", ["%Y", "%m"] if lengths[0] == 4 else ["%m", "%Y"])]
    if max(lengths[1], min(lengths)) > 2:
        return []
    if lengths[0] == 4 and lengths[2] <= 2:
        return [("", ["%Y", "%m", "%d"]), ("YDM", ["%Y", "%d", "%m"])]
    if lengths[0] <= 2 and lengths[2] == 4:
        return [("DMY", ["%d", "%m", "%Y"]), ("MDY", ["%m", "%d", "%Y"])]
    if max(lengths) > 2:
        return []
    out = [("DMY", ["%d", "%m", "%y"]), ("MDY", ["%m", "%d", "%y"])] if lengths[2] == 2 else []
    return [*out, ("YMD", ["%y", "%m", "%d"])] if lengths[0] == 2 else out


def date_part(form: str) -> str:
    """Return a format without the time of day."""
    return re.split(r"(?:T|[-, ]*)%-?[HI]", form)[0]


def digits_only(form: str) -> bool:
    """Whether a format writes nothing but digits."""
    return re.fullmatch(r"(%[YmdGVqjHMS])+", form) is not None


_NAMES = {
    "d": "day", "m": "month", "b": "month", "B": "month", "Y": "year", "y": "year", "H": "hour", "I": "hour",
    "M": "minute", "S": "second", "f": "fraction", "p": "am or pm", "P": "am or pm", "a": "weekday", "A": "weekday",
    "j": "day of the year", "q": "quarter", "h": "half", "G": "year", "V": "week",
}  # fmt: skip


def in_words(form: str) -> str:
    """Return a format in words.

    >>> in_words("%d/%m/%Y %H:%M")
    'day/month/year hour:minute'
    """
    if form == ISO:
        return "year-month-day (ISO 8601)"
    form = re.sub(r"(?<=[a-zA-Z])%", " %", form.replace("%~y", "following year"))
    return re.sub(r"%[-^]?\d?([a-zA-Z])", lambda found: _NAMES.get(found[1], found[0]), form).replace("%%", "%")


def exact(index: pd.DatetimeIndex, values: pd.Index[Any], form: str) -> str | None:
    """Return the format that writes these moments exactly as the texts are, near to one that reads them, or None."""
    pick = np.unique(np.linspace(0, len(values) - 1, min(_SAMPLE, len(values))).astype(np.intp))
    index, values = index[pick], values[pick]
    ways = [form]
    for names in (("d", "m", "H", "I"), ("d", "m"), ("H", "I"), ("d",), ("m",), ("d", "H", "I"), ("m", "H", "I")):
        bare = re.sub(rf"%([{''.join(names)}])", r"%-\1", form)
        if bare not in ways:
            ways.append(bare)
    for way in ways:
        if bool((write(index, way) == values).all()):
            return way
    return None


_SAMPLE = 2000  # texts that the exact writing is tried on
