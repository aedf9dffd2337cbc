"""What a fit and a forecast cost: time, and the memory of all processes together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.errors import ConfigError

__all__ = ["run"]


def run(only: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield one record per figure.

    Args:
        only: Names of the figures to measure; empty for all.

    Raises:
        ConfigError: A name is none of a figure.
    """
    figures = {
        "import": _imports,
        "small": _small,
        "forecast": _forecast,
        "large": _large,
        "long": _long,
        "many": _many,
    }
    unknown = sorted(set(only) - set(figures))
    if unknown:
        raise ConfigError(f"a figure must be one of {list(figures)}, but got {unknown}", "see --only")
    for name in only or figures:
        yield figures[name]()


def _imports() -> dict[str, Any]:
    def best(code: list[str]) -> float:
        times = []
        for _ in range(5):
            started = time.perf_counter()
            subprocess.run([sys.executable, *code], check=True, capture_output=True)  # noqa: S603
            times.append(time.perf_counter() - started)
        return round(float(np.median(times)), 2)

    return {
        "figure": "start-up",
        "import_autots_seconds": best(["-c", "import autots"]),
        "zoo_help_seconds": best(["-m", "zoo.cli", "--help"]),
        "must": 0.6,
    }


def _small() -> dict[str, Any]:
    """Fit 144 months of one series with a budget of 20 s, as a command, from pressing return to the prompt."""
    months = pd.date_range("1949-01-01", periods=144, freq="MS")
    at = np.arange(144)
    noise = np.random.default_rng(0).normal(0, 0.03, 144)
    passengers = np.exp(4.8 + 0.01 * at + 0.15 * np.sin(2 * np.pi * at / 12) + noise)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "months.csv"
        pd.DataFrame({"month": months, "passengers": passengers}).to_csv(file, index=False)
        command = [sys.executable, "-m", "zoo.cli", "fit", str(file), "--horizon", "12", "--budget", "20s", "--json"]
        started = time.perf_counter()
        done = subprocess.run([*command, "--out", f"{folder}/run"], capture_output=True, check=False)  # noqa: S603
        seconds = time.perf_counter() - started
    return {"figure": "144 months, budget 20 s", "exit": done.returncode, "seconds": round(seconds, 1), "must": 25}


def _forecast() -> dict[str, Any]:
    """Forecast 414 series x 48 steps, warm; load and first forecast in a fresh process."""
    from autots.api import AutoTS

    frame = _panel(414, 700, "h")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        pipeline = AutoTS(48, budget=60, seed=0, out=Path(folder) / "run").fit(frame)
        pipeline.predict()
        warm = []
        for _ in range(5):
            started = time.perf_counter()
            pipeline.predict()
            warm.append(time.perf_counter() - started)
        saved = pipeline.save(Path(folder) / "saved")
        code = f"from autots import load; load({str(saved)!r}).predict()"
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603
        cold = time.perf_counter() - started
    return {
        "figure": "forecast, 414 series x 48 steps",
        "members": [m.family for m in pipeline.members],
        "warm_seconds": round(float(np.median(warm)), 3),
        "load_and_first_seconds": round(cold, 2),
        "must": {"warm_seconds": 0.5, "load_and_first_seconds": 3.0},
    }


def _large() -> dict[str, Any]:
    """Fit 10,000 series x 1,000 steps within 300 s, all processes under 8 GB."""
    from autots.api import AutoTS

    frame = _panel(10_000, 1_000, "D")
    with _PeakMemory() as peak:
        started = time.perf_counter()
        pipeline = AutoTS(28, budget=300, seed=0).fit(frame)
        seconds = time.perf_counter() - started
        skill = float(pipeline.leaderboard()["skill"].iloc[0])
    return {
        "figure": "10,000 series x 1,000 steps",
        "seconds": round(seconds, 1),
        "peak_gb": round(peak.bytes / 1e9, 2),
        "skill": round(skill, 3),
        "members": [m.family for m in pipeline.members],
        "must": {"seconds": 305, "peak_gb": 8.0},
    }


