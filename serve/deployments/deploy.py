"""From a pipeline, a run directory or a configuration to an address that answers."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pydantic import ValidationError

from autots.api import Pipeline
from serve.admission import ensure
from serve.deployments.environment import prepare, proxy
from serve.runtime.config import ServingConfig
from serve.runtime.foreign import declared, require
from serve.runtime.model import Served
from zoo.cluster import Session, connect
from zoo.errors import ClusterError, ConfigError

__all__ = ["Endpoint", "admitted", "configured", "deploy", "insist"]

_log = logging.getLogger(__name__)
_PATIENCE = 120.0


@dataclass
class Endpoint:
    """A running endpoint; a context manager that stops it.

    Args:
        url: Where it answers.
        name: Of the application on the cluster.
        proxy: ``haproxy``, or ``ray`` for Ray's own.
        session: The Ray it runs on.
        options: How replicas run.
        own: Folder that a pipeline was saved to for it, removed with the Ray that reads it.
    """

    url: str
    name: str
    proxy: str
    session: Session
    options: Mapping[str, Any]
    own: Path | None = None

    def reload(self, config: ServingConfig) -> None:
        """Serve something else from now on: running replicas load it beside their work, then switch.

        Raises:
            AdmissionError: A foreign model among them, which never goes live unchecked, fails a check.
            ClusterError: The replicas do not come back.
        """
        foreign = _foreign(config)
        if foreign:
            require(foreign.values())
            ensure(foreign, config.folder())
        _run(self.name, config, self.options)
        _await_application(self.name, "")

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
        if self.own is not None and self.session.embedded:
            shutil.rmtree(self.own, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def configured(
    what: Pipeline | str | Path | Mapping[str, Any] | ServingConfig, *, model: str = "default", state: str | None = None
) -> ServingConfig:
    """Return the configuration for whatever is to be served.

    Args:
        what: A pipeline, the path of a run directory or saved pipeline, or a configuration.
        model: The name of a single model.
        state: See ServingConfig.

    Raises:
        ConfigError: It is no configuration.
    """
    if isinstance(what, ServingConfig):
        return what
    if isinstance(what, Pipeline):
        # Replicas read it as everything else is read: from checksummed files, not from a pickle.
        what = what.save(Path(tempfile.mkdtemp(prefix="zoo-serve-")) / "pipeline")
    try:
        if isinstance(what, Mapping):
            return ServingConfig.model_validate(dict(what))
        return ServingConfig.model_validate({"models": [{"name": model, "path": str(what)}], "state": state})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"a serving configuration must fit, but {place}: {first['msg']}", "see configs/serving"
        ) from None


def admitted(config: ServingConfig) -> None:
    """Check every model that was not admitted before, each in a process of its own; see ``serve.admission``.

    Raises:
        AdmissionError: A model may not go live; the message names the check.
        ArtifactError: There is nothing to check at a path.
    """
    require(_foreign(config).values())
    names = {f"{m.name}@{m.version}" if m.version else f"{m.name} ({m.path})": m.path for m in config.models}
    ensure(names, config.folder())


def insist(config: ServingConfig) -> None:
    """Raise if there are models that may not go live without the admission checks: foreign ones.

    Raises:
        ConfigError: With their names.
    """
    found = sorted(_foreign(config))
    if found:
        raise ConfigError(f"foreign models must be checked, but {found} are to go live without", "leave the checks on")


def _foreign(config: ServingConfig) -> dict[str, str]:
    """Return a name for messages -> folder of each foreign model; one model may have several versions."""
    return {f"{m.name} ({m.path})": m.path for m in config.models if declared(m.path) is not None}


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
        name: Of the application; another one with this name is replaced in place.
        model: The name of a single model.
        host: Where to listen; this machine alone by default.
        port: Where to listen.
        replicas: Processes; ``auto`` follows the load.
        state: Folder for actuals; beside the model if left out.
        address: Of a Ray cluster.
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
        foreign = _foreign(config)
        if not checked:
            insist(config)
        if len(config.models) == 1 and not foreign:
            # A folder that cannot be read is the user's to mend, before seconds are spent on a cluster.
            Served.load(config.models[0].name, config.models[0].path)
        for one in config.models:
            if not Path(one.path).is_dir():
                raise ConfigError(f"a model must lie in a folder, but there is none at {one.path}", "check the path")
        if replicas != "auto" and replicas < 1:
            raise ConfigError(f"`replicas >= 1` must hold, but got {replicas}", "or say auto")
        prepare()
        url = f"http://{host}:{port}"
        # Checking models, Ray, and the proxies take seconds each, and wait for each other only where they must.
        with ThreadPoolExecutor(2, thread_name_prefix="deploy") as beside:
            checks = beside.submit(admitted, config) if checked else None
            session = connect(address=address)
            try:
                proxies = beside.submit(_start, host, port)
                _await_controller(proxies)
                if checks is not None:
                    checks.result()
                options = _options(session.cpus, replicas)
                _run(name, config, options)
                proxies.result()
                _await_application(name, url)
            except BaseException:
                session.close()
                raise
        failed.pop_all()
    return Endpoint(url, name, _proxy(session), session, options, own)


def _options(cpus: float, replicas: int | Literal["auto"]) -> dict[str, Any]:
    # Replicas share the cores where there are more of them.
    each = 1.0 if replicas == "auto" else min(1.0, round(0.9 * cpus / replicas, 2))
    return {"replicas": replicas, "most_replicas": max(1, int(cpus)), "num_cpus": each}


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


def _run(name: str, config: ServingConfig, options: Mapping[str, Any]) -> None:
    from ray import serve

    from serve.deployments.ingress import build

    target = build({"serving": config.model_dump(mode="json"), **options})
    # Ray looks once a second whether it is done: we look ourselves.
    serve.run_many(
        [serve.RunTarget(target, name=name, route_prefix="/")],
        wait_for_ingress_deployment_creation=False,
        wait_for_applications_running=False,
    )


def _await_application(name: str, url: str) -> None:
    """Return as soon as all replicas are there and, given an address, a request is answered.

    Raises:
        ClusterError: They do not come.
    """
    from ray import serve

    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found = serve.status().applications.get(name)
        if found is not None and found.status in ("DEPLOY_FAILED", "UNHEALTHY"):
            told = [one.message for one in found.deployments.values()] + [found.message]
            lines = [line for text in told for line in text.splitlines() if line.strip()]
            raise ClusterError(
                f"the endpoint must start, but: {lines[-1] if lines else found.status}",
                "see the replica's log in Ray's folder",
            )
        if found is not None and found.status == "RUNNING" and (not url or _answers(url)):
            return
        time.sleep(0.05)
    raise ClusterError(f"the endpoint must answer within {_PATIENCE:g} s, but it does not", "is the port taken?")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=5) as response:  # noqa: S310  # our own URL
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _proxy(session: Session) -> str:
    """Return the proxy of the cluster, which may have been started by somebody else."""
    if session.embedded:
        return proxy()
    import ray

    return str(ray.get(ray.remote(num_cpus=0)(proxy).remote()))
