"""The laws of a sampler, as tests for anyone's implementation.

Derive a test class from ``SamplerConformance`` and say how the sampler is made::

    class TestMySampler(SamplerConformance):
        def make(self, space, *, seed=0):
            return MySampler(space, seed=seed)

Optuna's own suite (``optuna.testing.pytest_samplers``) tests its side of the contract; ``optuna_sampler`` makes a
sampler for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna

from zoo.search.domains import Categorical, Float, Int, Ordinal
from zoo.search.metrics import Metric
from zoo.search.priors import Beta, Histogram, LogNormal, Normal
from zoo.search.samplers.base import Sampler
from zoo.search.space import Space
from zoo.search.study import Study
from zoo.search.trial import FailureKind

__all__ = ["SamplerConformance", "optuna_sampler", "rich_space"]


def rich_space() -> Space:
    """Return a space with all that there is: grids, conditions two deep, priors, constraints."""
    return Space(
        lr=Float(1e-5, 1e-1, log=True, prior=Normal(1e-3, 0.5)),
        layers=Int(1, 8),
        width=Int(16, 1024, log=True, prior=LogNormal(128, 0.3)),
        batch=Ordinal(16, 32, 64, 128, weights=[1, 2, 2, 1]),
        opt=Categorical("adam", "sgd", "lion", weights=[0.6, 0.3, 0.1]),
        momentum=Float(0.0, 1.0, prior=Beta(5, 2), when={"opt": "sgd"}),
        nesterov=Categorical(True, False, when={"opt": "sgd"}),
        dampening=Float(0.0, 1.0, prior=Histogram((0.0, 0.5, 1.0), (3, 1)), when={"nesterov": False}),
        fixed=Int(3, 3),
        constraints=["layers * width <= 2048", "momentum <= 0.9 or lr <= 1e-3"],
    )


def optuna_sampler(kind: type[Sampler]) -> Sampler:
    """Return a sampler for Optuna's own suite, whose studies have parameters of their own."""
    return kind(Space(x=Float(0.0, 10.0), y=Float(0.0, 10.0)), seed=0)


def _loss(params: Mapping[str, Any]) -> float:
    return float(
        (np.log10(params["lr"]) + 2.5) ** 2 + 0.1 * params["layers"] + 0.3 * (params["opt"] != "sgd")
        + 0.2 * abs(params.get("momentum", 0.5) - 0.5)
    )  # fmt: skip


