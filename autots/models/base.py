"""The contract of a forecaster.

An implementer guarantees:

1. ``fit`` learns from ``panel`` alone and returns ``self``; fitting again forgets the first fit; hyper-parameters
   (``params``, a frozen dataclass, whose fields are the constructor's keywords) are never changed by it.
2. ``predict(history, future)`` forecasts from the *end of the given history* with what ``fit`` learned, and changes
   nothing. The history may be the fitted panel, or longer, shorter, with repeated ids (one series seen from several
   cutoffs) or with new ids. A local model conditions its learned parameters on it (a state update, not a refit); for
   an id that it has not seen it may fit that series, as every series is independent.
3. A local model ignores other series; a global model does not depend on the order of the series.
4. Quantiles never cross, and point forecasts are finite whatever the history: one-point, constant, all-missing and
   short series give a documented result (usually a naive one) or raise ``ModelError``.
5. ``state()`` is a tree of dicts, lists, numbers, texts and numpy arrays that ``restore`` turns back into an equal
   forecaster: nothing is ever pickled.
6. Randomness comes from ``context.seed``; the same seed on the same panel gives the same forecasts.
7. What a model learns does not drown in a high level: 1e9 +- 1 is forecast as 1e6 +- 1 is, 1e9 higher, unless the class
   says that it has no use for levels (``shift_equivariant``).
8. ``fit`` looks at ``context.deadline`` between units of work, fits its schedule to the time that is left, and ends
   soon after it has passed with what it has: ``progress`` says how much of the planned work that is. It raises
   ``BudgetError`` where it has nothing.
"""

from __future__ import annotations

import importlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from autots.models.hyperparameters import Hyperparameters
from autots.panel import Floats, Future, Panel
from zoo.clock import Deadline
from zoo.errors import ModelError

__all__ = ["DEFAULT_LEVELS", "Context", "Forecast", "Forecaster", "State", "Task", "crossing_free"]

State: TypeAlias = dict[str, Any]

# Results that fits of a process keep for each other, at most; the oldest ones go.
_MOST_SHARED = 24

