"""The table that the portfolio is learned from: candidates x sets, with what each cost and what pairs of them lose.

It is made by ``zoo bench portfolio`` on windows before the test windows of public sets, and lies beside this module.
Axes: C members, the first of which stands for the trivial forecasters, the others are the candidates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from autots.panel import Floats
from autots.recipes.candidates import Recipe
from autots.recipes.traits import Traits
from zoo.errors import ArtifactError

__all__ = ["TABLE", "PortfolioTable", "SetRow", "portfolio_table"]

#: Where the table lies.
TABLE = Path(__file__).parent / "table.json"
_KIND, _VERSION = "autots portfolio", 1
# Losses are written as whole thousandths of the reference.
_THOUSANDTHS = 1000


@dataclass(frozen=True)
class SetRow:
    """What was measured on one set.

    Args:
        name: Of the set, for people alone.
        traits: Of the panel that was measured, by which others are compared with it.
        windows: How many windows each backtest forecast.
        units: (C,) cost of each backtest in units of the machine; NaN where there was none.
        fits: (C,) how often each backtest fitted.
        sample: (C,) loss on a sample of series, of that of the reference there; NaN where there was none.
        pairs: (C, C) loss of the even mean of two members, of that of the reference, the best trivial forecaster; on
            the diagonal that of one. NaN where a member has none.
    """

    name: str
    traits: Traits
    windows: int
    units: Floats
    fits: Floats
    sample: Floats
    pairs: Floats

    @property
    def alone(self) -> Floats:
        """(C,) losses of the members, NaN for none."""
        return np.asarray(np.diagonal(self.pairs))

    def products(self) -> Floats:
        """Return (C, C) products M such that the root of w' M w is the loss of weights w.

        It is exact for every member and every even mean of two; where errors are not squared it is an interpolation
        for the others.
        """
        squares = self.pairs**2
        own = np.diagonal(squares)
        return np.asarray(2 * squares - (own[:, None] + own[None, :]) / 2)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        lower = [_whole(self.pairs[i, : i + 1], _THOUSANDTHS) for i in range(len(self.pairs))]
        return {
            "name": self.name,
            "traits": self.traits.to_dict(),
            "windows": self.windows,
            "units": [None if np.isnan(u) else float(f"{u:.3g}") for u in self.units],
            "fits": [int(n) for n in self.fits],
            "sample": _whole(self.sample, _THOUSANDTHS),
            "pairs": lower,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SetRow:
        """Read what ``to_dict`` wrote."""
        units, sample = _numbers(values["units"]), _numbers(values["sample"]) / _THOUSANDTHS
        pairs = np.full((len(units), len(units)), np.nan)
        for i, row in enumerate(values["pairs"]):
            pairs[i, : i + 1] = pairs[: i + 1, i] = _numbers(row) / _THOUSANDTHS
        traits = Traits(**values["traits"])
        return cls(values["name"], traits, int(values["windows"]), units, _numbers(values["fits"]), sample, pairs)


@dataclass(frozen=True)
class PortfolioTable:
    """All sets and candidates.

    Args:
        recipes: The C - 1 candidates, in the order of the members after the first.
        rows: What was measured on each set.
        seconds: The budget that decided on the sizes of the learners that were measured.
    """

    recipes: tuple[Recipe, ...]
    rows: tuple[SetRow, ...]
    seconds: float

    def without(self, name: str) -> PortfolioTable:
        """Return the table as if a set had never been measured."""
        return PortfolioTable(self.recipes, tuple(row for row in self.rows if row.name != name), self.seconds)

    def to_json(self) -> str:
        """Return the text of the table's file, a line per set."""
        recipes = [{"family": r.family, "params": dict(r.params), "large": r.large} for r in self.recipes]
        head = {"kind": _KIND, "version": _VERSION, "seconds": self.seconds, "recipes": recipes}
        lines = ",\n".join(json.dumps(row.to_dict(), separators=(",", ":")) for row in self.rows)
        return json.dumps(head)[:-1] + ',\n"rows": [\n' + lines + "\n]}\n"

    @classmethod
    def from_json(cls, text: str) -> PortfolioTable:
        """Read what ``to_json`` wrote.

        Raises:
            ArtifactError: It is another file, or one of another version.
        """
        values = json.loads(text)
        if not isinstance(values, dict) or (values.get("kind"), values.get("version")) != (_KIND, _VERSION):
            raise ArtifactError(
                f"a portfolio's table must be of kind {_KIND!r}, version {_VERSION}, but got another file",
                "install the package again, or make the table with `zoo bench portfolio`",
            )
        recipes = tuple(Recipe(r["family"], r["params"], bool(r["large"])) for r in values["recipes"])
        rows = tuple(SetRow.from_dict(row) for row in values["rows"])
        return cls(recipes, rows, float(values["seconds"]))


@cache
def portfolio_table() -> PortfolioTable:
    """Return the table of the package, which is read once, when it is first needed.

    Raises:
        ArtifactError: The file is missing, or is no such table.
    """
    try:
        text = TABLE.read_text(encoding="utf-8")
    except OSError as error:
        raise ArtifactError(f"the portfolio's table cannot be read: {error}", "install the package again") from None
    return PortfolioTable.from_json(text)


def _whole(values: Floats, times: int) -> list[int | None]:
    return [None if np.isnan(v) else round(float(v) * times) for v in values]


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
