"""An application without a server: what tests of protocols, and of one's own models behind them, need."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autots.api import Pipeline
from serve.app import ServingApp
from serve.runtime.config import ServingConfig

__all__ = ["Caller", "same", "sent", "served"]


class Caller:
    """Sends requests to an application in the same process; needs httpx.

    Args:
        app: The application that is asked, below its guard.
    """

    def __init__(self, app: ServingApp) -> None:
        self.app = app

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        """Return the answer to one request."""
        return self.together((method, path, options))[0]

    def together(self, *calls: tuple[str, str, dict[str, Any]]) -> list[Any]:
        """Return the answers to requests that are sent at the same time."""
        import httpx

        async def run() -> list[Any]:
            transport = httpx.ASGITransport(self.app.api, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return list(await asyncio.gather(*(client.request(m, p, **o) for m, p, o in calls)))

        return asyncio.run(run())

    def forecast(self, **body: Any) -> dict[str, Any]:
        """Return what a good request gets."""
        response = self("POST", "/v1/forecast", content=json.dumps(body))
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def refused(self, status: int, body: Any, path: str = "/v1/forecast") -> dict[str, Any]:
        """Return what a bad request gets."""
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        response = self("POST", path, content=content)
        assert response.status_code == status, response.text
        found: dict[str, Any] = response.json()
        assert found["error"]
        return found


def served(folder: Path, pipelines: dict[str, Pipeline], **options: Any) -> Caller:
    """Save pipelines into a folder, and serve them by their names."""
    models = [{"name": name, "path": str(p.save(folder / name))} for name, p in pipelines.items()]
    config = {"models": models, "state": str(folder / "state"), **options}
    return Caller(ServingApp(ServingConfig.model_validate(config)))


def sent(table: pd.DataFrame, id_: str) -> dict[str, Any]:
    """A series of a table as a request sends it."""
    one = table[table["unique_id"] == id_]
    y = [None if np.isnan(v) else v for v in one["y"]]
    return {"id": id_, "start": one["ds"].iloc[0].isoformat(), "y": y}


def same(forecast: dict[str, Any], table: pd.DataFrame) -> bool:
    """Whether an answer's series is what ``predict`` said, to the last bit."""
    one = table[table["unique_id"] == forecast["id"]] if "unique_id" in table else table
    quantiles = forecast["quantiles"]
    return (
        one["mean"].tolist() == forecast["mean"]
        and all(one[level].tolist() == quantiles[level] for level in quantiles)
        and [t.isoformat() for t in one["ds"]] == forecast["time"]
    )
