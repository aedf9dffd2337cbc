"""Many models in one process: loaded, warmed up and verified before they answer, replaced without a failed request."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from serve.protocol.errors import RequestError
from serve.runtime.batcher import Batcher
from serve.runtime.config import ModelConfig, ServingConfig
from serve.runtime.model import Served
from serve.runtime.verify import verify, warm_up
from serve.runtime.version import version_of
from zoo.errors import ArtifactError, ZooError

__all__ = ["LoadedModel", "ModelStore", "ReloadPlan"]

_log = logging.getLogger(__name__)
_Key = tuple[str, str]


@dataclass(eq=False)
class LoadedModel:
    """A model in memory, with the queues of the requests for it and for its members."""

    served: Served
    max_series: int
    observed: Callable[[Served, int, int, float], None] | None = None
    _batchers: dict[str | None, Batcher] = field(default_factory=dict)

    def batcher(self, member: str | None) -> Batcher:
        """Return the queue for the pipeline, or for one member."""
        found = self._batchers.get(member)
        if found is None:
            served, told = self.served, self.observed
            found = self._batchers[member] = Batcher(
                lambda panel, future: served.forecast(panel, future, member),
                max_series=self.max_series,
                observed=None if told is None else lambda n, s, t: told(served, n, s, t),
            )
        return found

    @property
    def waiting(self) -> int:
        """Requests in all queues."""
        return sum(batcher.waiting for batcher in self._batchers.values())


@dataclass(frozen=True)
class ReloadPlan:
    """Models that are ready to take over.

    Args:
        config: What asked for them.
        known: All versions, in memory or not -> how they are served.
        default: The version that a bare name means.
        live: The versions in memory, the least recently used first.
        refused: ``name@version`` -> why it does not take over.
    """

    config: ServingConfig
    known: dict[_Key, ModelConfig] = field(default_factory=dict)
    default: dict[str, str] = field(default_factory=dict)
    live: OrderedDict[_Key, LoadedModel] = field(default_factory=OrderedDict)
    refused: dict[str, str] = field(default_factory=dict)


class ModelStore:
    """The models of a server, by name and version.

    A model that is replaced goes on answering the requests that have it, and is forgotten after the last.

    Args:
        observed: Told of every batch: the model, requests, series and seconds.
    """

    def __init__(self, observed: Callable[[Served, int, int, float], None] | None = None) -> None:
        self._observed = observed
        self._config: ServingConfig | None = None
        self._known: dict[_Key, ModelConfig] = {}
        self._default: dict[str, str] = {}
        self._live: OrderedDict[_Key, LoadedModel] = OrderedDict()
        self._loading: dict[_Key, asyncio.Task[LoadedModel]] = {}
        self._loader: ThreadPoolExecutor | None = None
        self.refused: dict[str, str] = {}

    def apply(self, config: ServingConfig) -> None:
        """Become what a configuration says; see ``plan``."""
        self.commit(self.plan(config))

    def plan(self, config: ServingConfig) -> ReloadPlan:
        """Load, warm up and verify what a configuration asks for; models that stay are not touched.

        Nothing changes before ``commit``, so this may run in a thread beside the requests. A version that cannot be
        loaded, or fails on its golden windows, is refused: its name goes on with the version before, and ``refused``
        says why.

        Raises:
            ZooError: A model without an earlier version is refused.
        """
        plan = ReloadPlan(config)
        for model in config.models:
            key = (model.name, model.versioned())
            try:
                if key in self._live and self._known.get(key) == model:
                    plan.live[key] = self._live[key]
                elif len(plan.live) < config.max_loaded:
                    plan.live[key] = self._load(config, model, key[1])
            except ZooError as error:
                if model.name not in self._default and model.name not in plan.default:
                    raise
                plan.refused[f"{model.name}@{key[1]}"] = error.message
                _log.error("refused %s@%s: %s", model.name, key[1], error.message)
                continue
            plan.known[key], plan.default[model.name] = model, key[1]
        for name, version in self._default.items():
            # The one that answers so far stays where its successor was refused.
            if name not in plan.default and any(m.name == name for m in config.models):
                plan.known[name, version], plan.default[name] = self._known[name, version], version
                if (name, version) in self._live:
                    plan.live[name, version] = self._live[name, version]
        return plan

    def commit(self, plan: ReloadPlan) -> None:
        """Answer by a plan from now on; requests under way keep the models that they have."""
        self._known, self._default, self._live = plan.known, plan.default, plan.live
        self._config, self.refused = plan.config, plan.refused

    def import_rest(self) -> None:
        """Import what only forecasts of unseen series need: seconds for which no first answer should wait.

        May run in a thread beside the requests.
        """
        for live in list(self._live.values()):
            live.served.import_libraries()

    def _load(self, config: ServingConfig, model: ModelConfig, version: str) -> LoadedModel:
        if model.digest is not None and version_of(model.source) != model.digest:
            raise ArtifactError(
                f"{model.name} must be the version {model.digest} that was asked for, but {model.source} holds another",
                "ask for it again: zoo serve",
            )
        served = Served.load(
            model.name, model.source, version=version, journal=config.journal(model), gap=config.limits.gap
        )
        served.history.open()
        warm_up(served)
        verify(served)
        return LoadedModel(served, model.max_batch, self._observed)

    @property
    def ready(self) -> bool:
        """Whether there is something to answer with."""
        return bool(self._default)

    @property
    def default(self) -> str:
        """The model that is meant where none is named: the first; empty if there is none yet."""
        return next(iter(self._default), "")

    @property
    def names(self) -> tuple[str, ...]:
        """All models."""
        return tuple(self._default)

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a model."""
        return tuple(version for known, version in self._known if known == name)

    def current(self, name: str) -> str:
        """Return the version that is meant by a bare name."""
        return self._default[name]

    def resolve(self, text: str | None) -> _Key:
        """Read ``name`` or ``name@version``.

        Raises:
            RequestError: There is no such model (404).
        """
        if not self._default:
            raise RequestError("a model must be deployed, but none is ready", "wait, or see /v1/models", status=503)
        if text is None:
            return self.default, self._default[self.default]
        name, _, version = text.partition("@")
        if name not in self._default or (version and (name, version) not in self._known):
            have = ", ".join(f"{n}@{v}" for n, v in self._known)
            raise RequestError(f"the model must be deployed, but {text!r} is not", f"deployed: {have}", "model", 404)
        return name, version or self._default[name]

    def loaded(self, key: _Key) -> LoadedModel | None:
        """Return a model if it is in memory, which is the usual case."""
        found = self._live.get(key)
        if found is not None:
            self._live.move_to_end(key)
        return found

    def by_text(self) -> dict[str | None, Served]:
        """Return the models in memory by all that requests may call them: ``name``, ``name@version``, None."""
        found: dict[str | None, Served] = {}
        for (name, version), loaded in self._live.items():
            found[f"{name}@{version}"] = loaded.served
            if self._default.get(name) == version:
                found[name] = loaded.served
        if self._default and self.default in found:
            found[None] = found[self.default]
        return found

    async def get(self, key: _Key) -> LoadedModel:
        """Return a model, loaded in a thread if need be; the least recently used one makes room.

        Raises:
            RequestError: It cannot be loaded (503).
        """
        found = self.loaded(key)
        if found is not None:
            return found
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.ensure_future(self._bring(key))
            task.add_done_callback(lambda _: self._loading.pop(key, None))
        # One client that goes away must not stop the loading for the others.
        return await asyncio.shield(task)

    async def _bring(self, key: _Key) -> LoadedModel:
        config, model = self._config, self._known[key]
        assert config is not None
        if self._loader is None:
            self._loader = ThreadPoolExecutor(1, thread_name_prefix="load")
        loop = asyncio.get_running_loop()
        try:
            live = await loop.run_in_executor(self._loader, self._load, config, model, key[1])
        except ZooError as error:
            raise RequestError(f"{key[0]} cannot be loaded: {error.message}", error.hint, "model", 503) from error
        if self._known.get(key) == model:
            self._live[key] = live
            while len(self._live) > config.max_loaded:
                self._live.popitem(last=False)
        return live

    def described(self) -> list[dict[str, Any]]:
        """Return what ``/v1/models`` tells of each version."""
        return [self._describe(key, model) for key, model in self._known.items()]

    def _describe(self, key: _Key, model: ModelConfig) -> dict[str, Any]:
        live = self._live.get(key)
        told: dict[str, Any] = {
            "name": key[0],
            "version": key[1],
            "default": self._default.get(key[0]) == key[1],
            "loaded": live is not None,
        }
        if live is None:
            return told
        served = live.served
        names = served.pipeline.schema.layout.columns
        if served.history.damaged:
            told["damaged"] = list(served.history.damaged)
        return told | {
            "horizon": served.horizon,
            "quantiles": list(served.levels),
            "freq": served.clock.freq.alias or served.clock.freq.step,
            "members": {name: round(weight, 6) for name, weight in served.weights.items()},
            "known": list(names.known),
            "past": list(names.past),
            "static": [*names.static, *served.pipeline.schema.static],
            "series": len(served.history.ids),
            **({"key": list(names.key)} if names.key else {}),
            "example_ids": list(served.history.ids[:20]),
            "last_time": served.clock.write(max(served.history.end, served.history.newest or served.history.end)),
        }

    @property
    def live(self) -> Mapping[_Key, LoadedModel]:
        """What is in memory."""
        return self._live
