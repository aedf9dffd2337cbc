"""What a person reads afterwards: the page, the plots, the progress bar."""

from autots.report.facts import BacktestWindow, Facts

__all__ = ["BacktestWindow", "Facts"]
