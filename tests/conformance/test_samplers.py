"""Our samplers obey our laws and Optuna's."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
)

from zoo.search import Space
from zoo.search.samplers import FreezeThawSampler, GPSampler, PopulationSampler, RandomSampler, Sampler, TPESampler
from zoo.search.samplers.choice import SAMPLERS
from zoo.testing.samplers import SamplerConformance, optuna_sampler, rich_space

KINDS = [FreezeThawSampler, GPSampler, PopulationSampler, RandomSampler, TPESampler]


class TestRandom(SamplerConformance):
    def make(self, space: Space, *, seed: int = 0) -> Sampler:
        return RandomSampler(space, seed=seed)


class TestPopulation(SamplerConformance):
    def make(self, space: Space, *, seed: int = 0) -> Sampler:
        return PopulationSampler(space, seed=seed)


class TestTPE(SamplerConformance):
    def make(self, space: Space, *, seed: int = 0) -> Sampler:
        return TPESampler(space, seed=seed)


class TestGP(SamplerConformance):
    def make(self, space: Space, *, seed: int = 0) -> Sampler:
        return GPSampler(space, seed=seed)


class TestFreezeThaw(SamplerConformance):
    def make(self, space: Space, *, seed: int = 0) -> Sampler:
        return FreezeThawSampler(space, seed=seed)


@pytest.mark.parametrize("kind", KINDS)
class TestOptunasLaws(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self, kind: type[Sampler]) -> Callable[[], optuna.samplers.BaseSampler]:
        return lambda: optuna_sampler(kind)


def test_every_registered_sampler_is_tested():
    mine = [kind for kind in SamplerConformance.__subclasses__() if kind.__module__ == __name__]
    tested = {type(kind().make(rich_space())) for kind in mine}
    assert tested >= set(SAMPLERS.values())
