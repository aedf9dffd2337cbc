"""All drivers run a study to the same results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zoo.cluster import Session
from zoo.search import Study, Trial
from zoo.search.resources import Resources
from zoo.search.run import RunOptions, run
from zoo.testing.runners import RunConformance


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


@pytest.mark.slow
@pytest.mark.ray
class TestTune(RunConformance):
    @pytest.fixture(autouse=True)
    def cluster(self, session: Session) -> None:
        self.session = session

    def run(self, study: Study, train: Callable[[Trial], Any]) -> object:
        options = RunOptions(resources=Resources(cpu=1), workers=1, session=self.session, quiet=True)
        return run(study, train, "tune", options=options)

    # Tune takes some five seconds per run: what the others tell of the same code is left to them.

    @pytest.mark.slow
    def test_a_closure_can_be_trained_and_told_in_all_forms(self) -> None:
        super().test_a_closure_can_be_trained_and_told_in_all_forms()

    @pytest.mark.slow
    def test_a_training_that_swallows_the_stop_is_told_again(self) -> None:
        super().test_a_training_that_swallows_the_stop_is_told_again()

    @pytest.mark.slow
    def test_a_report_that_the_study_does_not_know_is_refused(self) -> None:
        super().test_a_report_that_the_study_does_not_know_is_refused()

    @pytest.mark.slow
    def test_what_was_lost_before_goes_on_first(self) -> None:
        super().test_what_was_lost_before_goes_on_first()
