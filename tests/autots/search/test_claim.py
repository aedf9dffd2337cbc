"""Whose run a directory is: the same data, the same settings, the same way of recording trials."""

import json
from dataclasses import replace

import pytest

from autots.search.claim import claim
from autots.search.settings import FitSettings
from autots.testing.example_panels import example_panel
from zoo.errors import ConfigError

_SETTINGS = FitSettings(horizon=5, budget=10)


def _claim(folder, settings=_SETTINGS, *, resume=True, panel=None):
    panel = panel or example_panel()
    return claim(folder, panel, settings, settings.task(panel), resume=resume)


def test_a_run_may_go_on_with_more_time_and_other_workers(tmp_path):
    first = _claim(tmp_path, resume=False)
    other = replace(_SETTINGS, budget=600, workers=3, address="head:6379", local_fit_seconds=0.01)
    assert _claim(tmp_path, other) == first


def test_a_run_of_another_version_is_named_as_that(tmp_path):
    _claim(tmp_path, resume=False)
    content = json.loads((tmp_path / "run.json").read_text())
    content.pop("version")  # as former versions wrote it
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="resumed by the version that began it"):
        _claim(tmp_path)


def test_what_differs_is_named(tmp_path):
    _claim(tmp_path, resume=False)
    with pytest.raises(ConfigError, match="metric was 'mase'"):
        _claim(tmp_path, replace(_SETTINGS, metric="mae"))
    with pytest.raises(ConfigError, match="the data, or how they are read"):
        _claim(tmp_path, panel=example_panel(seed=1))
    with pytest.raises(ConfigError, match="holds a run already"):
        _claim(tmp_path, resume=False)
