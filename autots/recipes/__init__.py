"""What is tried: configurations known to be good, and the space around them."""

from autots.recipes.portfolio import Candidate, Portfolio, baselines, portfolio
from autots.recipes.space import search_space

__all__ = ["Candidate", "Portfolio", "baselines", "portfolio", "search_space"]
