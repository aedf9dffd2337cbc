"""The replica: the application of ``serve.app`` inside Ray Serve.

What it serves comes as ``user_config``, so a new configuration reaches running replicas in place: they load, warm up
and verify beside their work, then switch.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import threading
from typing import Any

from ray import serve

from serve.identity import Identity
from serve.runtime.config import ServingConfig

__all__ = ["Ingress", "build"]

_log = logging.getLogger("ray.serve")
_QUIET = {"log_level": "WARNING", "enable_access_log": False}
#: What Ray takes for the version of the code. Without one it draws another at each deployment, and so ends all replicas
#: and starts new ones even where only the models differ. A process has one code; another process may have a newer one.
_CODE = secrets.token_hex(8)
# Seconds after which a replica imports what a first answer can do without: the proxies that start beside it need the
# cores until then.
_LATER = 3.0


@serve.deployment(
    name="Ingress",
    max_ongoing_requests=1000,
    logging_config=_QUIET,
    health_check_period_s=5,
    max_constructor_retry_count=2,
)
@serve.ingress()
class Ingress:
    """One process with all models.

    Args:
        identity: Of the endpoint, see ``serve.identity``; left out where Ray's own ``serve deploy`` starts it.
    """

    def __init__(self, identity: dict[str, str] | None = None) -> None:
        # Here, so that whoever deploys need not import the web framework: half a second of the start.
        from serve.app import ServingApp

        who = Identity(**identity) if identity else Identity(instance=os.environ.get("ZOO_SERVE_INSTANCE", ""))
        self._app = ServingApp(echo_id=False, identity=who)  # Ray writes X-Request-Id, too
        self._turn = asyncio.Lock()
        self._settled = False

    def __serve_build_asgi_app__(self) -> Any:
        """Return what answers."""
        return self._app.asgi

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Serve what a configuration says; one that cannot be served is refused, and what was served goes on.

        Raises:
            Exception: Nothing was served before.
        """
        try:
            config = ServingConfig.model_validate(user_config)
            async with self._turn:
                self._app.commit(await asyncio.to_thread(self._app.prepare, config))
        except Exception as error:
            if not self._app.store.ready:
                raise
            # Ray ends a replica that cannot be reconfigured, and all of them would be.
            self._app.refuse(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            _log.exception("a configuration was refused; what was served goes on")
        rest = threading.Timer(_LATER, self._settle)
        rest.daemon = True
        rest.start()

    def _settle(self) -> None:
        """Import the rest, and take it out of the garbage collector's sight, as Ray does with what was there before."""
        self._app.store.import_rest()
        if not self._settled:
            self._settled = True
            gc.collect()
            gc.freeze()


def build(arguments: dict[str, Any]) -> Any:
    """Return the application for ``import_path: serve.deployments.ingress:build`` of a Ray Serve configuration.

    Args:
        arguments: ``serving`` (see ServingConfig) and ``replicas`` (a number, or ``auto``), ``num_cpus`` of each. With
            ``deployments`` in the file, ``user_config`` there takes the place of ``serving``, and a change of it
            reaches running replicas without a restart. ``identity`` of the endpoint, see ``serve.identity``.
    """
    options: dict[str, Any] = {"ray_actor_options": {"num_cpus": float(arguments.get("num_cpus", 1))}}
    replicas = arguments.get("replicas", 1)
    if replicas == "auto":
        max_replicas = int(arguments.get("max_replicas", 8))
        options["autoscaling_config"] = {"min_replicas": 1, "max_replicas": max_replicas, "target_ongoing_requests": 8}
    else:
        options["num_replicas"] = int(replicas)
    if "serving" in arguments:
        options["user_config"] = ServingConfig.model_validate(arguments["serving"]).model_dump(mode="json")
    deployment: Any = Ingress  # the decorator's type is lost on the way
    # Ray 2.60 took the version out of its public options; its client goes on reading it (`Deployment._version`).
    return deployment.options(**options).options(version=_CODE, _internal=True).bind(arguments.get("identity"))
