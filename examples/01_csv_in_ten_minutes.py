"""From a CSV file to a calibrated forecast, a leaderboard and a report.

The file holds weekly CO2 at Mauna Loa with the gaps that it really has.
ZOO_EXAMPLE_BUDGET shortens the search ("30s"), ZOO_EXAMPLE_OUT says where the files go.
"""

import os
import tempfile
from pathlib import Path

from autots import AutoTS
from autots.datasets import DEMOS, load

BUDGET = os.environ.get("ZOO_EXAMPLE_BUDGET", "10min")


def main() -> None:
    out = Path(os.environ.get("ZOO_EXAMPLE_OUT") or tempfile.mkdtemp(prefix="zoo-example-"))
    table = out / "co2.csv"
    load("co2").to_csv(table, index=False)

    auto = AutoTS(horizon=DEMOS["co2"].horizon, budget=BUDGET, quantiles=(0.1, 0.5, 0.9), seed=0, out=out / "run")
    pipeline = auto.fit(table)

    print(pipeline.predict().head())
    print(pipeline.leaderboard().head().to_string())
    pipeline.report(out / "report.html")
    print(f"open {out / 'report.html'}")


if __name__ == "__main__":
    main()
