"""What the samplers make of a history: priors, limits, failures, fidelities, costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from zoo.errors import ConfigError
from zoo.search import Categorical, FailureKind, Float, Int, Metric, Normal, Ordinal, Space, Study
from zoo.search.samplers import GPOptions, GPSampler, Sampler, TPEOptions, TPESampler, make_sampler
from zoo.search.samplers.base import _fits
from zoo.search.samplers.encoding import Encoding
from zoo.search.samplers.gaussian import Data, GaussianProcess, Kernel
from zoo.search.stoppers import Rungs
from zoo.testing.samplers import rich_space


def tell_all(study: Study, count: int, loss: Any) -> list[dict[str, Any]]:
    params = []
    for _ in range(count):
        trial = study.ask()
        assert trial is not None
        params.append(dict(trial.params))
        study.tell(trial.number, loss(trial.params), seconds=1.0)
    return params


def test_a_point_is_its_params_there_and_back() -> None:
    space = rich_space()
    encoding = Encoding(space)
    points = encoding.snap(encoding.sample(np.random.default_rng(0), 300, believed=True))
    present = encoding.present(points)
    for point, here in zip(points, present, strict=True):
        params = encoding.params(point)
        assert set(params) == {name for name, there in zip(encoding.names, here, strict=True) if there}
        assert set(params) == set(space.active(params))
        assert all(space[name].contains(value) for name, value in params.items())
        assert encoding.params(encoding.point(params)) == pytest.approx(params)
        assert np.allclose(encoding.features(point[None]), encoding.features(encoding.point(params)[None]))


def test_a_sample_follows_the_priors() -> None:
    encoding = Encoding(Space(x=Float(0, 1, prior=Normal(0.3, 0.05)), c=Categorical("a", "b", weights=[0.9, 0.1])))
    points = encoding.sample(np.random.default_rng(0), 4000, believed=True)
    # Five per cent are spread evenly.
    assert 0.6 < np.mean(np.abs(points[:, 0] - 0.3) < 0.05) < 0.75
    assert np.mean(points[:, 1] < 0.5) == pytest.approx(0.95 * 0.9 + 0.05 * 0.5, abs=0.02)
    assert encoding.log_prior(np.array([[0.3, 0.25]])) > 1 > encoding.log_prior(np.array([[0.9, 0.75]]))


def test_the_gradient_of_the_lengths_is_right() -> None:
    rng = np.random.default_rng(1)
    kernel = Kernel(np.array([0, 1, 1]), fidelity=True)
    data = Data(rng.random((25, 3)), rng.choice([0.3, 0.6, 1.0], 25), rng.standard_normal(25))
    theta = kernel.centre + 0.1 * rng.standard_normal(len(kernel.centre))
    _, slopes = kernel.gradient(theta, data)
    for index in range(len(theta)):
        step = np.zeros(len(theta))
        step[index] = 1e-5
        numeric = (kernel.gradient(theta + step, data)[0] - kernel.gradient(theta - step, data)[0]) / 2e-5
        assert slopes[index] == pytest.approx(numeric, rel=1e-3, abs=1e-4)


def test_a_process_agrees_with_the_textbook_formula_and_believes_without_moving() -> None:
    rng = np.random.default_rng(2)
    kernel = Kernel(np.arange(2), fidelity=False)
    x, new = rng.random((12, 2)), rng.random((3, 2))
    data = Data(x, np.ones(12), np.sin(5 * x[:, 0]))
    theta = kernel.centre
    process = GaussianProcess(kernel, theta, data)
    covariance = kernel(theta, (x, data.z), (x, data.z)) + (np.exp(theta[-1]) + 1e-8) * np.eye(12)
    cross = kernel(theta, (new, np.ones(3)), (x, data.z))
    mean, spread = process.predict(new, np.ones(3))
    assert mean == pytest.approx(cross @ np.linalg.solve(covariance, data.y), abs=1e-6)
    variance = np.exp(theta[-2]) - np.diag(cross @ np.linalg.solve(covariance, cross.T))
    assert spread == pytest.approx(np.sqrt(variance), abs=1e-5)
    believed_mean, believed_spread = process.believing(new[:1], np.ones(1)).predict(new, np.ones(3))
    assert believed_mean == pytest.approx(mean, abs=1e-4)
    assert believed_spread[0] < 0.5 * spread[0]


@pytest.mark.parametrize("name", ["gp", "tpe"])
def test_a_model_finds_a_valley(name: str) -> None:
    space = Space(x=Float(0, 1), y=Float(1e-4, 1, log=True), n=Int(1, 9), b=Ordinal(8, 16, 32, 64))
    found = []
    for seed in range(2):
        study = Study.open(None, space, sampler=name, seed=seed)

        def loss(p: Any) -> float:
            return float((p["x"] - 0.7) ** 2 + (np.log10(p["y"]) + 2) ** 2 + 0.02 * p["n"] + (p["b"] != 32) * 0.05)

        tell_all(study, 50, loss)
        assert study.best is not None
        found.append(float(study.best.value or 0.0))
    # Fifty random points come to about 0.2.
    assert np.mean(found) < 0.12


@pytest.mark.parametrize("sampler", ["gp", "tpe", "random"])
def test_a_prior_shapes_the_first_suggestions(sampler: str) -> None:
    space = Space(x=Float(0, 1, prior=Normal(0.2, 0.01)), y=Float(0, 1))
    near = 0
    for seed in range(12):
        study = Study.open(None, space, sampler=sampler, seed=seed)
        near += sum(abs(p["x"] - 0.2) < 0.03 for p in tell_all(study, 16, lambda p: p["y"]))
    # Of 192 even ones it would be twelve.
    assert near >= 20


@pytest.mark.parametrize("sampler", ["gp", "tpe"])
def test_a_wrong_prior_does_not_sink_the_search(sampler: str) -> None:
    space = Space(x=Float(0, 1, prior=Normal(0.05, 0.05)), y=Float(0, 1, prior=Normal(0.95, 0.05)))
    study = Study.open(None, space, sampler=sampler, seed=0)
    tell_all(study, 60, lambda p: (p["x"] - 0.8) ** 2 + (p["y"] - 0.2) ** 2)
    assert study.best is not None
    assert study.best.value is not None
    assert study.best.value < 0.01


@pytest.mark.parametrize("sampler", ["gp", "tpe"])
def test_a_threshold_is_learnt(sampler: str) -> None:
    metrics = [Metric("gain", "maximize"), Metric("size", at_most=0.3)]
    study = Study.open(None, Space(x=Float(0, 1), y=Float(0, 1)), metrics=metrics, sampler=sampler, seed=0)
    for _ in range(40):
        trial = study.ask()
        assert trial is not None
        study.tell(trial.number, {"gain": trial.params["x"], "size": trial.params["x"]}, seconds=1.0)
    later = [record.params["x"] <= 0.3 for record in study.trials[20:]]
    assert np.mean(later) > 0.6


@pytest.mark.parametrize("sampler", ["gp", "tpe"])
def test_regions_that_fail_are_avoided(sampler: str) -> None:
    study = Study.open(None, Space(x=Float(0, 1), y=Float(0, 1)), sampler=sampler, seed=0)
    failures = []
    for number in range(40):
        trial = study.ask()
        assert trial is not None
        failures.append(trial.params["x"] > 0.5)
        if failures[-1]:
            study.fail(number, FailureKind.MEMORY, "too large")
        else:
            study.tell(number, (trial.params["y"] - 0.5) ** 2, seconds=1.0)
    # Half of a random search's suggestions fail.
    assert sum(failures[20:]) <= 6


def test_constraints_hold_also_where_the_model_wants_to_break_them() -> None:
    space = Space(x=Float(0, 1), y=Float(0, 1), constraints=["x + y <= 0.5"])
    for sampler in ("gp", "tpe", "random"):
        study = Study.open(None, space, sampler=sampler, seed=0)
        for params in tell_all(study, 30, lambda p: -p["x"] - p["y"]):
            assert params["x"] + params["y"] <= 0.5


@pytest.mark.parametrize("sampler", ["gp", "tpe"])
def test_pending_trials_are_not_suggested_again(sampler: str) -> None:
    study = Study.open(None, Space(n=Int(1, 12), c=Categorical("a", "b")), sampler=sampler, seed=0)
    tell_all(study, 10, lambda p: p["n"])
    asked = [study.ask() for _ in range(8)]
    different = {tuple(trial.params.values()) for trial in asked if trial is not None}
    assert len(different) >= (8 if sampler == "gp" else 4)


def test_a_lucky_value_with_a_standard_error_is_not_believed() -> None:
    def believed(error: float | None) -> float:
        space = Space(x=Float(0.0, 1.0))
        sampler = GPSampler(space)
        with Study.open(None, space, sampler=sampler) as study:
            for x in np.linspace(0.05, 0.95, 13):
                study.enqueue({"x": float(x)})
                trial = study.ask()
                assert trial is not None
                lucky = trial.number == 10
                stderr = {"value": error} if lucky and error is not None else None
                study.tell(trial.number, -1.0 if lucky else float((x - 0.3) ** 2), stderr=stderr, seconds=1.0)
            study.ask()
        process = sampler._objective.process
        assert process is not None
        return float(process.mean(sampler.encoding.features(np.array([[0.8]])), np.ones(1))[0])

    assert believed(2.0) > believed(0.05) > believed(None) - 0.1
    assert believed(2.0) > believed(None) + 0.3


def test_an_improvement_is_divided_by_what_it_costs() -> None:
    space = Space(x=Float(0, 1), y=Float(0, 1))
    samplers = [GPSampler(space, options=GPOptions(cost_power=power)) for power in (0.0, 1.0)]
    points = samplers[0].encoding.sample(np.random.default_rng(0), 50)
    worth = []
    for sampler in samplers:
        study = Study.open(None, space, sampler="random", seed=0)
        for _ in range(40):
            trial = study.ask()
            assert trial is not None
            study.tell(trial.number, trial.params["y"], seconds=10.0 ** (2 * trial.params["x"]))
        optunas = study.plan()
        assert optunas is not None
        sampler.history.update(study._ledger.storage.trials, study._ledger.storage.study.directions)
        assert sampler._model(np.random.default_rng(0), 1)
        worth.append(sampler.worth(points, sampler.encoding.features(points)))
    seconds = samplers[1].seconds(samplers[1].encoding.features(points))
    assert np.log(seconds) == pytest.approx(np.log(10) * 2 * points[:, 0], abs=0.3)
    assert worth[0] - worth[1] == pytest.approx(np.log(seconds), abs=1e-6)


def test_a_paused_trial_goes_on_if_it_promises_more_than_a_new_one() -> None:
    space = Space(x=Float(0, 1))
    study = Study.open(None, space, stopper=Rungs(9), sampler="auto", seed=0, parallel=1)
    last: dict[int, int] = {}
    finished = []
    for _ in range(60):
        trial = study.ask()
        assert trial is not None
        step = last.get(trial.number, 0)
        while True:
            step += 1
            last[trial.number] = step
            loss = (trial.params["x"] - 0.4) ** 2 + 1 / step
            if study.report(trial.number, step, loss, seconds=1.0) == "pause":
                break
            if step == 9:
                study.tell(trial.number)
                finished.append(trial.number)
                break
    best = min(study.trials, key=lambda record: abs(record.params["x"] - 0.4))
    assert finished
    assert len(finished) < len(study.trials) / 2
    assert abs(best.params["x"] - 0.4) < 0.05
    assert min(abs(study.trials[number].params["x"] - 0.4) for number in finished) < 0.05


def test_when_no_trial_may_begin_the_hopeful_ones_are_finished() -> None:
    study = Study.open(None, Space(x=Float(0, 1)), stopper=Rungs(9), sampler="auto", seed=0, parallel=1, budget=3)
    asked = 0
    while (trial := study.ask()) is not None:
        asked += 1
        assert asked < 20
        for step in range(1, 10):
            if study.report(trial.number, step, trial.params["x"] + 1 / step, seconds=1.0) == "pause":
                break
        else:
            study.tell(trial.number)
    assert len(study.trials) == 3
    assert study.done
    assert study.best is not None
    assert study.best.params["x"] == min(record.params["x"] for record in study.trials)


def test_names_and_options_are_checked() -> None:
    space = Space(x=Float(0, 1))
    assert make_sampler("auto", space).name == "tpe"  # type: ignore[attr-defined]
    assert make_sampler("auto", space, pauses=True).name == "freeze_thaw"  # type: ignore[attr-defined]
    own: Sampler = TPESampler(space)
    assert make_sampler(own, space) is own
    for make in (
        lambda: make_sampler("magic", space),
        lambda: GPOptions(candidates=0),
        lambda: TPEOptions(startup=-1),
    ):
        with pytest.raises(ConfigError) as caught:
            make()
        assert caught.value.hint


@given(st.one_of(st.floats(-3, 3), st.integers(-3, 3), st.sampled_from(["a", "b", None])))
def test_values_fit_a_distribution_as_optuna_itself_says(value: Any) -> None:
    for distribution in (
        FloatDistribution(-1.0, 2.0),
        FloatDistribution(0.0, 2.0, step=0.5),
        FloatDistribution(0.1, 2.0, log=True),
        IntDistribution(-1, 2),
        IntDistribution(0, 3, step=3),
        CategoricalDistribution(["a", 1, None]),
    ):
        try:
            theirs = bool(distribution._contains(distribution.to_internal_repr(value)))
        except (TypeError, ValueError):
            theirs = False
        assert _fits(distribution, value) == theirs
