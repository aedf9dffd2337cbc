"""From a pipeline, a run directory or a configuration to an address that answers."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from autots.api import Pipeline
from serve.admission import ensure
from serve.deployments.configuration import admitted, configured, foreign_models, insist
from serve.deployments.copies import kept, pinned, swept
from serve.deployments.environment import prepare, proxy
from serve.deployments.ports import insist_free, release
from serve.deployments.readiness import asked, await_application
from serve.identity import Identity, instance
from serve.runtime.config import ServingConfig
from serve.runtime.foreign import require
from serve.runtime.model import Served
from serve.safety import issue, read_tokens
from zoo.cluster import Session, connect, is_connected
from zoo.errors import ClusterError, ConfigError, ZooError

__all__ = ["Endpoint", "deploy"]

_log = logging.getLogger(__name__)


@dataclass
class Endpoint:
    """A running endpoint; a context manager that stops it.

    Args:
        url: Where it answers, without a slash at the end.
        name: The name of the application on the cluster.
        proxy: ``haproxy``, or ``ray`` for Ray's own.
        session: The Ray it runs on.
        options: How replicas run: ``replicas``, ``max_replicas``, ``num_cpus`` of each.
        config: What is served: each model by the digest of what was at its path, and read from a copy of it.
        identity: Who it is; each of its answers says so.
        owner: The token by which the process that keeps it asks it, whatever tokens others need.
        own: Folder that a pipeline was saved to for it, removed with the Ray that reads it.
    """

    url: str
    name: str
    proxy: str
    session: Session
    options: Mapping[str, Any]
    config: ServingConfig | None = None
    identity: Identity = Identity()  # noqa: RUF009  # it is frozen
    owner: str = ""
    own: Path | None = None

    def reload(self, config: ServingConfig) -> dict[str, str]:
        """Serve something else from now on: running replicas load it beside their work, then switch.

        What is at the paths now counts, also where the paths are the same as before. What cannot be served is refused:
        what was served goes on, also in replicas that are started later.

        Returns:
            Name -> the version that answers.

        Raises:
            AdmissionError: A foreign model among them, which never goes live unchecked, fails a check.
            ArtifactError: A model or the file of tokens cannot be read.
            ConfigError: A replica refused it.
            ClusterError: The replicas do not come back.
        """
        foreign = foreign_models(config)
        if foreign:
            require(foreign.values())
            ensure(foreign, config.folder())
        if config.tokens is not None:
            read_tokens(config.tokens)
        before, after = self.config, self._taken(pinned(config))
        try:
            _run(self.name, after, self.options, self.identity)
            await_application(self.name)
            self._insist(after)
        except ZooError:
            if before is not None:
                _run(self.name, before, self.options, self.identity)
                with suppress(ZooError):
                    await_application(self.name)
            raise
        self.config = after
        if self.session.embedded:
            swept(after, _copies())
        return {m.name: m.versioned() for m in after.models}

    def _taken(self, config: ServingConfig) -> ServingConfig:
        return kept(config, _copies()) if self.session.embedded else config

    def told(self) -> dict[str, Any]:
        """Return what the endpoint says of itself: ``name``, ``instance``, ``versions``, ``refused``, ``tokens``.

        Raises:
            ClusterError: Nobody answers, or somebody else.
        """
        found = asked(self.url, self.owner)
        if found is None or not self.identity.public().items() <= found.items():
            raise ClusterError(f"{self.url} must be answered by {self.name!r}, but is not", "see zoo serve status")
        return found

    def _insist(self, config: ServingConfig) -> None:
        """Raise unless replicas serve what they should; several are asked, each on a connection of its own."""
        wanted = {m.name: m.versioned() for m in config.models}
        for _ in range(2 * max(1, self.ready)):
            told = self.told()
            for what, why in told["refused"].items():
                raise ConfigError(f"{what} must pass its checks to take over, but: {why}", "the version before goes on")
            if told["versions"] != wanted:
                raise ClusterError(f"{wanted} must be served, but {told['versions']} is", "see zoo serve status")

    @property
    def health(self) -> str:
        """Where HAProxy answers health on connections of its own; empty where it does not."""
        if self.proxy != "haproxy" or not self.session.embedded:
            return ""
        return f"http://{urlsplit(self.url).hostname}:{os.environ['ZOO_SERVE_HEALTH_PORT']}"

    @property
    def ready(self) -> int:
        """How many replicas answer; 0 while the application is not as it should be."""
        from ray import serve

        found = serve.status().applications[self.name].deployments["Ingress"]
        return int(found.replica_states.get("RUNNING", 0)) if found.status == "HEALTHY" else 0

    def stop(self) -> None:
        """Let requests under way be answered, then end the application, and Ray if it was started for it."""
        from ray import serve

        serve.delete(self.name)
        if self.session.embedded:
            serve.shutdown()
        self.session.close()
        release(urlsplit(self.url).port or 0)
        if self.session.embedded:
            shutil.rmtree(_copies(), ignore_errors=True)
        if self.own is not None and self.session.embedded:
            shutil.rmtree(self.own, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def deploy(
    what: Pipeline | str | Path | Mapping[str, Any] | ServingConfig,
    *,
    name: str = "zoo",
    model: str = "default",
    host: str = "127.0.0.1",
    port: int = 8000,
    replicas: int | Literal["auto"] = 1,
    state: str | None = None,
    address: str | None = None,
    checked: bool = True,
) -> Endpoint:
    """Serve on the embedded Ray, or on the cluster that is meant (see ``zoo.cluster.connect``).

    Args:
        what: A pipeline, the path of a run directory or saved pipeline, or a configuration.
        name: The endpoint's name; another one with this name is replaced in place.
        model: The name of a single model.
        host: Address to listen on; this machine alone by default.
        port: TCP port to listen on, which must be free.
        replicas: Processes; ``auto`` follows the load.
        state: Folder for actuals; beside the model if left out.
        address: Address of a Ray cluster to join; one is started here if left out.
        checked: Whether models must pass the admission checks first; those that passed before are not checked again.

    Raises:
        AdmissionError: A model fails a check; nothing answers.
        ArtifactError: A model cannot be read; nothing was started.
        ConfigError: An argument does not fit.
        ClusterError: Ray or the endpoint did not start.

    Example:
        >>> with serve.deploy(pipeline, port=8123) as endpoint:  # doctest: +SKIP
        ...     requests.post(f"{endpoint.url}/v1/forecast", json={"series": [{"id": "H1"}]})
    """
    config = configured(what, model=model, state=state)
    own = Path(config.models[0].path).parent if isinstance(what, Pipeline) else None
    with ExitStack() as failed:
        if own is not None:
            failed.callback(shutil.rmtree, own, ignore_errors=True)
        _check(config, replicas, checked=checked)
        alone = _alone(address)
        if alone or (is_connected() and not _serves()):
            # No proxy of this Ray listens yet: whoever answers there already is somebody else.
            insist_free(host, port)
            failed.callback(release, port)
        prepare()
        start = _Start(pinned(config), name, host, port, replicas, address, checked, alone)
        endpoint = start.endpoint()
        failed.pop_all()
    return replace(endpoint, own=own)


@dataclass(frozen=True)
class _Start:
    """An endpoint that is to start; the fields are ``deploy``'s arguments, and whether Ray is started for it."""

    config: ServingConfig
    name: str
    host: str
    port: int
    replicas: int | Literal["auto"]
    address: str | None
    checked: bool
    alone: bool

    def endpoint(self) -> Endpoint:
        """Start it: checking models, Ray, and the proxies take seconds each, and wait only where they must."""
        with ThreadPoolExecutor(2, thread_name_prefix="deploy") as beside:
            checks = beside.submit(admitted, self.config) if self.checked else None
            session = connect(address=self.address)
            try:
                return self._on(session, beside, checks)
            except BaseException:
                session.close()
                raise

    def _on(self, session: Session, beside: ThreadPoolExecutor, checks: Future[None] | None) -> Endpoint:
        owner, token = issue("owner")
        kind, of_proxy = (proxy(), os.environ["ZOO_SERVE_INSTANCE"]) if self.alone else _found()
        # A proxy with an instance passes on the answers of that one alone.
        identity = Identity.new(self.name, of_proxy or instance(), token.sha256)
        proxies = beside.submit(_start, self.host, self.port)
        _await_controller(proxies)
        if checks is not None:
            checks.result()
        options = _options(session.cpus, self.replicas)
        config = kept(self.config, _copies()) if session.embedded else self.config
        _run(self.name, config, options, identity)
        proxies.result()
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104  # read, not listened on
        url = f"http://{host}:{self.port}"
        await_application(self.name, url, identity, alone=self.alone)
        return Endpoint(url, self.name, kind, session, options, config, identity, owner)