def _long() -> dict[str, Any]:
    """Fit 3 million rows of one series within 60 s, and 1.2 million within 20 s, also beside a busy core."""
    return {
        "figure": "one series, budgets 60 s (3,000,000 rows) and 20 s (1,200,000 rows)",
        "60 s": _kept(_minutes(3_000_000), horizon=60, budget=60),
        "60 s, a core busy": _kept(_minutes(3_000_000), horizon=60, budget=60, busy=True),
        "20 s": _kept(_minutes(1_200_000), horizon=60, budget=20),
        "20 s, a core busy": _kept(_minutes(1_200_000), horizon=60, budget=20, busy=True),
        "must": "budget + 5 s",
    }


def _many() -> dict[str, Any]:
    """Fit 300,000 series of 10 rows within 60 s, on idle cores and beside a busy one."""
    rng = np.random.default_rng(0)
    series, rows = 300_000, 10
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat([f"item-{i:06d}" for i in range(series)], rows),
            "ds": np.tile(pd.date_range("2024-01-01", periods=rows, freq="D"), series),
            "y": rng.poisson(3, series * rows).astype(float),
        }
    )
    return {
        "figure": "300,000 series x 10 rows, budget 60 s",
        "60 s": _kept(frame, horizon=3, budget=60),
        "60 s, a core busy": _kept(frame, horizon=3, budget=60, busy=True),
        "must": "budget + 5 s",
    }


def _minutes(rows: int) -> pd.DataFrame:
    at = np.arange(rows)
    y = 100 + 20 * np.sin(2 * np.pi * at / 1440) + np.random.default_rng(0).normal(0, 1, rows)
    return pd.DataFrame({"ds": pd.date_range("2020-01-01", periods=rows, freq="min"), "y": y})


def _kept(frame: pd.DataFrame, *, horizon: int, budget: int, busy: bool = False) -> dict[str, Any]:
    """Run `zoo fit` on a table as a CSV file, and return its seconds from pressing return to the prompt.

    Args:
        frame: The table.
        horizon: Steps.
        budget: Seconds.
        busy: Whether another process keeps a core busy all the time.
    """
    spinning = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            file = Path(folder) / "table.csv"
            frame.to_csv(file, index=False)
            command = [sys.executable, "-m", "zoo.cli", "fit", str(file), "--json", "--out", f"{folder}/run"]
            command += ["--horizon", str(horizon), "--budget", f"{budget}s"]
            started = time.perf_counter()
            done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
            seconds = time.perf_counter() - started
    finally:
        if spinning is not None:
            spinning.kill()
            spinning.wait()
    found = json.loads(done.stdout) if done.returncode == 0 else {}
    return {
        "exit": done.returncode,
        "seconds": round(seconds, 1),
        "over": round(seconds - budget, 1),
        "members": len(found.get("members", ())),
        "load": round(os.getloadavg()[0], 1),
    }


def _panel(series: int, rows: int, freq: str) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    at = np.arange(rows)
    level = np.exp(rng.normal(3, 1, (series, 1)))
    season = 1 + 0.4 * np.sin(2 * np.pi * (at / (24 if freq == "h" else 7) + rng.random((series, 1))))
    walk = np.cumsum(rng.normal(0, 0.01, (series, rows)), axis=1)
    y = level * season * np.exp(walk) * np.exp(rng.normal(0, 0.1, (series, rows)))
    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"s{i:05d}" for i in range(series)], rows),
            "ds": np.tile(pd.date_range("2020-01-01", periods=rows, freq=freq), series),
            "y": y.ravel(),
        }
    )


class _PeakMemory:
    """Samples the proportional memory of this process and all below it, shared pages counted once."""

    def __enter__(self) -> _PeakMemory:
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def _sample(self) -> None:
        import psutil

        me = psutil.Process()
        while not self._stop.wait(1.0):
            total = 0
            for process in [me, *me.children(recursive=True)]:
                try:
                    total += int(process.memory_full_info().pss)
                except psutil.Error:
                    continue  # it ended between the listing and the look
            self.bytes = max(self.bytes, total)

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
