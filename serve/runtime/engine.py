"""From a request to an answer: which models, read, forecast together with others, combine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autots.ensembles import average
from autots.panel import Floats, Future, Panel
from serve.protocol.answer import Answer, Forecasts
from serve.protocol.errors import RequestError
from serve.protocol.request import ForecastRequest, Limits, ObserveBody, Series
from serve.runtime.history import Counts
from serve.runtime.journal import Row
from serve.runtime.model import Block, Served
from serve.runtime.read import Ready
from serve.runtime.store import Live, Store

__all__ = ["Engine"]


@dataclass(frozen=True)
class _Part:
    """A model, or a member of one, that takes part in an answer."""

    live: Live
    member: str | None

    @property
    def served(self) -> Served:
        return self.live.served

    @property
    def name(self) -> str:
        return self.served.name if self.member is None else f"{self.served.name}/{self.member}"


class Engine:
    """Answers requests with the models of a store.

    Args:
        store: The models.
        limits: Of a request.
    """

    def __init__(self, store: Store, limits: Limits) -> None:
        self.store, self.limits = store, limits

    async def forecast(self, request: ForecastRequest, *, timeout: float | None = None) -> Answer:
        """Forecast every series that can be forecast.

        Args:
            request: What was asked.
            timeout: Seconds after which nobody wants the answer.

        Raises:
            RequestError: No series can be forecast, or the request as a whole cannot be answered.
        """
        deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        parts = await self._parts(request)
        first = parts[0].served
        horizon, levels = first.check(request.horizon, request.quantiles)
        for part in parts[1:]:
            part.served.check(horizon, levels)
        if horizon > self.limits.horizon:
            raise RequestError(f"at most {self.limits.horizon} steps, but got {horizon}", "", "horizon", 413)
        read: dict[Served, Ready] = {}
        for part in parts:
            if part.served not in read:
                read[part.served] = await _read(part.served, request.series)
        ready = _common(list(read.values()))
        if ready.panel is None:
            raise _nothing(ready)
        if len(parts) == 1:
            blocks = [await parts[0].live.batcher(parts[0].member).submit(ready.panel, ready.future, deadline=deadline)]
        else:
            blocks = list(
                await asyncio.gather(
                    *(
                        part.live.batcher(part.member).submit(
                            *_chosen(read[part.served], ready.rows), deadline=deadline
                        )
                        for part in parts
                    )
                )
            )
        return self._answer(request, parts, blocks, ready, horizon, levels)

    async def _parts(self, request: ForecastRequest) -> list[_Part]:
        """Return who takes part."""
        split = request.combine in ("mean", "median", "weighted", "none")
        if request.models is None and not split:
            key = self.store.resolve(request.model)
            return [_Part(self.store.loaded(key) or await self.store.get(key), None)]
        if request.models == "all" and request.model is None:
            keys = [self.store.resolve(name) for name in self.store.names]
            return [_Part(await self.store.get(key), None) for key in keys]
        if request.models is None or request.models == "all":
            live = await self.store.get(self.store.resolve(request.model))
            return [_Part(live, member) for member in live.served.members]
        if not request.models:
            raise RequestError("models must name a model, but it is empty", 'or say "all"', "models")
        return [await self._part(name, request.model) for name in dict.fromkeys(request.models)]

    async def _part(self, name: str, model: str | None) -> _Part:
        """Read the name of a model (``a``, ``a@2``), or of a member (``a/auto_ets``, or ``auto_ets`` of ``model``)."""
        owner, _, member = name.partition("/")
        if not member and owner.partition("@")[0] not in self.store.names:
            live = await self.store.get(self.store.resolve(model))
            if owner in live.served.members:
                return _Part(live, owner)
        live = await self.store.get(self.store.resolve(owner))
        if member and member not in live.served.members:
            raise RequestError(
                f"a member must be part of {owner!r}, but {member!r} is not",
                f"members: {', '.join(live.served.members)}",
                "models",
                404,
            )
        return _Part(live, member or None)

    def _answer(
        self,
        request: ForecastRequest,
        parts: Sequence[_Part],
        blocks: Sequence[Block],
        ready: Ready,
        horizon: int,
        levels: tuple[float, ...],
    ) -> Answer:
        assert ready.panel is not None
        served, panel = parts[0].served, ready.panel
        lasts = panel.last_times.view(np.int64).tolist()
        times = [served.clock.ahead(last, horizon) for last in lasts]
        ids = [str(id_) for id_ in panel.ids]
        keys = [request.series[row].key for row in ready.rows]
        keys = keys if any(key is not None for key in keys) else []
        errors = {i: (request.series[i].key or request.series[i].id, error) for i, error in ready.errors.items()}
        used = tuple(part.name for part in parts)
        if request.combine == "none":
            made = [
                Forecasts(part.name, part.served.version, ids, times, cut.mean, cut.quantiles, keys)
                for part, cut in ((p, b.cut(horizon, levels)) for p, b in zip(parts, blocks, strict=True))
            ]
            return Answer(levels, made, True, errors, used)
        if len(parts) == 1:
            block = blocks[0].cut(horizon, levels)
            name = parts[0].name
        else:
            block = _combined(request, parts, [b.cut(horizon, b.levels) for b in blocks], levels)
            name = "+".join(dict.fromkeys(part.served.name for part in parts))
        version = "+".join(dict.fromkeys(part.served.version for part in parts))
        made = [Forecasts(name, version, ids, times, block.mean, block.quantiles, keys)]
        return Answer(levels, made, False, errors, used)

    async def observe(self, body: ObserveBody) -> Counts:
        """Take in actuals.

        Raises:
            RequestError: A time cannot be read, or lies too far ahead; nothing was taken in.
        """
        key = self.store.resolve(body.model)
        live = await self.store.get(key)
        served = live.served
        if served.raw:
            raise RequestError(
                "this model makes its columns from raw rows, and takes no actuals",
                "send the newest rows with each request, or update() the pipeline and serve it again",
                "model",
            )
        if len(body.observations) < _OBSERVED:
            return served.history.observe(body.observation_id, _rows(served, body))
        return await asyncio.to_thread(lambda: served.history.observe(body.observation_id, _rows(served, body)))


def _rows(served: Served, body: ObserveBody) -> list[Row]:
    """Return the actuals of a request."""
    rows: list[Row] = []
    for i, one in enumerate(body.observations):
        id_ = served.label(one.id, f"observations[{i}].id") if one.id is not None else served.history.single
        if id_ is None:
            raise RequestError("an actual must name its series, but has no id", "", f"observations[{i}].id")
        try:
            moment = served.clock.first(one.time)
        except RequestError as error:
            raise RequestError(error.message, error.hint, f"observations[{i}].time") from None
        if one.y is None:
            raise RequestError("an actual must have a value, but y is null", "send it when it is known",
                               f"observations[{i}].y")  # fmt: skip
        covariates = served.covariates({**one.known, **one.past}, f"observations[{i}]")
        rows.append((id_, moment, one.y, covariates, {}))
    return rows


#: Values of the target, and actuals, that are read in the event loop.
_LARGE, _OBSERVED = 20_000, 100


async def _read(served: Served, series: Sequence[Series]) -> Ready:
    # Times and covariates are read one by one: a moment for a few series, seconds for millions of values.
    if served.raw or sum(1 if one.y is None else len(one.y) for one in series) > _LARGE:
        return await asyncio.to_thread(served.read, series)
    return served.read(series)


def _common(read: list[Ready]) -> Ready:
    """Return the first model's reading, of the series that all models can read."""
    if len(read) == 1:
        return read[0]
    rows = sorted(set.intersection(*(set(one.rows) for one in read)))
    errors = {i: error for one in reversed(read) for i, error in one.errors.items()}
    if not rows:
        return Ready(None, read[0].future, rows, errors)
    panel, future = _chosen(read[0], rows)
    return Ready(panel, future, rows, errors)