def _check(config: ServingConfig, replicas: int | Literal["auto"], *, checked: bool) -> None:
    """Raise for what the user must mend, before seconds are spent on a cluster."""
    if not checked:
        insist(config)
    if len(config.models) == 1 and not foreign_models(config):
        Served.load(config.models[0].name, config.models[0].path)
    for one in config.models:
        if not Path(one.path).is_dir():
            raise ConfigError(f"a model must lie in a folder, but there is none at {one.path}", "check the path")
    if config.tokens is not None:
        read_tokens(config.tokens)
    if replicas != "auto" and replicas < 1:
        raise ConfigError(f"`replicas >= 1` must hold, but got {replicas}", "or say auto")


def _alone(address: str | None) -> bool:
    """Whether Ray will be started for this endpoint, and its proxies with it."""
    return not is_connected() and (address or os.environ.get("RAY_ADDRESS") or "local") == "local"


def _serves() -> bool:
    """Whether Ray Serve runs on the cluster, with its proxies."""
    import ray

    try:
        ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    except ValueError:
        return False
    return True


def _copies() -> Path:
    """Return the private folder of what is served."""
    return Path(os.environ["ZOO_SERVE_DIR"]) / "models"


def _options(cpus: float, replicas: int | Literal["auto"]) -> dict[str, Any]:
    # Replicas share the cores where there are more of them.
    each = 1.0 if replicas == "auto" else min(1.0, round(0.9 * cpus / replicas, 2))
    return {"replicas": replicas, "max_replicas": max(1, int(cpus)), "num_cpus": each}


