"""What an engine is: it answers requests that were read, whatever protocol they came in, and knows nothing of HTTP.

The contract:

- ``forecast`` and ``observe`` are called from one event loop, many at once. A call that is cancelled leaves nothing
  half done; a call that fails raises a ``ZooError`` and has changed nothing.
- ``prepare`` may run in a thread beside the requests and changes nothing; ``commit`` runs in the event loop, does not
  fail, and requests under way are answered by the models that they have begun with.
- An engine may wrap another one: it answers itself what it adds, and passes everything else on unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from serve.protocol.answer import Answer
from serve.protocol.request import ForecastRequest, ObserveBody, RequestLimits
from serve.runtime.config import ServingConfig
from serve.runtime.history import Counts
from serve.runtime.store import ModelStore, ReloadPlan

__all__ = ["Asker", "Engine", "ReloadPlan"]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and how: what a request says beside its body.

    Args:
        request_id: The request's id; what a router draws for each request depends on it.
        key: What keeps a client with one version (``X-Routing-Key``); empty for the id of the first series.
        timeout: Seconds after which nobody wants the answer any more; None for no end.
        name: The name of the token that was sent; empty where nobody needs one.
    """

    request_id: str = ""
    key: str = ""
    timeout: float | None = None
    name: str = ""


class Engine(Protocol):
    """See the module's first lines."""

    @property
    def store(self) -> ModelStore:
        """The models that answer."""

    @property
    def limits(self) -> RequestLimits:
        """What one request may ask for, as the configuration in force says."""

    async def forecast(self, request: ForecastRequest, asker: Asker = ...) -> Answer:
        """Forecast every series that can be forecast.

        Raises:
            RequestError: No series can be forecast, or the request as a whole cannot be answered.
        """

    async def observe(self, body: ObserveBody, asker: Asker = ...) -> Counts:
        """Take in actuals, and changes of those told before.

        Raises:
            RequestError: One of them cannot be taken in; then none was.
        """

    async def routes(self) -> dict[str, Any]:
        """Return what decides between versions, as JSON values: ``routes``, ``revision``, ``waiting``."""

    def prepare(self, config: ServingConfig) -> ReloadPlan:
        """Load and verify what a configuration asks for.

        Raises:
            ZooError: It cannot be served; nothing has changed.
        """

    def commit(self, plan: ReloadPlan) -> None:
        """Answer by what was prepared from now on."""
