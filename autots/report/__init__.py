"""What a person reads afterwards: the page, the plots, the progress bar."""

from autots.report.facts import Facts, Window

__all__ = ["Facts", "Window"]
