"""The oracle is Optuna's estimator, which the widely used TPE is made of: same points, same density."""

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator

from zoo.search.samplers.parzen import Parzen

CHOICES = (0, 3, 0)
SPACE = {"a": FloatDistribution(0, 1), "b": CategoricalDistribution((0, 1, 2)), "c": FloatDistribution(0, 1)}


def units(rng, count):
    points = rng.random((count, 3))
    points[:, 1] = (np.floor(points[:, 1] * 3) + 0.5) / 3
    return points


def columns(points):
    return {"a": points[:, 0], "b": np.floor(points[:, 1] * 3), "c": points[:, 2]}


@pytest.mark.parametrize("count", [0, 1, 2, 24, 25, 26, 300])
def test_densities_are_those_of_optuna(count):
    rng = np.random.default_rng(count)
    seen, asked = units(rng, count), units(rng, 50)
    oracle = _ParzenEstimator(columns(seen), SPACE, TPESampler()._parzen_estimator_parameters)
    np.testing.assert_allclose(Parzen(seen, CHOICES).log_density(asked), oracle.log_pdf(columns(asked)), rtol=1e-9)


def test_samples_follow_the_density():
    rng = np.random.default_rng(0)
    density = Parzen(units(rng, 5), CHOICES)
    drawn = density.sample(rng, 40_000)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    # The mean of 1 / density over samples is the volume of the cube: one per choice of the second parameter.
    assert np.mean(np.exp(-density.log_density(drawn))) == pytest.approx(3.0, rel=0.05)
