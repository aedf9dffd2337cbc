"""How long a study goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from zoo.clock import parse_duration
from zoo.errors import ConfigError

__all__ = ["AnyBudget", "Budget"]


@dataclass(frozen=True)
class Budget:
    """Bounds on a study; it ends with the first that is reached.

    Args:
        trials: Configurations that are tried. Trials that the machine lost do not count.
        cost: Sum of what the trials cost: what the trainings return as cost, or else their seconds.
        time: Seconds that the study is open, over all its drivers.
    """

    trials: int | None = None
    cost: float | None = None
    time: float | None = None

    def __post_init__(self) -> None:
        whole = self.trials is None or (isinstance(self.trials, int) and not isinstance(self.trials, bool))
        if not whole:
            raise ConfigError(
                f"a budget of trials must be a whole number, but got {self.trials!r}", "use Budget(cost=)"
            )
        for name in ("trials", "cost", "time"):
            bound = getattr(self, name)
            if bound is not None and not 0 <= bound < float("inf"):
                raise ConfigError(f"`{name} >= 0` must hold for a budget, but got {bound!r}", "leave it out for no end")

    @classmethod
    def of(cls, budget: AnyBudget) -> Budget:
        """Return the budget behind a short form: a number of trials, or a duration such as "2h".

        >>> Budget.of("1h30min")
        Budget(trials=None, cost=None, time=5400.0)
        """
        if budget is None:
            return cls()
        if isinstance(budget, Budget):
            return budget
        if isinstance(budget, str):
            return cls(time=parse_duration(budget))
        if isinstance(budget, int) and not isinstance(budget, bool):
            return cls(trials=budget)
        raise ConfigError(
            f"a budget must be a number of trials, a duration or a Budget, but got {budget!r}",
            "write 200 for trials, '2h' or '90s' for wall time, Budget(cost=…) for cost units",
        )


AnyBudget: TypeAlias = int | str | Budget | None
