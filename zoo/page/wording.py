"""Numbers, shares, durations and moments in words: one wording for every page, table and terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

__all__ = [
    "NOTHING",
    "aligned",
    "as_float",
    "clock_face",
    "count",
    "cut",
    "duration",
    "in_columns",
    "moment",
    "number",
    "params_text",
    "percent",
    "plural",
    "value_text",
]

#: Stands for what is missing.
NOTHING = "–"
# Ends of ISO times that say nothing more; a zone may follow a minute.
_MIDNIGHT = re.compile(r"[T ]00:00(:00(\.0+)?)?$")
_WHOLE_MINUTE = re.compile(r"([T ]\d\d:\d\d):00(\.0+)?(?=$|Z|[+-])")


def as_float(value: Any) -> float:
    """Return a float; NaN for what is none.

    >>> as_float("0.5"), as_float(None)
    (0.5, nan)
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def number(value: Any) -> str:
    """Return a number with four significant digits and thousands separators; a dash for NaN and None.

    >>> number(0.123456), number(1234567.8), number(1e-6), number(float("nan"))
    ('0.1235', '1,234,568', '1e-06', '–')
    """
    x = as_float(value)
    if math.isnan(x):
        return NOTHING
    if math.isinf(x):
        return "∞" if x > 0 else "-∞"
    text = f"{x + 0.0:.4g}"
    # Asked of the rounded number, so that 999.96 is written as 1000 is.
    return f"{x:,.0f}" if 1000 <= abs(float(text)) < 1e15 else text


def aligned(values: Iterable[Any]) -> list[str]:
    """Return the numbers of a column with equal decimals, four significant digits for the one in the middle.

    >>> aligned([0.712, 0.7412, 1.41])
    ['0.7120', '0.7412', '1.4100']
    """
    column = [as_float(v) for v in values]
    sizes = sorted(abs(x) for x in column if math.isfinite(x) and x)
    # Over several orders of magnitude equal decimals would hide the small numbers.
    if not sizes or sizes[-1] / sizes[0] > 1e4 or not 1e-4 <= sizes[0] <= sizes[-1] < 1e15:
        return [number(x) for x in column]
    digits = max(0, 3 - math.floor(math.log10(sizes[len(sizes) // 2])))
    if not round(sizes[0], digits):
        return [number(x) for x in column]
    return [f"{x + 0.0:,.{digits}f}" if math.isfinite(x) else number(x) for x in column]


def percent(share: Any, digits: int = 0) -> str:
    """Return a share in percent, with more digits where it would look like nothing; a dash for NaN and None.

    >>> percent(0.2149), percent(0.033, 1), percent(-0.002), percent(1e-9)
    ('21 %', '3.3 %', '-0.2 %', '<0.01 %')
    """
    x = 100 * as_float(share)
    if not math.isfinite(x):
        return NOTHING
    for places in range(digits, digits + 3):
        if round(x, places) or not x:
            return f"{x + 0.0:,.{places}f} %"
    least = f"{10.0 ** -(digits + 2):.{digits + 2}f} %"
    return f"<{least}" if x > 0 else f">-{least}"


def count(value: Any) -> str:
    """Return a whole number with thousands separators.

    >>> count(12345)
    '12,345'
    """
    x = as_float(value)
    return f"{round(x):,}" if math.isfinite(x) else NOTHING


def plural(n: int, one: str, many: str = "") -> str:
    """Return ``n`` with its noun.

    >>> plural(1, "model"), plural(3, "model"), plural(2, "series", "series")
    ('1 model', '3 models', '2 series')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def duration(seconds: Any) -> str:
    """Return seconds as people say them, in two units at most.

    >>> duration(0.0123), duration(4.2), duration(75), duration(7260), duration(200000)
    ('12 ms', '4.2 s', '1 min 15 s', '2 h 1 min', '2 d 8 h')
    """
    x = as_float(seconds)
    if not math.isfinite(x):
        return NOTHING
    if x < 0:
        return f"-{duration(-x)}"
    if x < 0.9995:
        return "<1 ms" if 0 < x < 0.0005 else f"{1000 * x:.0f} ms"
    if x < 9.95:
        return f"{x:.1f} s"
    # Rounded before the unit is chosen: 59.7 s are a minute.
    if round(x) < 60:
        return f"{round(x)} s"
    if round(x) < 3600:
        return _in_two_units(round(x), 60, "min", "s")
    if round(x / 60) < 48 * 60:
        return _in_two_units(round(x / 60), 60, "h", "min")
    return _in_two_units(round(x / 3600), 24, "d", "h")


def _in_two_units(total: int, size: int, large: str, small: str) -> str:
    whole, rest = divmod(total, size)
    return f"{number(whole)} {large}" + (f" {rest} {small}" if rest else "")


def clock_face(seconds: float) -> str:
    """Return ``m:ss`` or ``h:mm:ss``, as a countdown shows it: whole seconds, never less than none.

    >>> clock_face(75.9), clock_face(3600), clock_face(-1)
    ('1:15', '1:00:00', '0:00')
    """
    minutes, rest = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def moment(value: Any) -> str:
    """Return a point on a clock, without the midnight that daily data do not mean.

    >>> moment("2020-01-01T00:00:00"), moment(np.datetime64("2020-01-01T13:30")), moment(17)
    ('2020-01-01', '2020-01-01 13:30', '17')
    """
    if isinstance(value, float | np.floating):
        return number(value)
    if isinstance(value, np.datetime64) and not np.isnat(value):
        text = str(np.datetime_as_string(value, unit="auto"))
        text += ":00" * (2 - text.count(":")) if "T" in text else ""  # it leaves out what is zero
    else:
        text = value.isoformat() if isinstance(value, datetime) else str(value)
    if text == "NaT":
        return NOTHING
    text = _MIDNIGHT.sub("", text)
    return _WHOLE_MINUTE.sub(r"\1", text).replace("T", " ", 1)


def value_text(value: Any) -> str:
    """Return the value of a parameter or a setting.

    >>> value_text(0.0123456), value_text("tree")
    ('0.01235', 'tree')
    """
    return number(value) if isinstance(value, float) else str(value)


def params_text(params: Mapping[str, Any]) -> str:
    """Return parameters in one line.

    >>> params_text({"rate": 0.0123456, "layers": 2})
    'rate=0.01235 layers=2'
    """
    return " ".join(f"{name}={value_text(value)}" for name, value in params.items())


def cut(text: str, longest: int) -> str:
    """Return a text of at most ``longest`` characters, with an ellipsis where it was cut.

    >>> cut("forecast", 5)
    'fore…'
    """
    return text if len(text) <= longest else text[: longest - 1] + "…"


def in_columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of texts as lines whose columns begin one under the other.

    >>> print(in_columns([("table", "sales"), ("rows", "12")]))
    table  sales
    rows   12
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )
