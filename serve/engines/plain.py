"""The engine without routes: which models are meant, read the series, forecast together with others, combine."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np

from autots.ensembles import average
from autots.panel import Floats, Future, Panel
from serve.engines.base import Asker
from serve.protocol.answer import Answer, ModelForecasts
from serve.protocol.errors import RequestError
from serve.protocol.request import ForecastRequest, ObservationBody, ObserveBody, RequestLimits, Series
from serve.runtime.config import ServingConfig
from serve.runtime.finite import checked, overflowed
from serve.runtime.history import Counts
from serve.runtime.journal import CORRECT, WITHDRAW, Row
from serve.runtime.model import ForecastBlock, Served
from serve.runtime.read import Ready
from serve.runtime.store import LoadedModel, ModelStore, ReloadPlan

__all__ = ["PlainEngine"]

# Actuals of one request that are taken in within the event loop; more would be felt by the others.
_INLINE_ACTUALS = 100
# Values of the target that are read in the event loop.
_INLINE_VALUES = 20_000
# Characters of an id.
_MAX_ID_LENGTH = 500
# An actual of a larger absolute value is tried out before it is taken in.
_PLAIN_VALUE = 1e15


_NOBODY = Asker()


@dataclass(frozen=True)
class _Participant:
    """A model, or a member of one, that takes part in an answer."""

    live: LoadedModel
    member: str | None

    @property
    def served(self) -> Served:
        return self.live.served

    @property
    def name(self) -> str:
        return self.served.name if self.member is None else f"{self.served.name}/{self.member}"


class PlainEngine:
    """Answers requests with the models of a store; see ``serve.engines.base`` for the contract.

    Args:
        store: The models, which ``commit`` replaces.
        limits: What one request may ask for until a configuration says otherwise.
    """

    def __init__(self, store: ModelStore, limits: RequestLimits | None = None) -> None:
        self.store, self.limits = store, limits or RequestLimits()

    def prepare(self, config: ServingConfig) -> ReloadPlan:
        """Load and verify the models of a configuration; see ``ModelStore.plan``."""
        return self.store.plan(config)

    def commit(self, plan: ReloadPlan) -> None:
        """Answer with the models, and within the limits, of a plan."""
        self.store.commit(plan)
        self.limits = plan.config.limits.limits()

    async def routes(self) -> dict[str, Any]:
        """Return an empty table: a name means its newest version."""
        return {"routes": {}, "revision": 0, "waiting": 0}

    async def forecast(self, request: ForecastRequest, asker: Asker = _NOBODY) -> Answer:
        """Forecast every series that can be forecast.

        Args:
            request: What was asked, read from any protocol.
            asker: Who asks; of interest here is the timeout alone.

        Raises:
            RequestError: No series can be forecast, or the request as a whole cannot be answered.
        """
        deadline = None if asker.timeout is None else asyncio.get_running_loop().time() + asker.timeout
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
        waiting = [
            part.live.batcher(part.member).submit(*_chosen(read[part.served], ready.rows), deadline=deadline)
            for part in parts
        ]
        try:
            answers = [await waiting[0]] if len(waiting) == 1 else list(await asyncio.gather(*waiting))
        except RequestError as error:
            raise overflowed(error, ready) from error
        ready, blocks = checked(ready, answers, [part.name for part in parts])
        if ready.panel is None:
            raise _nothing(ready)
        return self._answer(request, parts, blocks, ready, horizon, levels)

    async def _parts(self, request: ForecastRequest) -> list[_Participant]:
        """Return who takes part."""
        split = request.combine in ("mean", "median", "weighted", "none")
        if request.models is None and not split:
            key = self.store.resolve(request.model)
            return [_Participant(self.store.loaded(key) or await self.store.get(key), None)]
        if request.models == "all" and request.model is None:
            keys = [self.store.resolve(name) for name in self.store.names]
            return [_Participant(await self.store.get(key), None) for key in keys]
        if request.models is None or request.models == "all":
            live = await self.store.get(self.store.resolve(request.model))
            return [_Participant(live, member) for member in live.served.members]
        if not request.models:
            raise RequestError("models must name a model, but it is empty", 'or say "all"', "models")
        return [await self._part(name, request.model) for name in dict.fromkeys(request.models)]

    async def _part(self, name: str, model: str | None) -> _Participant:
        """Read the name of a model (``a``, ``a@2``), or of a member (``a/auto_ets``, or ``auto_ets`` of ``model``)."""
        owner, _, member = name.partition("/")
        if not member and owner.partition("@")[0] not in self.store.names:
            live = await self.store.get(self.store.resolve(model))
            if owner in live.served.members:
                return _Participant(live, owner)
        live = await self.store.get(self.store.resolve(owner))
        if member and member not in live.served.members:
            raise RequestError(
                f"a member must be part of {owner!r}, but {member!r} is not",
                f"members: {', '.join(live.served.members)}",
                "models",
                404,
            )
        return _Participant(live, member or None)

    def _answer(
        self,
        request: ForecastRequest,
        parts: Sequence[_Participant],
        blocks: Sequence[ForecastBlock],
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
            separate = [
                ModelForecasts(part.name, part.served.version, ids, times, cut.mean, cut.quantiles, keys)
                for part, cut in ((p, b.cut(horizon, levels)) for p, b in zip(parts, blocks, strict=True))
            ]
            return Answer(levels, separate, True, errors, used)
        if len(parts) == 1:
            block = blocks[0].cut(horizon, levels)
            name = parts[0].name
        else:
            block = _combined(request, parts, [b.cut(horizon, b.levels) for b in blocks], levels)
            name = "+".join(dict.fromkeys(part.served.name for part in parts))
        version = "+".join(dict.fromkeys(part.served.version for part in parts))
        whole = ModelForecasts(name, version, ids, times, block.mean, block.quantiles, keys)
        return Answer(levels, [whole], False, errors, used)

    async def observe(self, body: ObserveBody, asker: Asker = _NOBODY) -> Counts:
        """Take in actuals, and changes of those told before.

        Args:
            body: The actuals, and the model whose series they belong to.
            asker: Who sends them; the name of the token is kept in the journal.

        Raises:
            RequestError: A row cannot be read, lies too far ahead, or would spoil its series; nothing was taken in.
        """
        live = await self.store.get(self.store.resolve(body.model))
        served = live.served
        if served.raw:
            raise RequestError(
                "this model makes its columns from raw rows, and takes no actuals",
                "send the newest rows with each request, or update() the pipeline and serve it again",
                "model",
            )
        few = len(body.observations) < _INLINE_ACTUALS
        # Thousands of actuals take seconds to be read: beside the loop, as is what is done with them.
        rows = self._rows(served, body) if few else await asyncio.to_thread(self._rows, served, body)
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        who = "/".join(filter(None, (asker.name, body.by)))
        history = served.history
        observe = partial(history.observe, body.observation_id, rows, at=at, by=who)
        # The few of one moment in the loop; what may take long beside it.
        short = few and not history.changing and all(len(row) == 5 for row in rows)
        try:
            return observe() if short else await asyncio.to_thread(observe)
        except OSError as error:
            raise _unwritten(error) from error

    def _rows(self, served: Served, body: ObserveBody) -> list[Row]:
        return [self._row(served, one, f"observations[{i}]") for i, one in enumerate(body.observations)]

    def _row(self, served: Served, one: ObservationBody, where: str) -> Row:
        id_ = served.label(one.id, f"{where}.id") if one.id is not None else served.history.single
        if id_ is None:
            raise RequestError("an actual must name its series, but has no id", "", f"{where}.id")
        try:
            moment = served.clock.first(one.time)
        except RequestError as error:
            raise RequestError(error.message, error.hint, f"{where}.time") from None
        if len(id_) > _MAX_ID_LENGTH:
            raise RequestError(f"an id must have at most {_MAX_ID_LENGTH} characters", "", f"{where}.id")
        if one.withdraw:
            return (id_, moment, None, {}, {}, WITHDRAW)
        if one.y is None:
            raise RequestError("an actual must have a value, but y is null",
                               "send it when it is known; withdraw takes one back", f"{where}.y")  # fmt: skip
        if abs(one.y) > _PLAIN_VALUE and not served.bears(id_, one.y):
            raise RequestError(
                f"an actual must leave its series' forecasts finite, but {one.y:g} does not", "check y", f"{where}.y"
            )
        covariates = served.covariates({**one.known, **one.past}, where)
        row: Row = (id_, moment, one.y, covariates, {})
        return (*row, CORRECT) if one.correct else row


def _unwritten(error: OSError) -> RequestError:
    """Return what is told where the journal cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return RequestError(
        f"actuals must be kept, but the server's disk says: {error.strerror or error}",
        "nothing was taken in; free space in the state folder, and send them again",
        "",
        507 if full else 500,
    )