def _start(host: str, port: int) -> None:
    from ray import serve
    from ray.exceptions import RayError

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    try:
        serve.start(
            http_options={"host": host, "port": port},
            proxy_location="EveryNode",
            logging_config={"log_level": "WARNING", "enable_access_log": False},
        )
    except (RayError, TimeoutError) as error:
        # On a busy machine Serve gives up on a proxy that is slow to start, and starts another: `_wait` decides.
        _log.warning("the proxy did not start at once: %s", error)


def _await_controller(proxies: Future[None]) -> None:
    """Return as soon as Serve's controller is there, or is known not to come: proxies start beside the replicas."""
    import ray

    while not proxies.done():
        try:
            ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
            return
        except ValueError:
            time.sleep(0.02)


def _run(name: str, config: ServingConfig, options: Mapping[str, Any], identity: Identity) -> None:
    from ray import serve

    from serve.deployments.ingress import build

    target = build({"serving": config.model_dump(mode="json"), "identity": identity.to_dict(), **options})
    # Ray looks once a second whether it is done: we look ourselves.
    serve.run_many(
        [serve.RunTarget(target, name=name, route_prefix="/")],
        wait_for_ingress_deployment_creation=False,
        wait_for_applications_running=False,
    )


def _found() -> tuple[str, str]:
    """Return the proxy of a cluster that was started by somebody else, and the instance that it passes on."""
    import ray

    def told() -> tuple[str, str]:
        return proxy(), os.environ.get("ZOO_SERVE_INSTANCE", "")

    kind, of_proxy = ray.get(ray.remote(num_cpus=0)(told).remote())
    return str(kind), str(of_proxy)
