"""What was found about each column and about the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias

from autots.reading.findings import Finding
from autots.reading.report import DataReport
from zoo.errors import DataError

__all__ = ["ColumnVerdict", "Eligibility", "Forecastability", "Status"]

Status: TypeAlias = Literal["eligible", "review", "ineligible"]
_RANK = {"eligible": 0, "review": 1, "ineligible": 2}


@dataclass(frozen=True)
class ColumnVerdict:
    """Whether a column may be used.

    Args:
        column: What the user calls it.
        role: ``"known"``, ``"past"``, ``"static"`` or ``"target"``.
        status: ``"ineligible"``: a model that uses it is wrong when it counts; ``"review"``: a person should look.
        kind: A word that programs can rely on: ``"lead"``, ``"copy"``, ``"short_lag"``, ``"revised"``, ``"not_known"``,
            ``"identifier"``, ``"constant"``, ``"mostly_missing"``, ``"too_good_alone"``; empty if eligible.
        reason: What was found, in words.
        evidence: Numbers behind the reason, by name.
    """

    column: str
    role: str
    status: Status = "eligible"
    kind: str = ""
    reason: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)

    def worse(self, other: ColumnVerdict | None) -> ColumnVerdict:
        """Return the graver of two verdicts about a column, this one if they are equal."""
        return other if other is not None and _RANK[other.status] > _RANK[self.status] else self


@dataclass(frozen=True)
class Forecastability:
    """Whether simple forecasts beat the seasonal naive one on the last part of the table.

    Args:
        verdict: ``"yes"``, ``"no"`` or ``"unclear"`` (within chance, or too few rows).
        season: Rows of the season that the naive forecast repeats.
        best: The simple forecast that did best.
        skill: Share of the seasonal naive forecast's mean absolute error that it saved; negative if none did better.
        reason: The same verdict in words.
    """

    verdict: Literal["yes", "no", "unclear"]
    season: int
    best: str
    skill: float
    reason: str


@dataclass(frozen=True)
class Eligibility:
    """What ``examine`` found.

    Args:
        verdicts: One per column that is no identifier of series and no clock, the target last.
        target: Whether it can be forecast.
    """

    verdicts: tuple[ColumnVerdict, ...]
    target: Forecastability

    @property
    def ineligible(self) -> tuple[ColumnVerdict, ...]:
        """The columns that must not be used."""
        return tuple(v for v in self.verdicts if v.status == "ineligible")

    @property
    def review(self) -> tuple[ColumnVerdict, ...]:
        """The columns that a person should look at."""
        return tuple(v for v in self.verdicts if v.status == "review")

    def refuse(self) -> None:
        """Raise if a column must not be used.

        Raises:
            DataError: A column is ineligible; all of them are named, with the reasons.
        """
        if self.ineligible:
            reasons = "; ".join(f"{v.column}: {v.reason}" for v in self.ineligible)
            raise DataError(
                f"columns must be fit to forecast with, but {len(self.ineligible)} are not: {reasons}",
                "drop or mend them, declare them otherwise, or fit without strict",
            )

    def noted(self, report: DataReport) -> DataReport:
        """Return the report of a table with what was found here."""
        more = [
            Finding(
                f"eligibility_{v.kind}",
                1,
                f"column {v.column!r}: {v.reason}",
                "kept, but a model that uses it will disappoint: drop or mend it (strict stops here)"
                if v.status == "ineligible"
                else "kept: a person should look at it",
            )
            for v in (*self.ineligible, *self.review)
        ]
        if self.target.verdict == "no":
            more.append(Finding("forecastability", 1, f"seasonal naive: {self.target.reason}", "searched all the same"))
        return replace(report, findings=(*report.findings, *more)) if more else report

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"columns": [asdict(v) for v in self.verdicts], "target": asdict(self.target)}

    def summary(self) -> str:
        """Return a line per column, then one about the target."""
        width = max((len(v.column) for v in self.verdicts), default=0)
        lines = [f"{v.column:<{width}}  {v.role:<6}  {v.status:<10}  {v.reason}".rstrip() for v in self.verdicts]
        return "\n".join([*lines, f"better than seasonal naive: {self.target.verdict}; {self.target.reason}"])
