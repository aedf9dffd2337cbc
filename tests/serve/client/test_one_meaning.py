"""``serve.Client`` says the same in JSON and in Arrow: whatever a table holds, both are answered alike, or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

import serve.client.calls as wire
from serve.app import ServingApp
from serve.client import Client
from serve.runtime.config import ServingConfig
from serve.testing.pipelines import fitted
from zoo.errors import ZooError

DAYS = pd.date_range("2024-01-01", periods=60, freq="D")


class InProcess(httpx.BaseTransport):
    """Hands requests to an application in this process."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def run() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app)) as client:
                sent = client.build_request(
                    request.method, request.url, headers=request.headers, content=request.read()
                )
                got = await client.send(sent)
                kept = {k: v for k, v in got.headers.items() if k != "content-length"}
                return httpx.Response(got.status_code, headers=kept, content=got.content)

        return asyncio.run(run())


def long(ids=(1, 2)) -> pd.DataFrame:
    parts = [pd.DataFrame({"unique_id": i, "ds": DAYS, "y": np.arange(60.0) % 7 + n}) for n, i in enumerate(ids)]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def apps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    frame, made = long(), {}
    frames = {
        "daily": frame,
        "zoned": frame.assign(ds=frame["ds"].dt.tz_localize("Europe/Berlin")),
        "counted": frame.assign(ds=np.tile(np.arange(60), 2)),
        "texts": frame.assign(ds=frame["ds"].dt.strftime("%d/%m/%Y")),
        "kinds": frame.assign(kind=np.where(np.arange(120) % 3, "a", "b"), open=np.arange(120) % 2 == 0),
    }
    for name, table in frames.items():
        family = "trees_direct" if name == "kinds" else "seasonal_naive"
        made[name] = str(fitted(table, families=(family,), horizon=3).save(folder / name))
    return {
        name: ServingApp(
            ServingConfig.model_validate({"models": [{"name": name, "path": path}], "state": str(folder / f"{name}.s")})
        ).asgi
        for name, path in made.items()
    }


def asked(app, frame: pd.DataFrame, many: bool, monkeypatch, **options: Any) -> Any:
    monkeypatch.setattr(wire, "_ARROW_ROWS", 1 if many else 10**9)
    with Client("http://test", transport=InProcess(app)) as client:
        try:
            return client.forecast(frame, 2, **options)
        except ZooError as error:
            return error


