"""What a whole pipeline keeps where ensemble, intervals, covariates and several series meet."""

from __future__ import annotations

import numpy as np

from autots.pipeline import Pipeline
from tests.autots.pipeline.conftest import quick, sales


def test_the_covariates_of_one_series_move_no_other_and_quantiles_stay_in_order() -> None:
    table = sales()
    past, new = table[table["day"] < "2022-03-10"], table[table["day"] >= "2022-03-10"].copy()
    made: Pipeline = quick(4, id_col="shop", time_col="day", target_col="sold", known=["promo"]).fit(past)
    new["promo"] = 0.0
    plain = made.predict(future=new[["shop", "day", "promo"]])
    new.loc[new["shop"] == "b", "promo"] = 1.0
    moved = made.predict(future=new[["shop", "day", "promo"]])
    columns = [name for name in plain.columns if name not in ("shop", "day")]
    rest = plain["shop"] != "b"
    assert plain.loc[rest, columns].equals(moved.loc[rest, columns])
    assert not plain.loc[~rest, columns].equals(moved.loc[~rest, columns])
    levels = [name for name in columns if name != "mean"]
    assert (np.diff(moved[levels].to_numpy(), axis=1) >= 0).all()
