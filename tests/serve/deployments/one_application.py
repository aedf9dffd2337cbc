"""One application in this process: its configuration, and what it answers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from serve.runtime.config import ServingConfig


def answered(app: Any, path: str = "/v1/models", **headers: str) -> httpx.Response:
    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return asyncio.run(run())


def configuration(path: Any, **options: Any) -> ServingConfig:
    return ServingConfig.model_validate({"models": [{"name": "hours", "path": str(path)}], **options})