class SamplerConformance(ABC):
    """Tests of the contract of ``zoo.search.samplers.base``; every method is one law."""

    @abstractmethod
    def make(self, space: Space, *, seed: int = 0) -> Sampler:
        """Return a new sampler."""

    def study(self, space: Space, *, seed: int = 0, **options: Any) -> Study:
        """Return a new study in memory."""
        return Study.open(None, space, seed=seed, sampler=self.make(space, seed=seed), **options)

    def test_suggestions_lie_in_the_space_whatever_the_history_holds(self) -> None:
        """Complete, failed, stopped, lost and pending trials, with priors, conditions and constraints."""
        space = rich_space()
        study = self.study(space)
        for number in range(40):
            trial = study.ask()
            assert trial is not None
            assert space.contains(trial.params), trial.params
            if number % 8 == 3:
                study.fail(number, FailureKind.MEMORY, "too large")
            elif number % 8 == 5:
                study.report(number, 1, _loss(trial.params))
                study.stop(number, "enough")
            elif number % 8 == 6:
                continue  # pending
            else:
                study.tell(number, _loss(trial.params), seconds=1.0)

    def test_same_seed_and_history_give_the_same_suggestion(self) -> None:
        """Also from a sampler that has not seen how the history came about."""
        space = rich_space()
        study = self.study(space, seed=7)
        for number in range(22):
            trial = study.ask()
            assert trial is not None
            study.tell(number, _loss(trial.params), seconds=1.0)
        past = study.trials
        fresh = self.study(space, seed=7)
        for record in past:
            fresh.enqueue(record.params, tag=str(record.number))
            again = fresh.ask()
            assert again is not None and dict(again.params) == dict(record.params)
            fresh.tell(record.number, float(record.value or 0.0), seconds=1.0)
        next_one, same = study.ask(), fresh.ask()
        assert next_one is not None and same is not None
        assert dict(next_one.params) == dict(same.params)

    def test_any_number_of_failures_is_survived(self) -> None:
        """A study in which nothing ever worked."""
        study = self.study(Space(x=Float(0, 1), y=Float(0, 1)))
        for number in range(30):
            trial = study.ask()
            assert trial is not None
            study.fail(number, FailureKind.EXCEPTION, "no")

    def test_equal_values_and_a_single_point_are_survived(self) -> None:
        """Nothing can be learnt, and there is little to choose."""
        study = self.study(Space(x=Float(0, 1), fixed=Float(1.0, 1.0), y=Categorical("a")))
        for number in range(30):
            trial = study.ask()
            assert trial is not None
            study.tell(number, 1.0, seconds=1.0)

    def test_a_finite_space_is_walked_through_once_and_ends_the_study(self) -> None:
        """Whatever comes of them: good, failed, stopped and pending configurations are known ones."""
        space = Space(
            kind=Categorical("a", "b", "c"),
            depth=Int(1, 6, when={"kind": "b"}),
            size=Ordinal(1, 2, 4, 8, when={"kind": "c"}),
            flag=Categorical(True, False, when={"size": (4, 8)}),
            constraints=["depth != 3"],
        )
        study = self.study(space)
        if study._sampler.repeats:
            return
        seen = []
        while (trial := study.ask()) is not None:
            seen.append(str(dict(trial.params)))
            if trial.number % 4 == 1:
                study.fail(trial.number, FailureKind.EXCEPTION, "no")
            elif trial.number % 4 == 2:
                study.report(trial.number, 1, 2.0)
                study.stop(trial.number, "enough")
            elif trial.number % 4 != 3:
                study.tell(trial.number, float(len(trial.params)), seconds=1.0)
        assert len(seen) == len(set(seen)) == len(space.configurations() or []) == 1 + 5 + 6
        assert study.exhausted

    def test_what_tells_its_noise_may_come_again(self) -> None:
        """A second look at the same configuration says more where a value is an estimate."""
        study = self.study(Space(x=Int(1, 2)))
        for number in range(6):
            trial = study.ask()
            assert trial is not None
            study.tell(number, 1.0, stderr={"value": 0.1}, seconds=1.0)
        assert not study.exhausted

    def test_queued_points_are_completed(self) -> None:
        """What the user gave stays, the rest is chosen with it."""
        space = rich_space()
        study = self.study(space)
        for number in range(15):
            study.enqueue({"lr": 1e-4, "opt": "sgd"}, tag=str(number))
            trial = study.ask()
            assert trial is not None
            assert trial.params["lr"] == 1e-4 and trial.params["opt"] == "sgd"
            assert set(trial.params) == set(space.active(trial.params))
            study.tell(number, _loss(trial.params), seconds=1.0)

    def test_several_objectives_and_thresholds_are_survived(self) -> None:
        """Values come by name."""
        metrics = [Metric("loss", "minimize"), Metric("speed", "maximize"), Metric("size", at_most=300)]
        study = self.study(rich_space(), metrics=metrics)
        for number in range(25):
            trial = study.ask()
            assert trial is not None
            told = {"loss": _loss(trial.params), "speed": 1 / trial.params["width"], "size": trial.params["width"]}
            study.tell(number, told, seconds=1.0)
        assert study.pareto

    def test_it_writes_nothing_into_the_study(self) -> None:
        """A suggestion depends on the trials alone."""
        space = Space(x=Float(0, 1))
        sampler = self.make(space)
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1) ** 2, n_trials=20)
        assert not study.user_attrs and not study._storage.get_study_system_attrs(study._study_id)
