"""The bench of tree walks: every way that is there gives LightGBM's own values."""

import numpy as np

from benchmarks.trees import packed, trees


def test_ways_agree_with_lightgbm_or_say_why_they_cannot_run():
    records = list(trees(rounds=5, leaves=7, repeats=1, rows=(1, 50)))
    ways = {record["way"] for record in records}
    assert {"lightgbm", "numpy", "numba", "lleaves"} <= ways
    for record in records:
        assert "failed" in record or record["largest_difference"] <= 1e-6
    assert any(record["way"] == "numpy" and "ms" in record for record in records)


def test_packed_trees_lead_every_row_to_the_leaf_that_lightgbm_takes():
    import lightgbm

    chance = np.random.default_rng(1)
    x = chance.normal(size=(400, 3))
    x[::7, 1] = np.nan
    y = np.nan_to_num(x[:, 1]) + x[:, 0]
    booster = lightgbm.train({"num_leaves": 5, "verbosity": -1, "num_threads": 1}, lightgbm.Dataset(x, y), 3)
    feature, threshold, child, left, value = packed(booster)
    out = np.zeros(len(x))
    for r, row in enumerate(x):
        for t in range(len(feature)):
            at = 0
            while child[t, at, 0] != at:
                seen = row[feature[t, at]]
                goes_left = left[t, at] if np.isnan(seen) else seen <= threshold[t, at]
                at = child[t, at, 0 if goes_left else 1]
            out[r] += value[t, at]
    np.testing.assert_allclose(out, booster.predict(x), rtol=1e-12)
