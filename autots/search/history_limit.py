"""How much of a table a search can look at within its budget: the newest rows of long series, or none at all."""

from __future__ import annotations

from collections.abc import Sequence

from autots.evaluate import BacktestPlan
from autots.panel import Panel
from zoo.clock import Deadline

__all__ = ["MORE_TIME", "late", "recent_rows"]

#: What the user can do about a table that is read too late.
MORE_TIME = "a longer budget, Parquet instead of CSV, or fewer rows leave time for a search"

# Rows of all series together that are looked at, for each second of the budget. A learner draws 1,600 of them.
_ROWS_PER_SECOND = 10_000
# What every series keeps: rows, longest seasons, horizons. No public set that we measure on reaches them.
_ROWS, _SEASONS, _HORIZONS = 50_000, 20, 100
# A cut that saves less than this share of the rows is not worth a message.
_WORTH = 0.2
# Seconds that a trivial forecaster's backtest takes for each window of a series, and for each row before one.
_PER_WINDOW, _PER_ROW = 2e-6, 3e-9
# A backtest that takes less is made whatever the time; so are weights, calibration and facts, about as long again.
_SHORT, _REST = 0.5, 2.0


def recent_rows(panel: Panel, *, seasons: Sequence[int], horizon: int, budget: float) -> tuple[Panel, str]:
    """Return the newest rows of long series, as many as the budget bears, and what to say about it ("" for all rows).

    Args:
        panel: All rows.
        seasons: Season lengths in rows.
        horizon: Steps.
        budget: Seconds.
    """
    share = int(_ROWS_PER_SECOND * budget / panel.n_series)
    most = max(share, _ROWS, _SEASONS * max(seasons), _HORIZONS * horizon)
    longest = int(panel.lengths.max())
    if longest <= most:
        return panel, ""
    recent = panel.tail(most)
    if recent.n_rows > (1 - _WORTH) * panel.n_rows:
        return panel, ""
    whose = "" if panel.n_series == 1 else " of a series"
    return recent, (
        f"models look at the last {most:,} of up to {longest:,} rows{whose}, and the pipeline keeps those: more would "
        f"not fit into the budget of {budget:g} s"
    )


def late(panel: Panel, plan: BacktestPlan, deadline: Deadline) -> str:
    """Return why nothing can be backtested any more, or "" where it can."""
    windows = len(plan.cutoffs)
    seconds = _PER_WINDOW * windows * panel.n_series + _PER_ROW * windows * panel.n_rows
    if seconds < _SHORT or deadline.remaining > _REST * seconds:
        return ""
    return (
        f"reading {panel.n_rows:,} rows took {deadline.elapsed:.0f} s of a budget of {deadline.budget:.0f} s, of which "
        f"a backtest needs about {_REST * seconds:.0f} s"
    )
