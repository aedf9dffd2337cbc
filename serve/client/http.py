"""A client of the endpoint, sync and async: DataFrames in and out, retries, deadlines, typed errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from serve.client.calls import Combine, Data, EndpointCall, EndpointCalls
from serve.client.frames import Columns, Forecasts
from serve.client.retries import RetryPolicy

if TYPE_CHECKING:
    import httpx
    import pandas as pd

__all__ = ["AsyncClient", "Client", "Combine", "Data"]


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


class Client(EndpointCalls):
    """Asks an endpoint for forecasts.

    Busy answers (429, 503) and lost connections are tried again with growing, random waits, never sooner than the
    server's ``Retry-After``, and never beyond the timeout. That is safe: a forecast changes nothing, and the server
    counts each observation once.

    Args:
        url: Of the endpoint, ``http://127.0.0.1:8000``.
        token: Sent as a bearer token.
        timeout: Seconds for a call with all its attempts; the server stops working on it then, too.
        retry: How often and how patiently is asked again; six attempts if left out.
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
            model: ``name`` or ``name@version``; the server's first model where not given.
            models: Several models that answer at once, or ``"all"``.
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
        told: dict[str, Any] = self._send(EndpointCall("GET", "/v1/models")).json()
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

    def _send(self, call: EndpointCall) -> httpx.Response:
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

    def __exit__(self, *error: object) -> None:
        self.close()


class AsyncClient(EndpointCalls):
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
        told: dict[str, Any] = (await self._send(EndpointCall("GET", "/v1/models"))).json()
        return told

    async def _send(self, call: EndpointCall) -> httpx.Response:
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

    async def __aexit__(self, *error: object) -> None:
        await self.close()
