"""What the models import from inside of other libraries: only what a pinned range and a comparison guard."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
#: Private module -> the range of its library in pyproject.toml, which ends before the next minor version.
PINNED = {"statsforecast._lib": "statsforecast>=2.1,<2.2"}


def private_imports():
    for file in sorted((ROOT / "autots").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            for name in names:
                parts = name.split(".")
                private = [i for i, part in enumerate(parts) if part.startswith("_") and not part.startswith("__")]
                if private and parts[0] not in ("autots", "zoo", "serve"):
                    yield ".".join(parts[: private[0] + 1])


def test_private_names_of_other_libraries_are_the_pinned_ones_and_each_is_still_used():
    assert set(private_imports()) == set(PINNED)
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert set(PINNED.values()) <= {line.replace(" ", "") for line in listed}


@pytest.mark.parametrize("method", ["STM", "OTM", "DSTM", "DOTM"])
def test_the_compiled_theta_gives_what_the_public_one_gives(method):
    from statsforecast._lib import theta as compiled
    from statsforecast.theta import auto_theta, forecast_theta

    rng = np.random.default_rng(3)
    y = 50 + 0.3 * np.arange(60) + rng.normal(size=60).cumsum()
    fit = auto_theta(y, 1, model=method)
    par, kind = fit["par"], getattr(compiled.ModelType, method)
    states = compiled.pegels_resid(y, kind, par["initial_smoothed"], par["alpha"], par["theta"], 3)[2]
    mean = np.empty(7)
    compiled.forecast(states, len(y), kind, mean, par["alpha"], par["theta"])
    np.testing.assert_array_equal(mean, forecast_theta(fit, 7)["mean"])


@pytest.mark.parametrize("form", ["AAA", "MAM", "MNA", "ANN"])
def test_the_compiled_ets_gives_the_likelihood_of_the_public_one(form):
    from statsforecast.ets import ets_f

    from autots.models.statistical.ets_search import Form, FormLikelihood

    rng = np.random.default_rng(3)
    y = 50 + 0.3 * np.arange(60) + 5 * np.sin(np.arange(60) * np.pi / 2) + rng.normal(size=60).cumsum()
    fit = ets_f(y, 4, model=form, damped=False)
    weights = fit["par"][:4][~np.isnan(fit["par"][:4])]
    states = fit["par"][4:] if form[2] == "N" else fit["par"][4:-1]
    error, trend, kind = form
    likelihood = FormLikelihood(y, 4, Form(error, trend, kind, damped=False))
    residuals = likelihood.residuals(np.concatenate([weights, states]))
    assert residuals is not None
    squares = float(residuals @ residuals)
    np.testing.assert_allclose(len(y) * np.log(squares), -2 * fit["loglik"], rtol=1e-9)
    np.testing.assert_allclose(likelihood.criterion(squares), fit["aicc"], rtol=1e-9)
