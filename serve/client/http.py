"""A client of the endpoint, sync and async: DataFrames in and out, retries, deadlines, typed errors."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from serve.client.frames import Columns, Forecasts, dumps, series_of, times_of
from serve.client.retries import Attempts, RetryPolicy, error_of
from serve.client.tidy import tidy
from zoo.errors import ClusterError, ConfigError, DataError

if TYPE_CHECKING:
    import httpx
    import pandas as pd

__all__ = ["ARROW", "AsyncClient", "Client", "Combine", "Data"]

Combine: TypeAlias = Literal["ensemble", "mean", "median", "weighted", "none"]
#: A long table; the wire's own series; or the ids of series whose state the server keeps.
Data: TypeAlias = "pd.DataFrame | Sequence[Mapping[str, Any]] | Sequence[str]"

ARROW = "application/vnd.apache.arrow.stream"
# Rows from which a table goes as Arrow: reading the same numbers from JSON takes the server some twenty times longer.
_MANY_ROWS = 20_000


@dataclass(frozen=True)
class _Call:
    """One request, ready to be sent as often as needed."""

    method: str
    path: str
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)


class _Shared:
    """What both clients know: how requests are written and answers are read."""

    def __init__(
        self, url: str, *, token: str | None = None, timeout: float = 30.0, retry: RetryPolicy | None = None
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"a URL must begin with http:// or https://, but got {url!r}", "http://127.0.0.1:8000")
        if not timeout > 0:
            raise ConfigError(f"timeout must be seconds above 0, but got {timeout!r}", "30 is the default")
        self.url, self.timeout, self.retry = url.rstrip("/"), timeout, retry or RetryPolicy()
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}

    def _attempts(self, timeout: float | None) -> Attempts:
        return Attempts(self.retry, self.timeout if timeout is None else timeout)

    def _sending(self, call: _Call, attempts: Attempts) -> dict[str, Any]:
        """Return the arguments of httpx for the next attempt; the server is told how long it is worth its while."""
        left = attempts.remaining
        headers = {**self._headers, **call.headers, "x-request-timeout-ms": f"{1000 * left:.0f}"}
        return {
            "method": call.method,
            "url": self.url + call.path,
            "content": call.content or None,
            "headers": headers,
            "params": dict(call.params) or None,
            "timeout": left,
        }

    def _failed(self, response: httpx.Response) -> Any:
        try:
            body = response.json()
        except ValueError:
            body = None
        return error_of(response.status_code, body, self.url)

    def _lost(self, error: Exception) -> ClusterError:
        return ClusterError(
            f"{self.url} must answer, but {type(error).__name__}: {error or 'no answer in time'}",
            "see whether the server runs (`zoo serve status`), or raise timeout=",
        )

    def _forecast_call(self, data: Data, options: Mapping[str, Any], columns: Columns, future: Any) -> _Call:
        import pandas as pd

        asked = {name: value for name, value in options.items() if value is not None}
        headers = {"x-request-id": uuid.uuid4().hex, "content-type": "application/json"}
        if isinstance(data, pd.DataFrame):
            if (
                len(data) >= _MANY_ROWS
                and len(columns.ids) == 1
                and columns.time
                and not (columns.known or columns.static)
            ):
                params = {k: ",".join(map(str, v)) if isinstance(v, list) else str(v) for k, v in asked.items()}
                accept = {"content-type": ARROW, "accept": f"{ARROW}, application/json"}
                return _Call("POST", "/v1/forecast", _to_arrow(data, columns), headers | accept, params)
            series = series_of(data, columns, future)
        else:
            series = [{"id": one} if isinstance(one, str) else dict(one) for one in data]
        return _Call("POST", "/v1/forecast", dumps({"series": series, **asked}), headers)

    def _read_forecasts(self, response: httpx.Response, columns: Columns) -> Forecasts:
        if response.headers.get("content-type", "").startswith(ARROW):
            body = _from_arrow(response.content)
        else:
            body = response.json()
        got = {name: response.headers.get(name, "") for name in ("x-request-id", "x-model-version")}
        levels = tuple(float(q) for q in body.get("quantiles", ()))
        version = str(body.get("model_version", got["x-model-version"]))
        request_id = str(body.get("request_id", got["x-request-id"]))
        table = body.pop("frame", None)
        if table is not None:
            table = table.rename(
                columns={"id": columns.ids[0] if columns.ids else "unique_id", "time": columns.time or "ds"}
            )
        return Forecasts(str(body.get("model", "")), version, request_id, levels, body, columns, table)

    def _observe_call(self, data: Any, columns: Columns) -> _Call:
        rows = _observations(data, columns)
        # One name for all attempts: an answer that was lost on its way does not make them count twice.
        body = {"observations": rows, "observation_id": uuid.uuid4().hex}
        return _Call("POST", "/v1/observe", dumps(body), {"content-type": "application/json"})


def _options(
    horizon: int | None,
    quantiles: Sequence[float] | None,
    model: str | None,
    models: Sequence[str] | Literal["all"] | None,
    combine: Combine | None,
) -> dict[str, Any]:
    return {
        "horizon": horizon,
        "quantiles": None if quantiles is None else [float(q) for q in quantiles],
        "model": model,
        "models": models if models is None or isinstance(models, str) else list(models),
        "combine": combine,
    }


def _found(data: Any, columns: Columns | None) -> Columns:
    import pandas as pd

    given = columns or Columns()
    return given.found(data) if isinstance(data, pd.DataFrame) else given


class Client(_Shared):
    """Asks an endpoint for forecasts.

    Busy answers (429, 503) and lost connections are tried again with growing, random waits, never sooner than the
    server's ``Retry-After``, and never beyond the timeout. That is safe: a forecast changes nothing, and the server
    counts each observation once.

    Args:
        url: Of the endpoint, ``http://127.0.0.1:8000``.
        token: Sent as a bearer token.
        timeout: Seconds for a call with all its attempts; the server stops working on it then, too.
        retry: How often.
        transport: In place of the network, for tests: ``httpx.ASGITransport`` or ``httpx.MockTransport``.

    Raises:
        ConfigError: The URL or the timeout cannot be.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        retry: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        import httpx

        super().__init__(url, token=token, timeout=timeout, retry=retry)
        self._http = httpx.Client(transport=transport)

    def forecast(
        self,
        data: Data,
        horizon: int | None = None,
        *,
        quantiles: Sequence[float] | None = None,
        model: str | None = None,
        models: Sequence[str] | Literal["all"] | None = None,
        combine: Combine | None = None,
        columns: Columns | None = None,
        future: pd.DataFrame | None = None,
    ) -> Forecasts:
        """Ask for a forecast of each series.

        Args:
            data: A long table, series in the wire's form, or the ids of series that the server knows.
            horizon: Steps; the pipeline's own where not given.
            quantiles: Levels; the pipeline's own where not given.
            model: ``name`` or ``name@version``.
            models: Several at once.
            combine: What becomes of several models' answers.
            columns: The table's column names.
            future: Known covariates over the horizon.

        Returns:
            The answer; ``.frame`` is the table, ``.errors`` the series that could not be forecast.

        Raises:
            DataError: The data cannot be used.
            ConfigError: The model or the token is unknown.
            ClusterError: No answer in time.
            ModelError: The server has a fault.
        """
        found = _found(data, columns)
        call = self._forecast_call(data, _options(horizon, quantiles, model, models, combine), found, future)
        return self._read_forecasts(self._send(call), found)

    def observe(self, data: Any, *, columns: Columns | None = None) -> dict[str, int]:
        """Tell what came: a long table, or ``[{"id", "time", "y"}, ...]``.

        Returns:
            ``accepted``, ``duplicates``, ``late``.
        """
        told: dict[str, int] = self._send(self._observe_call(data, _found(data, columns))).json()
        return told

    def models(self) -> dict[str, Any]:
        """Return what is served."""
        told: dict[str, Any] = self._send(_Call("GET", "/v1/models")).json()
        return told

    def ready(self, timeout: float = 0.0) -> bool:
        """Whether the endpoint answers, waiting up to ``timeout`` seconds for it."""
        import httpx

        until = time.monotonic() + timeout
        while True:
            try:
                if self._http.get(f"{self.url}/v2/health/ready", headers=self._headers, timeout=2.0).is_success:
                    return True
            except httpx.TransportError:
                pass
            if time.monotonic() >= until:
                return False
            time.sleep(0.05)

    def _send(self, call: _Call) -> httpx.Response:
        import httpx

        attempts = self._attempts(None)
        while True:
            try:
                response = self._http.request(**self._sending(call, attempts))
            except httpx.TransportError as error:
                wait = attempts.wait(self._lost(error))
            else:
                if response.status_code < 400:
                    return response
                wait = attempts.wait(self._failed(response), response.headers.get("retry-after"))
            time.sleep(wait)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Shared):
    """The same for asyncio; see ``Client``."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        retry: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        import httpx

        super().__init__(url, token=token, timeout=timeout, retry=retry)
        self._http = httpx.AsyncClient(transport=transport)

    async def forecast(
        self,
        data: Data,
        horizon: int | None = None,
        *,
        quantiles: Sequence[float] | None = None,
        model: str | None = None,
        models: Sequence[str] | Literal["all"] | None = None,
        combine: Combine | None = None,
        columns: Columns | None = None,
        future: pd.DataFrame | None = None,
    ) -> Forecasts:
        """See ``Client.forecast``."""
        found = _found(data, columns)
        call = self._forecast_call(data, _options(horizon, quantiles, model, models, combine), found, future)
        return self._read_forecasts(await self._send(call), found)

    async def observe(self, data: Any, *, columns: Columns | None = None) -> dict[str, int]:
        """See ``Client.observe``."""
        told: dict[str, int] = (await self._send(self._observe_call(data, _found(data, columns)))).json()
        return told

    async def models(self) -> dict[str, Any]:
        """Return what is served."""
        told: dict[str, Any] = (await self._send(_Call("GET", "/v1/models"))).json()
        return told

    async def _send(self, call: _Call) -> httpx.Response:
        import httpx

        attempts = self._attempts(None)
        while True:
            try:
                response = await self._http.request(**self._sending(call, attempts))
            except httpx.TransportError as error:
                wait = attempts.wait(self._lost(error))
            else:
                if response.status_code < 400:
                    return response
                wait = attempts.wait(self._failed(response), response.headers.get("retry-after"))
            await asyncio.sleep(wait)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()


def _observations(data: Any, columns: Columns) -> list[dict[str, Any]]:
    import pandas as pd

    if not isinstance(data, pd.DataFrame):
        return [dict(row) for row in data]
    if columns.time is None:
        raise DataError("observations must have a time, but the table has no such column", "Columns(time=...)")
    rows = series_of(data[[c for c in (*columns.ids, columns.time, columns.target) if c]], columns)
    return [{"id": one["id"], "time": t, "y": y} for one in rows for t, y in zip(one["time"], one["y"], strict=True)]


def _to_arrow(frame: pd.DataFrame, columns: Columns) -> bytes:
    """Return the table as an Arrow stream, a row per value: ``id``, ``time``, ``y`` and ``past_NAME``."""
    import pyarrow as pa

    rows = tidy(frame, columns)
    named = {columns.ids[0]: "id", columns.time: "time", columns.target: "y"}
    table = pa.table(
        {
            named.get(name, f"past_{name}"): pa.array(rows[name], from_pandas=True, type=_type(rows[name]))
            for name in rows.columns
        }
    )
    return _stream(table)


def _type(column: pd.Series[Any]) -> Any:
    """Return the type of a tidy column; of one without any value it cannot be seen."""
    import pyarrow as pa

    return pa.string() if column.dtype == object else None


def _stream(table: Any) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _from_arrow(body: bytes) -> dict[str, Any]:
    """Return an Arrow answer in the wire's form: rows of one series lie together."""
    import json

    import pyarrow as pa

    with pa.ipc.open_stream(body) as reader:
        table = reader.read_all()
    told = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    frame = table.to_pandas()
    frame["id"] = frame["id"].astype(object)
    # As an answer in JSON has them: moments if they are, else the model's own writing; several models at the end.
    frame["time"] = times_of(frame["time"].tolist()) if frame["time"].dtype == object else frame["time"]
    if "model" in frame:
        frame["model"] = frame.pop("model").astype(object)
    levels = [name for name in frame.columns if name not in ("model", "id", "time", "mean")]
    return {
        "model": told.get("model", ""),
        "model_version": told.get("model_version", ""),
        "request_id": told.get("request_id", ""),
        "quantiles": json.loads(told["quantiles"]) if "quantiles" in told else [float(q) for q in levels],
        "errors": json.loads(told.get("errors", "[]")),
        "frame": frame,
    }
