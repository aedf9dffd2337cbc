"""Every stopper obeys the laws."""

from __future__ import annotations

from zoo.search.stoppers import ASHA, EveryReport, Median, Plateau, Population, Rungs, Stopper
from zoo.search.stoppers.choice import STOPPERS
from zoo.testing.stoppers import StopperConformance


class TestASHA(StopperConformance):
    def make(self) -> Stopper:
        return ASHA(max_step=27)


class TestPausingASHA(StopperConformance):
    def make(self) -> Stopper:
        return ASHA(pause=True, max_step=27)


class TestMedian(StopperConformance):
    def make(self) -> Stopper:
        return Median()


class TestPlateau(StopperConformance):
    def make(self) -> Stopper:
        return Plateau(patience=3)


class TestPopulation(StopperConformance):
    def make(self) -> Stopper:
        return Population(size=6, interval=2)


class TestRungs(StopperConformance):
    def make(self) -> Stopper:
        return Rungs(27)


class TestEveryReport(StopperConformance):
    def make(self) -> Stopper:
        return EveryReport()


def test_every_registered_stopper_is_tested():
    tested = {type(kind().make()) for kind in StopperConformance.__subclasses__() if kind.__module__ == __name__}
    assert tested >= {type(make(27)) for make in STOPPERS.values()}
