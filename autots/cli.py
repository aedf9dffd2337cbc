"""The commands that this tenant adds to ``zoo``: texts only, so that ``zoo --help`` imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["COMMANDS"]

COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "fit": (
        "autots.commands.fit:fit",
        "Find a calibrated forecaster for a table, within a time budget.",
        "Searches over families of models, combines the best, calibrates their intervals on windows of the past, and "
        "leaves a run directory: the pipeline, forecasts, a leaderboard and a report.\n\n"
        "The budget counts from pressing return to the prompt. Ctrl-C ends the search early and keeps what was found; "
        "--resume goes on with a run, also after it was killed.",
    ),
    "check": (
        "autots.commands.check:check",
        "Say which columns may be used, and whether the target can be forecast.",
        "Ineligible are columns that are the target in disguise, were changed after the fact, will not be known, name "
        "rows, or say nothing. The same checks run before every fit; `zoo fit --strict` stops on them.\n\n"
        "Of a versioned table the first version is compared too. Status 1 if a column is ineligible.",
    ),
    "forecast": (
        "autots.commands.forecast:forecast",
        "Forecast the horizon after the history, or after another table.",
        "Writes one row per series and step: the mean and the quantiles that the fit was asked for.",
    ),
    "evaluate": (
        "autots.commands.evaluate:evaluate",
        "Compare forecasts with a table of what came after the history.",
        "A table longer than the horizon is forecast horizon by horizon, without a refit.",
    ),
    "leaderboard": (
        "autots.commands.leaderboard:leaderboard",
        "Show what a fit tried, best first.",
        "Scores are those of the windows that chose; the column 'unseen' those of windows that no choice saw.",
    ),
    "report": (
        "autots.commands.report:report",
        "Write the report of a fit as one HTML page.",
        "The page needs no network and no other file.",
    ),
    "demo": (
        "autots.commands.demo:demo",
        "Fit a real data set that comes with the installation.",
        "Needs no data and no network: see what a fit looks like, then try the commands that it prints.",
    ),
}