async def _read(served: Served, series: Sequence[Series]) -> Ready:
    # Times and covariates are read one by one: a moment for a few series, seconds for millions of values.
    if served.raw or sum(1 if one.y is None else len(one.y) for one in series) > _INLINE_VALUES:
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
    request: ForecastRequest, parts: Sequence[_Participant], blocks: Sequence[ForecastBlock], levels: tuple[float, ...]
) -> ForecastBlock:
    """Make one forecast of several."""
    # The median is needed to lay quantiles around.
    wanted = tuple(sorted({*levels, 0.5}))
    cut = [block.cut(block.mean.shape[1], wanted) for block in blocks]
    means, quantiles = [b.mean for b in cut], [b.quantiles for b in cut]
    weights = _weights(request, parts)
    middle = wanted.index(0.5)
    mean: Floats
    if request.combine == "ensemble":
        mean, combined = average(means, quantiles, [(float(w), float(w)) for w in weights], middle)
    elif request.combine == "median":
        mean, combined = np.median(means, axis=0), np.median(quantiles, axis=0)
    else:
        mean = np.tensordot(weights, np.stack(means), 1)
        combined = np.tensordot(weights, np.stack(quantiles), 1)
    return ForecastBlock(mean, combined, wanted).cut(mean.shape[1], levels)


def _weights(request: ForecastRequest, parts: Sequence[_Participant]) -> Floats:
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
