"""What the bench of calibrations says of intervals that are known to hold, or not to."""

import numpy as np
import pytest

from benchmarks.calibration.judge import judged, mscp, of_set, summary
from benchmarks.calibration.rolling import RollingOrigin

K, S, H = 4, 60, 6
_NORMAL = np.array([-1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816])


def origin(seed=0, *, louder=1.0):
    """Return an origin whose forecasts have the right width; what comes is ``louder`` times what was."""
    chance = np.random.default_rng(seed)
    noise = chance.normal(size=(K, S, H))
    forecast = 100 + np.zeros((S, H, 1)) + _NORMAL
    return RollingOrigin(
        100 + noise,
        100 + np.zeros((K, S, H, 1)) + _NORMAL,
        np.full((K, S), 1.13),
        100 + louder * chance.normal(size=(S, H)),
        forecast,
        np.full(S, 1.13),
        np.full(S, 40),
        np.linspace(50, 150, S),
        np.tile(np.arange(H) / H, (S, 1)),
        6,
        non_negative=True,
    )


def test_intervals_of_a_true_model_hold_their_share_at_the_width_of_split_conformal():
    record = of_set("made", [judged(origin(seed)) for seed in range(4)])
    assert record["coverage"] == pytest.approx(0.8, abs=0.03)
    assert record["coverage_mscp"] == pytest.approx(0.8, abs=0.03)
    assert record["width_ratio"] == pytest.approx(1.0, abs=0.12)


def test_a_world_that_became_louder_is_seen():
    assert of_set("made", [judged(origin(louder=3.0))])["coverage"] < 0.5


def test_split_conformal_takes_the_finite_sample_quantile_of_each_step():
    one = origin()
    residuals = np.sort(np.abs(one.actual - 100)[:, :, 2].ravel() / 1.13)
    expected = residuals[int(np.ceil((K * S + 1) * 0.8)) - 1] * 1.13
    np.testing.assert_allclose(mscp(one)[:, 2], expected)


def test_all_sets_count_alike_and_the_worst_cell_is_named():
    good, bad = [judged(origin(1))], [judged(origin(2, louder=3.0))]
    found = summary({"good": good * 5, "bad": bad})
    assert found["coverage"] == pytest.approx((good[0].covered.mean() + bad[0].covered.mean()) / 2, abs=1e-4)
    assert found["worst_cell_coverage"] < 0.8
    assert set(found["worst_cell"]) == {"horizon", "season", "volume"}


def test_an_origin_comes_back_from_its_file(tmp_path):
    made = origin()
    made.write(tmp_path / "kept" / "one.npz")
    back = RollingOrigin.read(tmp_path / "kept" / "one.npz")
    assert (back.season, back.non_negative) == (6, True)
    np.testing.assert_allclose(back.actual, made.actual, rtol=1e-6)
    np.testing.assert_array_equal(back.lengths, made.lengths)