#: Quantile levels of a forecast where the user asks for none.
DEFAULT_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Task:
    """What is to be forecast.

    Args:
        horizon: Steps H that are forecast from the end of a history.
        seasons: Season lengths in rows, shortest first; ``(1,)`` for none.
        levels: Quantile levels Q, ascending, with 0.5 among them.
        squared_error: Whether the point forecast is scored by squared error (the mean is rewarded) rather than by
            absolute error (the median is).
    """

    horizon: int
    seasons: tuple[int, ...] = (1,)
    levels: tuple[float, ...] = DEFAULT_LEVELS
    squared_error: bool = False

    @property
    def season(self) -> int:
        """The shortest season length, in rows."""
        return self.seasons[0]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, under the names that saved models have."""
        values = asdict(self)
        values["squared"] = values.pop("squared_error")
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Task:
        """Read what ``to_dict`` wrote."""
        return cls(
            int(values["horizon"]),
            tuple(int(m) for m in values["seasons"]),
            tuple(float(q) for q in values["levels"]),
            bool(values["squared"]),
        )


@dataclass(frozen=True)
class Context:
    """What a fit may use: chance, time and cores, and what other fits on the same history have made.

    Args:
        seed: Source of all chance.
        deadline: When the fit must end; None for no limit.
        threads: Cores that it may use.
        shared: What fits of this process keep for each other; None where there are no others.
        history: What tells histories apart: fits that share it learn from the same panel.
    """

    seed: int = 0
    deadline: Deadline | None = None
    threads: int = 1
    shared: MutableMapping[Hashable, Any] | None = None
    history: Hashable = None

    def once(self, key: Hashable, make: Callable[[], tuple[Any, bool]]) -> Any:
        """Return what ``make`` does, which is called once for all fits on this history that want the same.

        Args:
            key: All that the result depends on, beside the history.
            make: Returns the result, and whether it is whole: one that its time cut short serves its own fit alone.
        """
        if self.shared is None:
            return make()[0]
        place = self.history, key
        if place in self.shared:
            return self.shared[place]
        made, whole = make()
        if whole:
            while len(self.shared) >= _MOST_SHARED:
                del self.shared[next(iter(self.shared))]
            self.shared[place] = made
        return made

    def part(self, share: float) -> Context:
        """Return a context whose deadline is so much of the time that is left, from 0 to 1."""
        if self.deadline is None:
            return self
        left = max(self.deadline.remaining, 0.0)
        return replace(self, deadline=Deadline.after(share * left, self.deadline.clock))


@dataclass(frozen=True)
class Forecast:
    """Forecasts of S series over H steps.

    Args:
        mean: (S, H) expected values.
        quantiles: (S, H, Q) at the task's levels, never decreasing along Q.
    """

    mean: Floats
    quantiles: Floats

    def median(self, levels: tuple[float, ...]) -> Floats:
        """Return the (S, H) median."""
        return self.quantiles[:, :, levels.index(0.5)]


class Forecaster(ABC):
    """One family of models; see the contract at the top of this module.

    A class with hyper-parameters names their dataclass twice: as ``hyperparameters`` for the constructor, which takes
    its fields as keywords, and as the type of ``params`` for the type checker.

    Args:
        **given: Values of hyper-parameters by name; those left out have their defaults.

    Raises:
        ConfigError: The family has no such hyper-parameter, or it does not take the value.
    """

    name: ClassVar[str]
    hyperparameters: ClassVar[type[Hyperparameters]] = Hyperparameters
    #: What the constructor was given, and defaults for the rest.
    params: Hyperparameters
    #: Whether parameters are learned per series (True) or over all of them (False).
    local: ClassVar[bool] = True
    #: Whether learning a series takes so long that a forecast should not wait for it.
    slow: ClassVar[bool] = False
    #: Whether a high level in all targets is the same level in all forecasts, and nothing else; demand has no level.
    shift_equivariant: ClassVar[bool] = True
    #: Whether a known covariate may move steps before its own: what is known ahead may be anticipated.
    anticipates: ClassVar[bool] = False
    #: Kinds of covariates that are used, of "known", "past", "static".
    covariates: ClassVar[frozenset[str]] = frozenset()
    #: Modules that take long to import and are imported on first use: what a timed fit should not pay for.
    libraries: ClassVar[tuple[str, ...]] = ()
    #: Share of the planned work that the last fit did, in (0, 1]: below 1 where its deadline ended it.
    progress: float = 1.0

    def __init__(self, **given: Any) -> None:
        self.params = self.hyperparameters.of(self.name, given)

    def __init_subclass__(cls) -> None:
        # What ``help`` and ``inspect.signature`` say: the constructor's keywords are the dataclass's fields.
        cls.__signature__ = inspect.signature(cls.hyperparameters)  # type: ignore[attr-defined]

    @abstractmethod
    def fit(self, panel: Panel, task: Task, context: Context) -> Self:
        """Learn from a panel; see contract 1 and 8."""

    @abstractmethod
    def predict(self, history: Panel, future: Future) -> Forecast:
        """Forecast from the end of ``history``; see contract 2 to 4."""

    def ready(self, history: Panel) -> npt.NDArray[np.bool_] | None:
        """Return (S,) which series are forecast without learning them first; None for all, or where that is cheap.

        An ensemble leaves the others to its other members: a forecast is waited for, and learning is not.
        """
        return None

    def max_training_rows(self, horizon: int) -> float:
        """Return the rows of a panel, about, beyond which a fit takes no longer: infinity where it always does."""
        return float("inf")

    @classmethod
    def import_libraries(cls) -> None:
        """Import ``libraries`` now."""
        for name in cls.libraries:
            importlib.import_module(name)

    @abstractmethod
    def state(self) -> State:
        """Return what ``fit`` learned, as a tree of plain values and arrays."""

    @abstractmethod
    def restore(self, state: State) -> Self:
        """Take over what another instance with the same ``params`` learned."""

    @classmethod
    def joined(cls, states: Sequence[State]) -> State:
        """Return what one fit of all series would have learned, from fits of some of them each.

        Args:
            states: Of fits of different series with the same hyper-parameters, at least one.

        Raises:
            ModelError: The family learns over all series together.
        """
        if len(states) == 1:
            return states[0]
        raise ModelError(f"{cls.name} learns over all series together, so fits of some of them cannot be joined")


def crossing_free(quantiles: Floats) -> Floats:
    """Return quantiles sorted along the last axis (rearrangement, Chernozhukov et al. 2010)."""
    return np.sort(quantiles, axis=-1)
