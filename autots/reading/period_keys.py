"""Whole numbers that name periods, such as 202012 for a month: whether they do, and by which format."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import autots.reading.date_formats as formats
from autots.reading.dates import CLEARLY, regularity
from zoo.errors import DataError

__all__ = ["key_format", "refuse_quarters"]

# Names of columns that count, whatever their numbers look like.
_COUNTERS = ("t", "step", "steps", "time_idx", "index", "idx", "n", "row", "k", "count", "tick", "level_0")
# Names of weeks, and of months, quarters, years and dates, as columns are called in other languages, too.
_WEEK = r"w(ee)?k|kw|yyyyww|woche|semain|seman|settiman|uge$|uke$|vecka|tydzie"
_OTHERS = (
    r"mon[ae]t|mois|^mes$|mese|maand|m[åa]ned|m[åa]nad|quartal|trimest|jahr|ann[ée]e|^a[ñn]o|anno|"
    r"datum|^data$|fecha"
)
_QUARTERED = 3  # years of four periods each, before these are taken for quarters
_KEYS = {4: (), 5: ("%Y%q",), 6: ("%Y%m", "%G%V"), 7: ("%Y%j",)}


def key_format(numbers: npt.NDArray[np.int64], name: object) -> str | None:
    """Return the format of whole numbers that name periods, such as 202012 and 202101, or None where they count.

    Numbers name periods if all can be read as such, and if they jump from the end of one year to the begin of the
    next, as no counter does; within one year the column's name decides, unless it is that of a counter.

    >>> key_format(np.array([202011, 202012, 202101]), "month"), key_format(np.arange(3), "month")
    ('%Y%m', None)
    """
    low, high = int(numbers.min()), int(numbers.max())
    forms = _KEYS.get(len(str(low)), ()) if len(str(low)) == len(str(high)) else ()
    if not forms or not (1900 <= int(str(low)[:4]) and int(str(high)[:4]) <= 2100):
        return None
    texts = pd.Index(np.sort(numbers).astype(str), dtype=object)
    fitting = [(form, index) for form in forms if not (index := formats.read(texts, form)).isna().any()]
    label = str(name).lower()
    if not fitting:
        return None
    years = len({text[:4] for text in texts})
    periods = len({text[4:] for text in texts})
    of_week = re.search(_WEEK, label)
    named = of_week or re.search(r"month|quarter|period|year|date|yyyy|qtr|^ym|^yw|^yq|^ds$|time$|stamp", label)
    named = named or re.search(_OTHERS, label)
    if label in _COUNTERS and years == 1:
        return None
    if not (periods > 1 and (years > 1 or named)):
        return None
    if of_week and any(form == "%G%V" for form, _ in fitting):
        return "%G%V"
    if len(fitting) > 1 and regularity(fitting[1][1]) > CLEARLY * regularity(fitting[0][1]):
        return fitting[1][0]
    if fitting[0][0] == "%Y%m":
        refuse_quarters(texts, name)
    return fitting[0][0]


def refuse_quarters(texts: pd.Index[Any], name: object) -> None:
    """Raise if keys such as 201801 name but the first four periods of every year: months or, rather, quarters.

    Raises:
        DataError: They do, over three years or more.
    """
    if len({text[:4] for text in texts}) < _QUARTERED or {text[4:] for text in texts} != {"01", "02", "03", "04"}:
        return
    raise DataError(
        f"keys of periods must have one reading, but {name!r} holds {texts[0]} and the like, with but "
        "01 to 04 in each year: quarters, or the months January to April",
        f"for quarters give frame[{name!r}].astype(str).str.replace(r'0(.)$', r'Q\\1', regex=True), for months write "
        f"ISO 8601 ({texts[0][:4]}-01)",
    )
