"""Numbers, times and parameters in words: one wording for the page and the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from zoo.search.metrics import Metric

__all__ = ["NOTHING", "about", "duration", "number", "params_text", "percent", "plural", "value_text"]

NOTHING = "–"


def number(value: float | None) -> str:
    """Return a number with four significant digits; a dash for what is missing.

    >>> number(0.123456), number(1234567.8), number(None)
    ('0.1235', '1,234,568', '–')
    """
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size and not 1e-4 <= size < 1e15:
        return f"{value:.3e}"
    text = f"{value:,.0f}" if size >= 10_000 else f"{value:.4g}"
    return "0" if text == "-0" else text


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share in percent.

    >>> percent(0.2149), percent(0.033, 1)
    ('21 %', '3.3 %')
    """
    if share is None or not math.isfinite(share):
        return NOTHING
    return f"{round(100 * share, digits) + 0.0:,.{digits}f} %"


def duration(seconds: float | None) -> str:
    """Return a duration with two units at most.

    >>> duration(0.0421), duration(75), duration(7384)
    ('42 ms', '1 min 15 s', '2 h 3 min')
    """
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun.

    >>> plural(1, "trial"), plural(3, "trial")
    ('1 trial', '3 trials')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def value_text(value: Any) -> str:
    """Return a parameter's value."""
    if isinstance(value, float):
        return number(value)
    return str(value)


def params_text(params: Mapping[str, Any]) -> str:
    """Return parameters in one line.

    >>> params_text({"rate": 0.0123456, "layers": 2})
    'rate=0.01235 layers=2'
    """
    return " ".join(f"{name}={value_text(value)}" for name, value in params.items())


def about(metric: Metric) -> str:
    """Return what a metric is for.

    >>> about(Metric("loss", "minimize", at_most=2))
    'minimize loss, at most 2'
    """
    words = f"{metric.direction} {metric.name}" if metric.direction else metric.name
    for name, bound in metric.limit.describe().items():
        words += ("," if metric.direction else "") + f" {name.replace('_', ' ')} {number(bound)}"
    return words if metric.role != "stored" else f"{metric.name} (kept)"
