"""What a server is told: the models, where they lie, and its limits. The YAML of ``configs/serving`` holds the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from serve.protocol.request import RequestLimits
from serve.routing import RoutingTable, router_from_dict
from serve.runtime.version import version_of

__all__ = ["LimitsConfig", "ModelConfig", "ServingConfig"]


_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(_Frozen):
    """One version of one model.

    Args:
        name: How requests call it.
        path: A run directory or a saved pipeline, on every node.
        version: Of the pipeline; its content's digest if left out.
        digest: Of the content that is meant, see ``pinned``: another one at the path is refused.
        kept: A copy of that content, which is read in place of the path.
        max_batch: Most series that are forecast together; 1 for no batches.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    path: str
    version: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{1,64}$")
    kept: str | None = None
    max_batch: int = Field(default=256, ge=1)

    @field_validator("path")
    @classmethod
    def _whole(cls, path: str) -> str:
        # Replicas have other working directories than the one who wrote the path.
        return str(Path(path).expanduser().absolute())

    @property
    def source(self) -> str:
        """The folder that is read."""
        return self.path if self.kept is None else self.kept

    def versioned(self) -> str:
        """Return the version: the one that was given, else what its content decides."""
        return self.version or self.digest or version_of(self.path)


class LimitsConfig(_Frozen):
    """See ``serve.protocol.request.RequestLimits``; ``observe`` are the bytes of a request with actuals.

    ``gap`` of actuals: see ``serve.runtime.history.SeriesHistory``.
    """

    series: int = Field(default=RequestLimits.series, ge=1)
    points: int = Field(default=RequestLimits.points, ge=1)
    horizon: int = Field(default=RequestLimits.horizon, ge=1)
    body: int = Field(default=RequestLimits.body, ge=1024)
    observe: int = Field(default=8 * 1024 * 1024, ge=1024)
    gap: int | None = Field(default=None, ge=1)

    def limits(self) -> RequestLimits:
        """Return the plain value."""
        return RequestLimits(self.series, self.points, self.horizon, self.body)


class ServingConfig(_Frozen):
    """A whole server.

    Args:
        models: At least one; of several versions of one name the last is meant by default.
        state: Folder for what the server must remember (actuals); beside the first model if left out.
        max_loaded: Most models in memory; the least recently used goes first.
        limits: What one request may ask for.
        routes: Name of a model -> who decides between its versions, see ``serve.routing``.
        origins: Whose pages a browser may let ask, such as https://dashboard.example; none if left out.
        tokens: File of bearer tokens (hashes), see ``serve.safety``; everybody may ask if left out.
    """

    models: list[ModelConfig] = Field(min_length=1)
    state: str | None = None
    max_loaded: int = Field(default=32, ge=1)
    limits: LimitsConfig = LimitsConfig()
    routes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    tokens: str | None = None
    origins: list[str] = Field(default_factory=list)

    @field_validator("origins")
    @classmethod
    def _origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"an origin must be scheme://host or scheme://host:port, but got {origin!r}: "
                    "https://board.example, without a path or a slash at the end; * for every page"
                )
        return origins

    @field_validator("state", "tokens")
    @classmethod
    def _anywhere(cls, path: str | None) -> str | None:
        return None if path is None else str(Path(path).expanduser().absolute())

    @field_validator("routes")
    @classmethod
    def _routable(cls, routes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        table = RoutingTable()
        for name, values in routes.items():
            table = table.put(name, router_from_dict(values))
        return routes

    @model_validator(mode="after")
    def _distinct(self) -> ServingConfig:
        given = [(m.name, m.version) for m in self.models if m.version is not None]
        if len(set(given)) < len(given):
            raise ValueError("models must differ in name or version, but some are listed twice")
        return self

    def journal(self, model: ModelConfig) -> Path:
        """Return the file that keeps a model's actuals: one for all of its versions."""
        folder = Path(self.state) if self.state else Path(model.path) / "serving"
        return folder / f"{model.name}.observed.jsonl"

    def folder(self) -> Path:
        """Return the folder of what the server as a whole must remember."""
        return Path(self.state) if self.state else Path(self.models[0].path) / "serving"
