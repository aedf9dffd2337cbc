"""``zoo models``: what a person types, and what he is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import ConfigError, RegistryError
from zoo.registry.commands import (
    list_models,
    model_at,
    promote_model,
    publish_model,
    rollback_model,
    show_model,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.json").write_text("{}")
    return tmp_path / "run"


def test_a_version_goes_from_publish_to_rollback(folder, tmp_path):
    place = tmp_path / "models"
    for version in (1, 2):
        told = publish_model("sales", folder, "ana", "demand", ["mase=0.81"], place)
        assert "draft" in told.text
        assert "0.81" in told.text
        for stage in ("validated", "staged", "live"):
            promote_model(f"sales@{version}", stage, "ben", "week 48", None, place)
    assert "sales@2" in show_model("sales@live", place).text
    assert rollback_model("sales", "ben", place).data["version"] == 1
    listed = list_models(None, place)
    assert [one["stage"] for one in listed.data["versions"]] == ["live", "retired"]
    assert "sales@1" in listed.text
    served = model_at("sales", "2999-01-01", None, place)
    assert "approved by ben, on rollback of 2" in served.text
    assert model_at("sales", "1999-01-01", None, place).code == 1
    assert model_at("sales", "2999-01-01", "1999-01-01", place).data == {"served": None}
    assert list_models("other", place).text == "no versions"


def test_what_is_not_there_or_not_readable_is_told(folder, tmp_path):
    with pytest.raises(RegistryError, match="no registry"):
        list_models(None, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists(), "a question makes nothing"
    with pytest.raises(ConfigError, match="NAME=NUMBER"):
        publish_model("sales", folder, "ana", "demand", ["mase"], tmp_path / "models")
    publish_model("sales", folder, "ana", "demand", None, tmp_path / "models")
    with pytest.raises(ConfigError, match="8601"):
        model_at("sales", "yesterday", None, tmp_path / "models")
