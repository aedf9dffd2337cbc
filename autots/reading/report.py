"""The report of a table that was read: what it holds, and what was repaired."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np

from autots.panel.panel import Panel
from autots.reading.findings import MAX_NAMED, Finding, FindingLog
from autots.reading.time_style import TimeStyle

__all__ = ["DataReport", "note_uninformative", "report_of", "time_text"]


@dataclass(frozen=True)
class DataReport:
    """What a table holds, and what was repaired.

    Args:
        findings: In the order of the repairs.
        series: Number of series S that are forecast.
        rows: Number of rows, missing ones included.
        freq: The clock: an alias, or the step of an integer clock.
        start: The first time of any series, as the user's clock shows it.
        end: The last time of any series, as the user's clock shows it.
        seasons: Season lengths in rows.
        missing: Share of rows without a target.
        zero: Share of the known targets that are 0.
        lengths: Shortest, median and longest series, in rows.
        reading: How the table was read: what, and how (see ``Schema.describe``).
    """

    findings: tuple[Finding, ...]
    series: int
    rows: int
    freq: str
    start: str
    end: str
    seasons: tuple[int, ...]
    missing: float
    zero: float
    lengths: tuple[int, float, int]
    reading: tuple[tuple[str, str], ...] = ()

    def find(self, kind: str) -> Finding | None:
        """Return the finding of a kind, if there is one."""
        return next((f for f in self.findings if f.kind == kind), None)

    def with_finding(self, kind: str, series: Sequence[str], message: str, action: str) -> DataReport:
        """Return the report with one more finding, about some series; the same report if there are none."""
        if not series:
            return self
        finding = Finding(kind, len(series), message, action, tuple(series[:MAX_NAMED]))
        return replace(self, findings=(*self.findings, finding))

    def with_findings(self, remarks: Sequence[Finding]) -> DataReport:
        """Return the report with findings about columns."""
        more = [Finding(found.kind, found.count, found.message, found.action) for found in remarks]
        return replace(self, findings=(*self.findings, *more)) if more else self

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: what comes back from JSON is equal."""
        return cast("dict[str, Any]", json.loads(json.dumps(asdict(self))))

    def summary(self) -> str:
        """Return some lines of text: what is there, then each finding with what was done."""
        shortest, middle, longest = self.lengths
        lines = [
            f"{self.series} series, {self.rows} rows, clock {self.freq}, from {self.start} to {self.end}",
            f"rows per series: {shortest} to {longest}, median {middle:g}",
            f"seasons: {', '.join(map(str, self.seasons))}",
            f"missing targets: {self.missing:.1%}; zeros: {self.zero:.1%}",
        ]
        for f in self.findings:
            named = f" (such as {', '.join(f.series)})" if f.series else ""
            lines.append(f"- {f.message}{named}: {f.action}")
        return "\n".join(lines)


def note_uninformative(panel: Panel, horizon: int, log: FindingLog, clock: TimeStyle) -> None:
    """Note series that are kept though little can be learned from them."""
    names = FindingLog(panel.ids)
    known = np.isnan(panel.y)
    low = np.minimum.reduceat(np.where(known, np.inf, panel.y), panel.indptr[:-1])
    high = np.maximum.reduceat(np.where(known, -np.inf, panel.y), panel.indptr[:-1])
    one = np.flatnonzero(panel.lengths == 1)
    constant = np.flatnonzero((low == high) & (panel.lengths > 1))
    short = np.flatnonzero((panel.lengths < horizon) & (panel.lengths > 1))
    names.add("constant", len(constant), f"{len(constant)} series are constant", "kept", constant)
    names.add("one_point", len(one), f"{len(one)} series have one row", "kept", one)
    text = f"{len(short)} series are shorter than the horizon of {horizon}"
    names.add("short", len(short), text, "kept", short)
    ends = panel.last_times
    early = np.flatnonzero(ends < ends.max())
    text = f"{len(early)} series end before {time_text(ends.max(), clock)}"
    names.add("early_end", len(early), text, "each is forecast from its own end", early)
    log.findings.extend(names.findings)


def time_text(time: Any, clock: TimeStyle) -> str:
    """Return a time as the user's clock shows it."""
    return str(clock.shown(np.array([time]))[0])[:19] if isinstance(time, np.datetime64) else str(int(time))


def report_of(panel: Panel, seasons: tuple[int, ...], findings: Sequence[Finding], clock: TimeStyle) -> DataReport:
    """Return the report of a repaired panel."""
    missing = np.isnan(panel.y)
    there = int((~missing).sum())
    lengths = panel.lengths
    return DataReport(
        tuple(findings),
        panel.n_series,
        panel.n_rows,
        panel.freq.alias or str(panel.freq.step),
        time_text(panel.times.min(), clock),
        time_text(panel.times.max(), clock),
        seasons,
        float(missing.mean()),
        float((panel.y == 0).sum()) / max(1, there),
        (int(lengths.min()), float(np.median(lengths)), int(lengths.max())),
    )
