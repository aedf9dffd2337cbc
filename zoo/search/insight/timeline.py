"""When trials ran side by side, and how much of that time nobody worked."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from zoo.search.insight.view import View
from zoo.search.trial import State, TrialRecord

__all__ = ["Timeline", "TrialRun", "timeline"]


@dataclass(frozen=True)
class TrialRun:
    """One stretch of time in which a trial was worked on.

    Args:
        number: Number of the trial that was worked on.
        start: Study time at which it began, in seconds.
        end: Study time at which it ended, or now, in seconds.
        lane: Which row it is drawn in, from 0.
        state: What became of the trial; "paused" for a run that a pause ended; "running" for one that goes on.
    """

    number: int
    start: float
    end: float
    lane: int
    state: State


@dataclass(frozen=True)
class Timeline:
    """All runs.

    The journal does not say which machine a trial ran on: each run takes the lane that has been free for longest, and
    there are as many lanes as trials ever ran at once.

    Args:
        runs: Every run, ordered by its start.
        lanes: Trials that ever ran at once, or the number of workers where that is known and larger.
        start: Study time at which the first run began, in seconds.
        end: Study time at which the last one ended, in seconds.
    """

    runs: tuple[TrialRun, ...]
    lanes: int
    start: float
    end: float

    @property
    def idle(self) -> float:
        """Share of the workers' time between the first start and the last end in which nothing ran."""
        whole = self.lanes * (self.end - self.start)
        return 1.0 - sum(run.end - run.start for run in self.runs) / whole if whole > 0 else 0.0


def timeline(view: View) -> Timeline:
    """Return when the trials of a study ran."""
    spans = sorted(
        (start, end, record.number, state)
        for record in view.records
        for start, end, state in _spans(view, record)
        if end >= start
    )
    runs: list[TrialRun] = []
    free: list[tuple[float, int]] = []
    busy: list[tuple[float, int]] = []
    lanes = 0
    for start, end, number, state in spans:
        while busy and busy[0][0] <= start + 1e-9:
            heapq.heappush(free, heapq.heappop(busy))
        if free:
            lane = heapq.heappop(free)[1]
        else:
            lane, lanes = lanes, lanes + 1
        heapq.heappush(busy, (end, lane))
        runs.append(TrialRun(number, start, end, lane, state))
    first, last = (min(s[0] for s in spans), max(s[1] for s in spans)) if spans else (0.0, 0.0)
    known = view.notes.get("spec", {}).get("workers")
    return Timeline(tuple(runs), max(lanes, known if isinstance(known, int) else 0), first, last)


def _spans(view: View, record: TrialRecord) -> list[tuple[float, float, State]]:
    """Return the runs of a trial; the present one is open."""
    ended: list[tuple[float, float, State]] = [(start, end, "paused") for start, end in record.runs]
    if record.state == "running":
        if record.number in view.since:
            ended.append((view.since[record.number], view.elapsed, "running"))
        elif record.started is not None:
            # Of another process' study: the reports say how long it has been trained since its earlier runs.
            before = sum(end - start for start, end in record.runs)
            last = record.runs[-1][1] if record.runs else record.started
            now = max(view.elapsed, last)
            worked = max(max(record.clock.values(), default=0.0) - before, 0.0) if record.runs else now - last
            ended.append((max(last, now - worked), now, "running"))
    elif ended:
        ended[-1] = (*ended[-1][:2], record.state)
    return ended
