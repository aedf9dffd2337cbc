"""All drivers run a study to the same results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zoo.cluster import Session
from zoo.search import Study, Trial
from zoo.search.resources import Resources
from zoo.search.run import RunOptions, run
from zoo.testing.trainings import RunConformance


class TestInline(RunConformance):
    def run(self, study: Study, train: Callable[[Trial], Any]) -> object:
        return run(study, train, "inline")


class TestVirtual(RunConformance):
    def run(self, study: Study, train: Callable[[Trial], Any]) -> object:
        return run(study, train, "virtual")


@pytest.mark.ray
class TestPool(RunConformance):
    @pytest.fixture(autouse=True)
    def cluster(self, session: Session) -> None:
        self.session = session

    def run(self, study: Study, train: Callable[[Trial], Any]) -> object:
        options = RunOptions(resources=Resources(cpu=1), workers=1, session=self.session)
        return run(study, train, "pool", options=options)


@pytest.mark.ray
class TestTune(RunConformance):
    @pytest.fixture(autouse=True)
    def cluster(self, session: Session) -> None:
        self.session = session

    def run(self, study: Study, train: Callable[[Trial], Any]) -> object:
        options = RunOptions(resources=Resources(cpu=1), workers=1, session=self.session, quiet=True)
        return run(study, train, "tune", options=options)
