"""Options that hold more than one value, as text."""

from __future__ import annotations

import re

from zoo.errors import ConfigError

__all__ = ["levels", "name_or_names", "names", "whole_numbers", "whole_or_text"]


def names(text: str) -> tuple[str, ...]:
    """Return the names in a list with commas.

    >>> names("price, holiday")
    ('price', 'holiday')
    """
    return tuple(part.strip() for part in text.split(",") if part.strip())


def name_or_names(text: str | None) -> str | list[str] | None:
    """Return a name, or a list where the text has commas.

    >>> name_or_names("store"), name_or_names("store,item")
    ('store', ['store', 'item'])
    """
    if text is None or "," not in text:
        return text
    return list(names(text))


def levels(text: str) -> tuple[float, ...]:
    """Return the quantile levels in a list with commas.

    Raises:
        ConfigError: A part of the text is no number.
    """
    try:
        return tuple(float(part) for part in names(text))
    except ValueError as error:
        raise ConfigError(f"--quantiles must be numbers, but got {text!r}", "for example 0.1,0.5,0.9") from error


def whole_numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    """Return whole numbers, or None where nothing was given.

    Raises:
        ConfigError: A part of the text is no whole number.
    """
    if text is None:
        return None
    try:
        return tuple(int(part) for part in names(text))
    except ValueError as error:
        raise ConfigError(f"--{option} must be whole numbers, but got {text!r}", "for example 24,168") from error


def whole_or_text(text: str | None) -> int | str | None:
    """Return a number where the text is one.

    >>> whole_or_text("15"), whole_or_text("15min")
    (15, '15min')
    """
    return int(text) if text is not None and re.fullmatch(r"-?[0-9]+", text) else text
