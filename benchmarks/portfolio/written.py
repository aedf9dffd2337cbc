"""The order as people wrote it until December 2026, which the learned one is measured beside."""

from __future__ import annotations

from collections.abc import Iterable

from autots.recipes.candidates import INTERMITTENT, LEARNERS, Recipe
from autots.recipes.traits import Traits

__all__ = ["written_order"]

# Rows from which a seasonal panel was long, series up to which it had few, and up to which SARIMAX was tried.
_MANY_ROWS, _FEW, _FEW_SARIMAX = 100_000, 100, 20

_INTERMITTENT = """
trees mean - weighted | trees mean - | recursive mean | tsb | croston | empirical | linear mean weighted
damped | adida | trees mean linear weighted | trees last - | imapa | optimized | recursive standard
"""
_LONG = """
linear standard weighted | trees standard linear | smoothing | trees mean - | recursive standard few
trees last linear log | mlp last log | rvfl standard | trees mean linear | trees standard - | DOTM
linear standard weighted log | recursive standard | trees last linear | mlp standard | rvfl last log
trees standard linear weighted | mstl | ces | mlp standard log | trees standard linear log | recursive mean
trees last linear weighted | linear mean weighted | trees mean linear weighted | ANZ | STM | arima
"""
_ORDINARY = """
linear last | smoothing | linear standard weighted log | damped | DOTM | recursive last | mlp last log
rvfl standard | trees last linear log | mstl | trees mean linear | mlp standard log | ANZ | rvfl last log
trees last linear | mlp last | ces | STM | sarimax few | ZZZ | trees standard linear | recursive standard
trees mean - weighted | linear mean weighted | trees standard linear log | arima | trees last linear weighted
trees standard - | trees mean - | recursive mean
"""
_NAMED = {
    "smoothing": Recipe("smoothing"),
    "damped": Recipe("smoothing", {"trend": "damped", "penalty": 1.0}),
    "DOTM": Recipe("auto_theta", {"method": "DOTM"}),
    "STM": Recipe("auto_theta", {"method": "STM"}),
    "ANZ": Recipe("auto_ets", {"model": "ANZ"}),
    "ZZZ": Recipe("auto_ets", {"model": "ZZZ"}),
    "ces": Recipe("auto_ces"),
    "arima": Recipe("auto_arima"),
    "empirical": Recipe("empirical", {"window": 12}),
    "optimized": Recipe("croston", {"variant": "optimized"}),
}


def written_order(traits: Traits) -> tuple[Recipe, ...]:
    """Return the candidates in the order in which they were tried on such a panel."""
    if traits.zero_share > INTERMITTENT:
        text, few = _INTERMITTENT, False
    elif traits.rows >= _MANY_ROWS and traits.season > 1:
        text, few = _LONG, traits.series <= _FEW
    else:
        text, few = _ORDINARY, traits.known > 0 and traits.series <= _FEW_SARIMAX
    words = (entry.split() for line in text.strip().splitlines() for entry in line.split("|"))
    return tuple(_recipes(words, traits, few=few))


def _recipes(entries: Iterable[list[str]], traits: Traits, *, few: bool) -> list[Recipe]:
    out: list[Recipe] = []
    for family, *flags in entries:
        if "few" in flags and not few:
            continue
        recipe = _recipe(family, flags, positive=traits.positive)
        if recipe.family == "mstl" and traits.season <= 1:
            continue
        if (traits.learnable or recipe.family not in LEARNERS) and recipe not in out:
            out.append(recipe)
    return out


def _recipe(family: str, flags: list[str], *, positive: bool) -> Recipe:
    log, weighted = "log" in flags and positive, "weighted" in flags
    match family:
        case "trees":
            return Recipe(
                "trees_direct", {"norm": flags[0], "linear": "linear" in flags, "weighted": weighted, "log": log}
            )
        case "linear":
            return Recipe("linear_direct", {"norm": flags[0], "weighted": weighted, "log": log})
        case "recursive":
            return Recipe("trees_recursive", {"norm": flags[0]})
        case "mlp" | "rvfl":
            return Recipe(family, {"norm": flags[0], "log": log})
    return _NAMED.get(family, Recipe(family))
