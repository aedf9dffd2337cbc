"""Every step of the catalog against the laws of features."""

import pytest

from zoo.features.steps import STEPS
from zoo.testing.feature_cases import CASES
from zoo.testing.features import StepConformance


@pytest.mark.parametrize("case", CASES)
class TestStep(StepConformance):
    case: str

    @pytest.fixture(autouse=True)
    def _chosen(self, case: str) -> None:
        self.case = case

    def steps(self):
        return CASES[self.case]


def test_every_step_of_the_catalog_is_tested():
    assert {next(iter(step)) for case in CASES.values() for step in case} == set(STEPS)
