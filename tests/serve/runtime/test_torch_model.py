"""Others' torch networks, served as they are: class by name, weights from safetensors, allowed by the operator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from serve.admission.process import admit
from serve.app import ServingApp
from serve.runtime.config import ServingConfig
from serve.runtime.foreign import declared, foreign_pipeline, pack
from serve.runtime.manifest import TorchDeclaration
from serve.runtime.torch_model import CODE, write_weights
from serve.testing.caller import Caller
from serve.testing.networks import Recurrent, trained
from zoo.errors import ArtifactError, ConfigError, ModelError

T, H, LEVELS = 12, 4, (0.1, 0.5, 0.9)
NETWORK = "serve.testing.networks:Recurrent"


def told(**changes: Any) -> TorchDeclaration:
    whole: dict[str, Any] = {"network": NETWORK, "arguments": {"hidden": 8, "horizon": H, "levels": len(LEVELS)}}
    return TorchDeclaration(**(whole | {"lookback": T, "horizon": H, "quantiles": LEVELS, "freq": "h"} | changes))


@pytest.fixture(scope="module")
def network() -> Recurrent:
    wave = 10 + np.sin(np.arange(200) / 3)
    return trained(Recurrent, [wave, 2 * wave], lookback=T, horizon=H, levels=LEVELS, hidden=8)


@pytest.fixture
def folder(network: Recurrent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CODE, "serve")
    return pack(write_weights(network, tmp_path / "w.safetensors"), tmp_path / "theirs", told())


def test_it_answers_with_the_numbers_of_the_network_itself(network: Recurrent, folder: Path, tmp_path: Path):
    values = {"models": [{"name": "their", "path": str(folder)}], "state": str(tmp_path / "state")}
    call = Caller(ServingApp(ServingConfig.model_validate(values)))
    y = (10 + np.sin(np.arange(30) / 3)).tolist()
    got = call.forecast(series=[{"id": "a", "start": "2024-01-01T00:00:00", "y": y}])
    with torch.inference_mode():
        want = network.eval()(torch.tensor([y[-T:]])).numpy()[0]
    for i, level in enumerate(LEVELS):
        np.testing.assert_allclose(got["forecasts"][0]["quantiles"][f"{level:g}"], want[:, i], rtol=1e-5)
    assert call("GET", "/v1/models").json()["models"][0]["members"] == {"torch": 1.0}


def test_it_is_admitted_by_its_own_process(folder: Path):
    report = admit(folder)
    report.check()
    names = [verdict.check for verdict in report.verdicts]
    assert names[:4] == ["size", "declaration", "load", "declared shapes"]
    assert "served: golden windows" in names


def test_code_that_the_operator_does_not_name_is_not_imported(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(CODE, "other, more")
    with pytest.raises(ConfigError, match="'serve' is not among them") as refused:
        foreign_pipeline(folder)
    assert f"{CODE}=serve" in refused.value.hint
    verdict = admit(folder).verdicts[-1]
    assert (verdict.check, verdict.passed) == ("load", False)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"network": "serve.testing.networks:trained"}, ArtifactError, "must be a torch.nn.Module"),
        ({"network": "serve.nothing:Net"}, ArtifactError, "importable"),
        ({"arguments": {"hidden": 8}}, ModelError, "arguments and weights"),
        ({"arguments": {"hidden": 9, "horizon": H, "levels": 3}}, ModelError, "arguments and weights"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], error: type[Exception], words: str, folder: Path):
    pack(folder / "model.safetensors", folder.parent / "odd", told(**changes))
    with pytest.raises(error, match=words):
        foreign_pipeline(folder.parent / "odd")


def test_a_changed_file_or_a_manifest_with_code_in_it_is_refused(folder: Path):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    with pytest.raises(ArtifactError, match="checksum"):
        foreign_pipeline(folder)
    values = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(values | {"network": "os:system('ls')"}))
    with pytest.raises(ArtifactError, match="network"):
        declared(folder)
    assert admit(folder).verdicts[-1].check == "declaration"


def test_wrong_shapes_name_their_check(folder: Path):
    pack(folder / "model.safetensors", folder.parent / "odd", told(horizon=H + 1))
    verdict = admit(folder.parent / "odd").verdicts[-1]
    assert (verdict.check, verdict.passed) == ("declared shapes", False)