base = long()
TABLES: dict[str, tuple[str, Callable[[], pd.DataFrame], bool]] = {
    "as it is": ("daily", lambda: base, True),
    "shuffled": ("daily", lambda: base.sample(frac=1.0, random_state=1), True),
    "an index of its own": ("daily", lambda: base.set_index(pd.Index(range(500, 620))), True),
    "ids as floats": ("daily", lambda: base.astype({"unique_id": float}), True),
    "ids as categories": ("daily", lambda: base.astype({"unique_id": "category"}), True),
    "ids of which two are ten": ("daily", lambda: long((2, 10, 1)), True),
    "ids as text and number": ("daily", lambda: base.assign(unique_id=[1] * 60 + ["2"] * 60), True),
    "rows without an id": ("daily", lambda: base.assign(unique_id=base.unique_id.where(base.index > 20)), False),
    "rows without a time": ("daily", lambda: base.assign(ds=base.ds.where(base.index != 5)), False),
    "an infinite value": ("daily", lambda: base.assign(y=base.y.where(base.index != 5, np.inf)), False),
    "missing values": ("daily", lambda: base.assign(y=base.y.where(base.index % 9 != 5)), True),
    "values as text": ("daily", lambda: base.assign(y=base.y.astype(str)), True),
    "values that are words": ("daily", lambda: base.assign(y=["many"] * 120), False),
    "values as nullable integers": ("daily", lambda: base.assign(y=base.y.astype("Int64")), True),
    "another column": ("daily", lambda: base.assign(note=["x", None] * 60, id=3, time=4), True),
    "an infinite other column": ("daily", lambda: base.assign(note=np.inf), False),
    "times with a zone": ("daily", lambda: base.assign(ds=base.ds.dt.tz_localize("UTC")), False),
    "times as text": ("daily", lambda: base.assign(ds=base.ds.dt.strftime("%Y-%m-%d")), True),
    "times without zeros": ("daily", lambda: base.assign(ds=[f"{d.year}-{d.month}-{d.day}" for d in base.ds]), True),
    "times as words": ("daily", lambda: base.assign(ds="now"), False),
    "times that need guessing": ("daily", lambda: base.assign(ds=base.ds.dt.strftime("%d/%m/%Y")), False),
    "times as dates": ("daily", lambda: base.assign(ds=base.ds.dt.date), True),
    "times as periods": ("daily", lambda: base.assign(ds=base.ds.dt.to_period("D")), True),
    "times in seconds": ("daily", lambda: base.assign(ds=base.ds.astype("datetime64[s]")), True),
    "times beyond all years": (
        "daily", lambda: base.assign(ds=base.ds.astype("datetime64[s]") + np.timedelta64(9**11, "s")), False),
    "counts for dates": ("daily", lambda: base.assign(ds=np.tile(np.arange(60), 2)), False),
    "a time twice in one series": ("daily", lambda: pd.concat([base, base.tail(1)]), True),
    "a time twice in every series": ("daily", lambda: pd.concat([base, base]), False),
    "the zone of the model": ("zoned", lambda: base.assign(ds=base.ds.dt.tz_localize("Europe/Berlin")), True),
    "the same moments in UTC": (
        "zoned", lambda: base.assign(ds=base.ds.dt.tz_localize("Europe/Berlin").dt.tz_convert("UTC")), True),
    "no zone for a model with one": ("zoned", lambda: base, False),
    "counts": ("counted", lambda: base.assign(ds=np.tile(np.arange(60), 2)), True),
    "counts as floats": ("counted", lambda: base.assign(ds=np.tile(np.arange(60.0), 2)), True),
    "dates for counts": ("counted", lambda: base, False),
    "the model's own writing": ("texts", lambda: base.assign(ds=base.ds.dt.strftime("%d/%m/%Y")), True),
    "ISO for a model of texts": ("texts", lambda: base, True),
    "kinds": (
        "kinds", lambda: base.assign(kind=np.where(np.arange(120) % 3, "a", "b"), open=np.arange(120) % 2 == 0), True),
    "kinds, some missing": ("kinds", lambda: base.assign(kind=["a", None] * 60, open=np.arange(120) % 2 == 0), True),
    "kinds that are all missing": ("kinds", lambda: base.assign(kind=[None] * 120, open=[True] * 120), True),
}  # fmt: skip


@pytest.mark.parametrize("what", TABLES)
def test_few_rows_and_many_rows_mean_the_same(apps, monkeypatch, what):
    model, make, good = TABLES[what]
    few, many = (asked(apps[model], make(), many, monkeypatch) for many in (False, True))
    if not good:
        assert isinstance(few, ZooError), few.frame
        assert isinstance(many, ZooError), many.frame
        assert type(few) is type(many)
        assert few.hint
        return
    assert not isinstance(few, ZooError), few
    assert not isinstance(many, ZooError), many
    pd.testing.assert_frame_equal(few.frame, many.frame, check_exact=True)
    assert (few.quantiles, few.errors, few.model_version) == (many.quantiles, many.errors, many.model_version)


def test_options_mean_the_same_too(apps, monkeypatch):
    for options in ({"quantiles": [0.5, 0.123456789]}, {"combine": "none"}, {"models": "all", "combine": "mean"}):
        few, many = (asked(apps["daily"], base, many, monkeypatch, **options) for many in (False, True))
        pd.testing.assert_frame_equal(few.frame, many.frame, check_exact=True)
        assert few.quantiles == many.quantiles
