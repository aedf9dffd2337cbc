"""Public-domain series that ship inside statsmodels, as long tables."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from zoo.errors import ConfigError

__all__ = ["DEMOS", "Demo", "load"]


@dataclass(frozen=True)
class Demo:
    """What a demonstration data set is, and a sensible question to ask of it.

    Args:
        title: What was measured, where and when, with its unit.
        freq: The pandas alias of its clock.
        horizon: Steps that are worth forecasting.
        season: Season length in rows; 1 for none.
        known: Columns that are known ahead, beside ``unique_id``, ``ds`` and ``y``.
        source: The statsmodels data set, where that has it from, and its license.
    """

    title: str
    freq: str
    horizon: int
    season: int
    known: tuple[str, ...]
    source: str


DEMOS: Mapping[str, Demo] = {
    "co2": Demo(
        "Weekly CO2 at Mauna Loa, 1958 to 2001, ppm",
        "W-SAT",
        52,
        52,
        (),
        "statsmodels co2; Keeling and Whorf (2004), Carbon Dioxide Information Analysis Center; public domain",
    ),
    "elnino": Demo(
        "Monthly sea surface temperature, Nino 1+2, 1950 to 2010, degrees Celsius",
        "MS",
        12,
        12,
        (),
        "statsmodels elnino; ERSST.V3B, NOAA National Weather Service; public domain",
    ),
    "electrical": Demo(
        "Monthly turnover of electrical equipment makers, euro area, 1995 to 2016, index",
        "MS",
        12,
        12,
        (),
        "statsmodels elec_equip; Eurostat STS, NACE 26-27, working day adjusted; public domain",
    ),
    "macro": Demo(
        "Nine quarterly economic indicators of the United States, 1959 to 2009",
        "QS-JAN",
        8,
        4,
        (),
        "statsmodels macrodata; Federal Reserve Bank of St. Louis, Bureau of Labor Statistics; public domain",
    ),
    "sunspots": Demo(
        "Yearly number of sunspots, 1700 to 2008",
        "YS-JAN",
        11,
        11,
        (),
        "statsmodels sunspots; NOAA National Geophysical Data Center; public domain",
    ),
    "nile": Demo(
        "Yearly flow of the Nile at Aswan, 1871 to 1970, 10^8 cubic metres",
        "YS-JAN",
        5,
        1,
        (),
        "statsmodels nile; Cobb (1978), Biometrika 65(2); public domain",
    ),
    "shop": Demo(
        "Daily sales of eight products with prices and promotions, simulated",
        "D",
        28,
        7,
        ("price", "promo"),
        "simulated here with a fixed seed: demand = level x season x weekday x price^-1.5 x 1.6^promo x noise",
    ),
}


def load(name: str) -> pd.DataFrame:
    """Return a data set as a long table: ``unique_id``, ``ds``, ``y``, then the known covariates if it has some.

    Gaps are the data's own: weeks that ``co2`` lacks have a row without a value, as in the source.

    Args:
        name: A key of ``DEMOS``; ``DEMOS[name].source`` says where it comes from.

    Raises:
        ConfigError: There is no such data set.

    >>> load("sunspots").tail(2)
        unique_id         ds    y
    307  sunspots 2007-01-01  7.5
    308  sunspots 2008-01-01  2.9
    """
    key = str(name).lower()
    if key not in _LOADERS:
        near = difflib.get_close_matches(key, DEMOS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"a demo data set must be one of {sorted(DEMOS)}, but got {name!r}", hint)
    return _LOADERS[key]()


def _long(name: str, times: Any, values: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"ds": pd.DatetimeIndex(times), "y": np.asarray(values, dtype=np.float64)})
    frame.insert(0, "unique_id", name)
    return frame.sort_values("ds", ignore_index=True)


def _co2() -> pd.DataFrame:
    from statsmodels.datasets import co2

    data = co2.load_pandas().data
    return _long("co2", data.index, data["co2"])


def _elnino() -> pd.DataFrame:
    from statsmodels.datasets import elnino

    data = elnino.load_pandas().data
    # One row per year with a column per month, January first.
    times = [f"{int(year)}-{month:02d}-01" for year in data["YEAR"] for month in range(1, 13)]
    return _long("elnino", times, data.drop(columns="YEAR").to_numpy().ravel())


def _electrical() -> pd.DataFrame:
    from statsmodels.datasets import elec_equip

    data = elec_equip.load_pandas().data
    return _long("electrical", data.index, data.iloc[:, 0])


def _macro() -> pd.DataFrame:
    from statsmodels.datasets import macrodata

    data = macrodata.load_pandas().data
    times = [f"{int(y)}-{3 * int(q) - 2:02d}-01" for y, q in zip(data["year"], data["quarter"], strict=True)]
    # Population is left out, and so are infl and realint: they are computed from columns that are here.
    names = ("realgdp", "realcons", "realinv", "realgovt", "realdpi", "cpi", "m1", "tbilrate", "unemp")
    return pd.concat([_long(name, times, data[name]) for name in names], ignore_index=True)


def _sunspots() -> pd.DataFrame:
    from statsmodels.datasets import sunspots

    data = sunspots.load_pandas().data
    return _long("sunspots", [f"{int(year)}-01-01" for year in data["YEAR"]], data["SUNACTIVITY"])


def _nile() -> pd.DataFrame:
    from statsmodels.datasets import nile

    data = nile.load_pandas().data
    return _long("nile", [f"{int(year)}-01-01" for year in data["year"]], data["volume"])


def _shop() -> pd.DataFrame:
    rng = np.random.default_rng(20_20)
    times = pd.date_range("2023-01-02", periods=2 * 364, freq="D")
    day = np.arange(len(times))
    weekday = np.array([0.85, 0.85, 0.9, 1.0, 1.25, 1.45, 0.7])[day % 7]
    frames = []
    for i in range(8):
        # Prices move in steps of weeks; promotions last a week and also lower the price.
        promo = np.repeat(rng.random(len(day) // 7) < 0.15, 7).astype(np.float64)
        base = 2.0 + 1.5 * i
        price = np.round(base * np.repeat(rng.choice([0.95, 1.0, 1.05], len(day) // 28), 28) * (1 - 0.2 * promo), 2)
        year = 1 + 0.15 * np.sin(2 * np.pi * (day / 364 + i / 8))
        demand = 40 * (1 + i % 4) * year * weekday * (price / base) ** -1.5 * 1.6**promo
        sold = np.round(demand * rng.lognormal(0, 0.12, len(day)))
        frame = _long(f"product_{i + 1}", times, sold)
        frames.append(frame.assign(price=price, promo=promo))
    return pd.concat(frames, ignore_index=True)


_LOADERS: Mapping[str, Callable[[], pd.DataFrame]] = {
    "co2": _co2,
    "elnino": _elnino,
    "electrical": _electrical,
    "macro": _macro,
    "sunspots": _sunspots,
    "nile": _nile,
    "shop": _shop,
}
