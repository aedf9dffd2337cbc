"""Whatever takes a path refuses a URL by the name of its scheme, writes nothing, and repeats no password."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from zoo.errors import ConfigError, ZooError
from zoo.features import Pipeline
from zoo.features.run import run
from zoo.places import location, scheme_of
from zoo.search import Float, Space, Study
from zoo.search.insight.view import View
from zoo.search.replay import replay
from zoo.tables.source import read
from zoo.tables.versioned import VersionedTable

URLS = [
    "postgresql://me:secret@db/optuna",
    "sqlite:///a.db",
    "mysql+pymysql://me:se/cr@et@h/d",
    "redis://:secret@h",
    "ftp://me:secret@h/x",
    "https://h/x?sig=secret",
    "s3://key:secret@bucket/x",
    "jdbc:postgresql://h?password=secret",
]
SPACE = Space(x=Float(0, 1))


def _sink(url: str) -> Any:
    pd.DataFrame({"ts": pd.date_range("2024-01-01", periods=3), "y": 1.0}).to_parquet("in.parquet")
    return run(Pipeline([{"lags": [1]}], time="ts", target="y", source="in.parquet", sink=url, engine="pandas"))


PLACES: dict[str, Callable[[str], Any]] = {
    "study": lambda url: Study.open(url, SPACE),
    "study as a path": lambda url: Study.open(Path(url), SPACE),
    "view": View.read,
    "replay": replay,
    "page": lambda url: Study.open(None, SPACE).write_page(url),
    "source": read,
    "run's source": lambda url: run(Pipeline([{"lags": [1]}], time="ts", target="y", source=url)),
    "sink": _sink,
    "table": VersionedTable.open,
}


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("place", PLACES)
def test_urls_are_refused_by_name(place: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ZooError) as caught:
        PLACES[place](url)
    assert scheme_of(url) in caught.value.message and caught.value.hint
    assert "secret" not in str(caught.value) and "cr@et" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir() if file.name != "in.parquet"] == []


def test_paths_stay_and_file_urls_become_paths() -> None:
    assert [location(p, "x") for p in ("a/b", "/a:b/c", "C:/x")] == ["a/b", "/a:b/c", "C:/x"]
    assert location("file:///tmp/x", "x") == "/tmp/x"
    assert location("abfss://box@account.dfs.core.windows.net/t", "x", schemes=["abfss"]).startswith("abfss://")
    with pytest.raises(ConfigError, match="s3://"):
        location("s3:/bucket", "x")


def test_a_folder_is_no_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in (".", str(tmp_path)):
        with pytest.raises(ZooError, match="is a folder"):
            Study.open(place, SPACE)
    assert list(tmp_path.iterdir()) == []
