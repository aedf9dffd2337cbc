"""Make the tables of meters.yaml: half-hourly meters with holes and doubles in two files, and hourly weather."""

from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["make"]


def make(folder: Path, *, meters: int = 20, days: int = 60) -> None:
    """Write data/meters/*.parquet and data/weather.parquet into a folder."""
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=48 * days, freq="30min")
    parts = []
    for i in range(meters):
        day = 2 + np.sin((np.arange(len(times)) / 48 + rng.random()) * 2 * np.pi)
        kwh = np.round(day * rng.gamma(9, 0.1, len(times)), 3)
        table = pd.DataFrame({"meter": f"m{i:03}", "ts": times, "kwh": kwh, "station": ("Kiel", "Ulm")[i % 2]})
        table.loc[rng.random(len(table)) < 0.01, "kwh"] = np.nan
        table = table[rng.random(len(table)) > 0.03]
        parts.append(pd.concat([table, table.sample(10, random_state=i).assign(kwh=lambda t: t["kwh"] + 1)]))
    rows = pd.concat(parts).sample(frac=1, random_state=0)
    at = folder / "data" / "meters"
    at.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(np.array_split(np.arange(len(rows)), 2)):
        rows.iloc[part].to_parquet(at / f"part-{number}.parquet", index=False)
    hours = pd.date_range("2024-01-01", periods=24 * days, freq="1h") - pd.Timedelta("10min")
    weather = [
        pd.DataFrame({"station": name, "ts": hours, "temperature": rng.normal(5, 4, len(hours)).round(1)})
        for name in ("Kiel", "Ulm")
    ]
    pd.concat(weather).to_parquet(folder / "data" / "weather.parquet", index=False)


if __name__ == "__main__":
    make(Path(__file__).parent)
