"""The application as it faces the world: an engine with routes, HTTP around it, the guard before it; no Ray."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

from serve.engines import PlainEngine, ReloadPlan, RoutedEngine
from serve.http import ROUTES, Dispatcher, Handlers
from serve.http.documentation import page
from serve.http.openapi import document
from serve.identity import HEADER, PATH, Identity
from serve.metrics import ServerMetrics
from serve.page import FILES
from serve.parsing import BodyParser
from serve.routing import LiveRouting
from serve.runtime.config import ServingConfig
from serve.runtime.store import ModelStore
from serve.safety import Access, AllowedOrigins, Guard, ServerLimits, TokenFile

__all__ = ["AppPlan", "ServingApp"]

#: A batch wants many at once; what waits beyond is told to come back. More of either makes all late: with 192 and
#: 64 the slowest hundredth of the accepted took 39 times the usual under five times the load, with these 4 times.
_RUNNING, _WAITING = 24, 24
#: Seconds that a refusal is held back: refusing costs as much as a small forecast, and who asks again at once would
#: leave the server nothing but that. Retry-After says a second, too.
_HOLD = 1.0


@dataclass(frozen=True)
class AppPlan:
    """What an application may become.

    Args:
        models: The models that are ready, and the configuration that asked for them.
        tokens: The file of tokens that was read; None to let everybody in.
    """

    models: ReloadPlan
    tokens: TokenFile | None


class ServingApp:
    """Serves models over HTTP: ``asgi`` is what faces the world, ``api`` the same without the guard.

    Args:
        config: What to serve: models are loaded, warmed up and verified before this returns. None for nothing yet.
        echo_id: Whether answers get ``X-Request-Id`` here; see ``Guard``.
        identity: Who answers; a nameless endpoint if left out.

    Raises:
        ZooError: Something in the configuration cannot be served.
    """

    def __init__(
        self, config: ServingConfig | None = None, *, echo_id: bool = True, identity: Identity | None = None
    ) -> None:
        identity = identity or Identity()
        self.metrics = ServerMetrics()
        self.store = ModelStore(self.metrics.batch)
        self.engine = RoutedEngine(PlainEngine(self.store))
        self.parser = BodyParser()
        self.access = Access(identity.owner)
        handlers = Handlers(
            self.engine,
            metrics=self.metrics,
            access=self.access,
            identity=identity,
            parser=self.parser,
            description=partial(document, ROUTES),
            documentation=_documentation,
        )
        self.api = Dispatcher(ROUTES, handlers, self.metrics)
        signature = (HEADER.encode(), identity.header.encode("latin-1"))
        self.guard = Guard(
            self.api, limits=_limits(None), echo_id=echo_id, signature=signature, before=self._look_at_tokens
        )
        self.asgi = AllowedOrigins(self.guard)
        if config is not None:
            self.reload(config)

    @property
    def routing(self) -> LiveRouting:
        """Who decides between versions."""
        return self.engine.routing

    def prepare(self, config: ServingConfig) -> AppPlan:
        """Return what ``commit`` takes; all that can fail fails here, in a thread beside the requests.

        Raises:
            ZooError: Something cannot be served; nothing has changed.
        """
        return AppPlan(self.engine.prepare(config), self.access.plan(config.tokens))

    def commit(self, plan: AppPlan) -> None:
        """Serve what is ready, to whom and as the configuration says."""
        config = plan.models.config
        self.engine.commit(plan.models)
        self.access.commit(plan.tokens)
        self.guard.change(limits=_limits(config), tokens=self.access.tokens)
        self.asgi.change(config.origins)

    def reload(self, config: ServingConfig) -> None:
        """Serve something else from now on, without a failed request; see ``ModelStore.plan``."""
        self.commit(self.prepare(config))

    def refuse(self, why: str) -> None:
        """Say, where versions are listed, that a whole configuration was refused."""
        self.store.refused = {**self.store.refused, "configuration": why}

    def _look_at_tokens(self) -> None:
        self.access.look()
        if self.access.tokens is not self.guard.tokens:
            self.guard.change(limits=self.guard.limits, tokens=self.access.tokens)


@cache
def _documentation() -> bytes:
    return page(document(ROUTES), ROUTES)


def _limits(config: ServingConfig | None) -> ServerLimits:
    body = ServerLimits.body if config is None else config.limits.body
    bodies = {} if config is None else {"/v1/observe": config.limits.observe}
    paths = (*ServerLimits.open_paths, *FILES, "/docs", PATH)
    return ServerLimits(body=body, bodies=bodies, running=_RUNNING, waiting=_WAITING, hold=_HOLD, open_paths=paths)
