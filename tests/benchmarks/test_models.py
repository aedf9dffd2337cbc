"""The bench of classical families: what a record says, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.models import compared, run
from zoo.errors import ConfigError


def test_a_record_compares_times_and_errors_of_the_same_series() -> None:
    rng = np.random.default_rng(0)
    past = [50 + rng.normal(size=40).cumsum() for _ in range(3)]
    record = compared("auto_theta", past, [y[-4:] for y in past], 1, 4)
    assert record["series"] == 3
    assert record["forecasts_within_1e-3"] == 1.0
    assert record["mase"] == record["statsforecast_mase"] > 0


def test_a_family_that_is_not_measured_is_refused() -> None:
    with pytest.raises(ConfigError, match="a family must be one of"):
        next(run(Path("."), ["naive"]))
