"""What is tried: configurations known to be good, and the space around them."""

from autots.recipes.portfolio import Configuration, Portfolio, baselines, portfolio
from autots.recipes.space import search_space

__all__ = ["Configuration", "Portfolio", "baselines", "portfolio", "search_space"]