def _chosen(ready: Ready, rows: Sequence[int]) -> tuple[Panel, Future]:
    assert ready.panel is not None
    if list(rows) == ready.rows:
        return ready.panel, ready.future
    at = np.array([ready.rows.index(row) for row in rows], dtype=np.intp)
    return ready.panel.select(at), ready.future.select(at)


def _nothing(ready: Ready) -> RequestError:
    first = next(iter(ready.errors.values()))
    if len(ready.errors) == 1:
        return first
    return RequestError(
        f"none of {len(ready.errors)} series can be forecast, the first because: {first.message}",
        first.hint,
        first.where,
        first.status,
    )


def _combined(
    request: ForecastRequest, parts: Sequence[_Part], blocks: Sequence[Block], levels: tuple[float, ...]
) -> Block:
    """Make one forecast of several."""
    # The median is needed to lay quantiles around.
    wanted = tuple(sorted({*levels, 0.5}))
    cut = [block.cut(block.mean.shape[1], wanted) for block in blocks]
    means, quantiles = [b.mean for b in cut], [b.quantiles for b in cut]
    weights = _weights(request, parts)
    middle = wanted.index(0.5)
    mean: Floats
    if request.combine == "ensemble":
        mean, made = average(means, quantiles, [(float(w), float(w)) for w in weights], middle)
    elif request.combine == "median":
        mean, made = np.median(means, axis=0), np.median(quantiles, axis=0)
    else:
        mean = np.tensordot(weights, np.stack(means), 1)
        made = np.tensordot(weights, np.stack(quantiles), 1)
    return Block(mean, made, wanted).cut(mean.shape[1], levels)


def _weights(request: ForecastRequest, parts: Sequence[_Part]) -> Floats:
    """Return weights that sum to one: those of the request, else of the fit, else equal ones."""
    if request.combine == "weighted" and request.weights is not None:
        unknown = set(request.weights) - {part.name for part in parts} - {part.member for part in parts}
        if unknown:
            raise RequestError(
                f"weights must name models of the request, but {sorted(map(str, unknown))} are not", "", "weights"
            )
        given = [request.weights.get(p.name, request.weights.get(p.member or "", 0.0)) for p in parts]
    elif request.combine == "weighted" and all(part.member is not None for part in parts):
        given = [part.served.weights[part.member or ""] for part in parts]
    else:
        given = [1.0] * len(parts)
    if sum(given) <= 0:
        raise RequestError("weights must have a positive sum, but it is 0", "", "weights")
    return np.array(given) / sum(given)
