"""Sales that depend on prices and promotions which are planned ahead.

The last weeks are held back: the plan (price, promo) goes in as the future, the sales say how good the forecast was.
ZOO_EXAMPLE_BUDGET shortens the search.
"""

import os

import pandas as pd

from autots import AutoTS
from autots.datasets import DEMOS, load

BUDGET = os.environ.get("ZOO_EXAMPLE_BUDGET", "5min")


def main() -> None:
    demo = DEMOS["shop"]
    sales = load("shop")
    last_day = sales["ds"].max() - pd.Timedelta(days=demo.horizon)
    train, test = sales[sales["ds"] <= last_day], sales[sales["ds"] > last_day]

    pipeline = AutoTS(horizon=demo.horizon, budget=BUDGET, metric="mase", known=list(demo.known), seed=0).fit(train)

    plan = test.drop(columns="y")
    print(pipeline.predict(plan).head())
    # evaluate takes the plan from the test rows, and compares with their sales.
    scores = pipeline.evaluate(test)
    print({name: round(score, 3) for name, score in scores.items() if isinstance(score, float)})


if __name__ == "__main__":
    main()
