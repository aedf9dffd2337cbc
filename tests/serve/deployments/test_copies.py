"""Copies of what is served: a version stays itself, whatever is done to the path it came from."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from serve.app import ServingApp
from serve.deployments.copies import kept, pinned, swept
from serve.deployments.ingress import Ingress
from serve.runtime.config import ServingConfig
from serve.testing.pipelines import fitted
from tests.serve.deployments.one_application import configuration
from zoo.errors import ArtifactError


def test_another_fit_at_the_same_path_is_another_version(pipeline: Any, table: Any, tmp_path: Path):
    path = pipeline.save(tmp_path / "hours")
    front = ServingApp(pinned(configuration(path)))
    first = front.store.current("hours")
    fitted(table, families=("seasonal_naive",)).save(tmp_path / "next")
    path.rename(tmp_path / "old")
    (tmp_path / "next").rename(path)
    front.reload(pinned(configuration(path)))
    assert front.store.current("hours") != first
    assert list(next(iter(front.store.live.values())).served.weights) == ["seasonal_naive"]
    # Also under a version that somebody has named: the content decides.
    named = {"models": [{"name": "hours", "path": str(path), "version": "mine"}]}
    front.reload(pinned(ServingConfig.model_validate(named)))
    path.rename(tmp_path / "seasonal")
    (tmp_path / "old").rename(path)
    front.reload(pinned(ServingConfig.model_validate(named)))
    assert "seasonal_naive" not in next(iter(front.store.live.values())).served.weights


def test_a_copy_outlives_what_is_done_to_the_path(pipeline: Any, table: Any, tmp_path: Path):
    path, folder = pipeline.save(tmp_path / "hours"), tmp_path / "copies"
    (path / "serving").mkdir()
    meant = pinned(configuration(path, state=str(tmp_path / "state")))
    config = kept(meant, folder)
    assert not list(folder.glob("*/serving")), "what endpoints remember is no part of a model"
    for file in path.glob("*"):
        if file.is_file():
            file.write_bytes(b"overwritten in place")
    front = ServingApp(config)  # a replica that is started now
    assert front.store.current("hours") == meant.models[0].digest
    assert kept(meant, folder) == config, "copied once"
    with pytest.raises(ArtifactError, match="asked for"):
        ServingApp(meant.model_copy(update={"state": None}))
    with pytest.raises(ArtifactError, match="must hold the version"):
        pinned(meant)
    swept(config, folder)
    assert len(list(folder.iterdir())) == 1
    swept(configuration(path), folder)
    assert list(folder.iterdir()) == []


def test_a_configuration_that_cannot_be_served_is_refused_and_the_replica_goes_on(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = pipeline.save(tmp_path / "hours")
    good = configuration(path).model_dump(mode="json")
    deployment: Any = Ingress  # what the decorator made of the class
    ingress = object.__new__(deployment.func_or_class)
    ingress._app, ingress._turn, ingress._settled = ServingApp(), asyncio.Lock(), True
    monkeypatch.setattr("serve.deployments.ingress._LATER", 3600.0)
    with pytest.raises(Exception, match="JSON list"):
        asyncio.run(ingress.reconfigure({**good, "tokens": str(tmp_path / "nowhere.json")}))
    asyncio.run(ingress.reconfigure(good))
    lost = {**good, "tokens": str(tmp_path / "nowhere.json")}
    pinned_elsewhere = {**good, "routes": {"x": {"kind": "pin", "model": "x"}}}
    wrong: dict[str, Any]
    for wrong in ({"models": []}, lost, pinned_elsewhere):
        asyncio.run(ingress.reconfigure(wrong))
        assert ingress._app.store.ready
        assert "configuration" in ingress._app.store.refused
    asyncio.run(ingress.reconfigure(good))
    assert ingress._app.store.refused == {}
