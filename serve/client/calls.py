"""How the calls of a client are written and their answers read, whoever sends them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from serve.client.arrow import ARROW, from_arrow, to_arrow
from serve.client.frames import Columns, Forecasts, dumps, series_of
from serve.client.retries import Attempts, RetryPolicy, error_of
from zoo.errors import ClusterError, ConfigError, DataError

if TYPE_CHECKING:
    import httpx
    import pandas as pd

__all__ = ["Combine", "Data", "EndpointCall", "EndpointCalls"]

Combine: TypeAlias = Literal["ensemble", "mean", "median", "weighted", "none"]
#: A long table; the wire's own series; or the ids of series whose state the server keeps.
Data: TypeAlias = "pd.DataFrame | Sequence[Mapping[str, Any]] | Sequence[str]"

# Rows from which a table goes as Arrow: reading the same numbers from JSON takes the server some twenty times longer.
_ARROW_ROWS = 20_000


@dataclass(frozen=True)
class EndpointCall:
    """One request, ready to be sent as often as needed."""

    method: str
    path: str
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)


class EndpointCalls:
    """What both clients know: how requests are written and answers are read; see ``Client`` for the arguments."""

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

    def _sending(self, call: EndpointCall, attempts: Attempts) -> dict[str, Any]:
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

    def _forecast_call(self, data: Data, options: Mapping[str, Any], columns: Columns, future: Any) -> EndpointCall:
        import pandas as pd

        asked = {name: value for name, value in options.items() if value is not None}
        headers = {"x-request-id": uuid.uuid4().hex, "content-type": "application/json"}
        if isinstance(data, pd.DataFrame):
            if (
                len(data) >= _ARROW_ROWS
                and len(columns.ids) == 1
                and columns.time
                and not (columns.known or columns.static)
            ):
                params = {k: ",".join(map(str, v)) if isinstance(v, list) else str(v) for k, v in asked.items()}
                accept = {"content-type": ARROW, "accept": f"{ARROW}, application/json"}
                return EndpointCall("POST", "/v1/forecast", to_arrow(data, columns), headers | accept, params)
            series = series_of(data, columns, future)
        else:
            series = [{"id": one} if isinstance(one, str) else dict(one) for one in data]
        return EndpointCall("POST", "/v1/forecast", dumps({"series": series, **asked}), headers)

    def _read_forecasts(self, response: httpx.Response, columns: Columns) -> Forecasts:
        if response.headers.get("content-type", "").startswith(ARROW):
            body = from_arrow(response.content)
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

    def _observe_call(self, data: Any, columns: Columns) -> EndpointCall:
        rows = _observations(data, columns)
        # One name for all attempts: an answer that was lost on its way does not make them count twice.
        body = {"observations": rows, "observation_id": uuid.uuid4().hex}
        return EndpointCall("POST", "/v1/observe", dumps(body), {"content-type": "application/json"})


def _observations(data: Any, columns: Columns) -> list[dict[str, Any]]:
    import pandas as pd

    if not isinstance(data, pd.DataFrame):
        return [dict(row) for row in data]
    if columns.time is None:
        raise DataError("observations must have a time, but the table has no such column", "Columns(time=...)")
    rows = series_of(data[[c for c in (*columns.ids, columns.time, columns.target) if c]], columns)
    return [{"id": one["id"], "time": t, "y": y} for one in rows for t, y in zip(one["time"], one["y"], strict=True)]
