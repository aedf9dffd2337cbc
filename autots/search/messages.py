"""What a fit says of itself where it could not do all that it usually does."""

from __future__ import annotations

from autots.evaluate import BacktestPlan
from autots.search.assemble import Assembly
from autots.search.leaderboard import Leaderboard

__all__ = ["of_assembly", "of_early_end", "of_moved_windows", "of_no_trial"]


def of_assembly(assembly: Assembly) -> list[str]:
    """Return what is said of members that were not fitted anew or are missing, and of uncalibrated intervals."""
    messages = []
    if assembly.not_refitted:
        messages.append(
            "used as they were backtested, as their final fit on all rows would have broken the budget (refit makes up "
            f"for it): {', '.join(assembly.not_refitted)}"
        )
    if assembly.left_out:
        names = ", ".join(assembly.left_out)
        messages.append(f"left out of the ensemble, as their final fit would have broken the budget: {names}")
    conformal = assembly.ensemble.conformal
    if conformal is not None and not conformal.learned:
        messages.append(
            "the intervals are not calibrated, as the history was constant before every window: their width is a guess"
        )
    return messages


def of_early_end(without_gain: int, patience: int, remaining: float) -> str:
    """Return what is said of a search that ended by itself; nothing where its time ended it.

    Args:
        without_gain: How many trials in a row made no better ensemble.
        patience: After how many of them a search ends.
        remaining: Seconds of the budget that were left.
    """
    if without_gain < patience:
        return ""
    return (
        f"the search ended by itself, {remaining:.0f} s before its time: {without_gain} trials in a row made no better "
        "ensemble"
    )


def of_no_trial(leaderboard: Leaderboard, budget: float, *, interrupted: bool) -> str:
    """Return what is said where no trial ended within a budget of so many seconds."""
    best = leaderboard.best
    instead = "the trivial forecasters made the result"
    instead += "" if best is None else f", the best of them is {best.model}"
    if interrupted:
        return f"no trial had ended: {instead}"
    return f"the budget of {budget:g} s is too small for one trial: {instead}"


def of_moved_windows(plan: BacktestPlan) -> str:
    """Return what is said of windows that do not lie where they usually do; nothing where they do."""
    if not plan.moved:
        return ""
    return (
        f"windows that hold hardly a target were passed over: the {len(plan.cutoffs)} that choose begin "
        f"{plan.cutoffs[0]} to {plan.cutoffs[-1]} rows before the end of the series"
    )
