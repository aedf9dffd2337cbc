"""New rows arrive: forecast from them at once, without a new search or a refit, and survive a restart.

ZOO_EXAMPLE_BUDGET shortens the search, ZOO_EXAMPLE_OUT says where the files go.
"""

import os
import tempfile
from pathlib import Path

import pandas as pd

from autots import AutoTS, load
from autots.datasets import load as load_demo

BUDGET = os.environ.get("ZOO_EXAMPLE_BUDGET", "5min")


def main() -> None:
    out = Path(os.environ.get("ZOO_EXAMPLE_OUT") or tempfile.mkdtemp(prefix="zoo-example-"))
    rows = load_demo("electrical")
    then, since = rows.iloc[:-6], rows.iloc[-6:]

    pipeline = AutoTS(horizon=12, budget=BUDGET, seed=0).fit(then)
    print("before:", pipeline.predict()["ds"].min())

    pipeline.update(since)
    after = pipeline.predict()
    print("after: ", after["ds"].min())

    pipeline.save(out / "pipeline")
    pd.testing.assert_frame_equal(load(out / "pipeline").predict(), after)
    print(f"saved, loaded and equal: {out / 'pipeline'}")


if __name__ == "__main__":
    main()
