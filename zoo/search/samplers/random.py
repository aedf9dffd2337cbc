"""Random search: evenly over the space, or as the priors say."""

from __future__ import annotations

from typing import ClassVar

from zoo.search.samplers.base import Request, Sampler
from zoo.search.space import Params

__all__ = ["RandomSampler"]


class RandomSampler(Sampler):
    """Draws from the priors where there are some, else evenly; every second draw is even anyway."""

    name: ClassVar[str] = "random"

    def propose(self, request: Request) -> Params:
        """Return random params."""
        believed = self.encoding.has_prior and request.number % 2 == 0
        return self.encoding.params(self.allowed(request, 1, believed=believed)[0])
