"""``zoo serve``: from a run directory to an address that answers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from serve.commands import processes
from zoo.commands import Outcome
from zoo.errors import ClusterError, ConfigError, ZooError

__all__ = ["serve"]

_PATIENCE = 180.0  # seconds until an endpoint, or its new version, must answer


def serve(
    run: Annotated[str | None, typer.Argument(help="A run directory (zoo fit --out), or a saved pipeline.")] = None,
    name: Annotated[str, typer.Option(help="Name of the endpoint, and of its model.")] = "default",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen at: this machine alone, unless told.")] = "127.0.0.1",
    replicas: Annotated[str, typer.Option(help="Processes, or auto.")] = "1",
    config: Annotated[Path | None, typer.Option(help="YAML with several models; see configs/serving.")] = None,
    state: Annotated[Path | None, typer.Option(help="Folder for actuals; RUN/serving by default.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return when it answers; it goes on.")] = False,
    grpc_port: Annotated[int | None, typer.Option(help="Open Inference Protocol over gRPC, on the same host.")] = None,
    unchecked: Annotated[bool, typer.Option("--unchecked", help="Serve without the admission checks.")] = False,
) -> Outcome:
    """Serve until Ctrl-C, or detached; replace what runs under the name already."""
    from serve.deployments.configuration import admitted, insist

    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) is None:
        raise ConfigError(f"a name must be letters, digits, dots and dashes, but got {name!r}", "for example sales")
    serving, options = _serving(run, config, name, state)
    count = options.get("replicas", _replicas(replicas))
    if unchecked:
        insist(serving)
    if serving.routes:
        from serve.engines import check_routes

        check_routes(serving)
    running = processes.read(name)
    if running is not None and running.pid != os.getpid():
        if not unchecked:
            admitted(serving)
        return _replaced(running, serving)
    if detach:
        return _detached(name, host, port)
    gate = None if grpc_port is None else _gate(f"{host}:{grpc_port}")
    return _foreground(name, serving, host=host, port=port, replicas=count, checked=not unchecked, gate=gate)


def _serving(run: str | None, config: Path | None, name: str, state: Path | None) -> tuple[Any, dict[str, Any]]:
    """Return the serving configuration, and how replicas run."""
    from serve.deployments.configuration import configured

    if (run is None) == (config is None):
        raise ConfigError("a run or --config must be given, and not both", "for example zoo serve RUN")
    if config is None:
        return configured(str(run), model=name, state=None if state is None else str(state.absolute())), {}
    import yaml

    try:
        document = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config must be a readable YAML file, but {error}", "see configs/serving") from None
    try:
        application = document["applications"][0]
        arguments = application.get("args") or {}
        deployments = application.get("deployments") or []
        told = next((d["user_config"] for d in deployments if d["name"] == "Ingress" and "user_config" in d), None)
        return configured(told or arguments["serving"]), arguments
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ConfigError(
            f"{config} must be a Ray Serve configuration with models, but lacks {error}", "see configs/serving"
        ) from None


def _replicas(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"--replicas must be a number above 0 or auto, but got {text!r}", "for example 2")
    return int(text)


def _replaced(running: processes.EndpointRecord, serving: Any) -> Outcome:
    """Tell the process that runs to serve something else, and wait until it does."""
    from serve.deployments.readiness import asked
    from serve.safety import read_tokens

    if serving.tokens is not None:
        read_tokens(serving.tokens)  # refused here, where the user is: nothing has changed then
    told = serving.model_dump(mode="json")
    processes.withdraw(running.name)
    processes.write(replace(running, config=told))
    processes.tell(running, signal.SIGHUP)
    end = time.monotonic() + _PATIENCE
    # One replica that answers with the new version says nothing of the others: the process that keeps them does.
    while (error := processes.answered(running.name, told)) is None:
        if time.monotonic() > end or not processes.alive(running):
            raise ClusterError(
                f"the new version must take over within {_PATIENCE:g} s, but it did not", "see zoo serve status"
            )
        time.sleep(0.05)
    if error:
        raise ConfigError(f"the new version must take over, but: {error}", "the version before goes on")
    found = asked(running.url, running.owner)
    if found is None or "versions" not in found:
        raise ClusterError(f"{running.url} must be answered by {running.name!r}, but is not", "see zoo serve status")
    versions = found["versions"]
    text = f"{running.url} now serves " + ", ".join(f"{n}@{v}" for n, v in sorted(versions.items()))
    return Outcome({"url": running.url, "versions": versions, "models": len(serving.models)}, text)


def _gate(address: str) -> Callable[[str], AbstractContextManager[Any]]:
    """Return what puts a gRPC server before an endpoint, before anything starts that would have to be ended."""
    try:
        from serve.rpc import Rpc
    except ImportError as error:
        hint = "pip install 'zoo-autots[grpc]'"
        raise ConfigError(f"--grpc-port must have grpcio and protobuf, but {error}", hint) from None
    return lambda url: Rpc(url, address)


def _reload(endpoint: Any, latest: processes.EndpointRecord) -> None:
    """Serve what the record says now; a failure is told to whoever asked, and is no reason to end."""
    from serve.deployments.configuration import configured

    try:
        endpoint.reload(configured(latest.config))
    except ZooError as error:
        print(f"error: {error.message}", file=sys.stderr, flush=True)
        processes.answer(latest.name, latest.config, error.message)
    else:
        processes.answer(latest.name, latest.config)


def _detached(name: str, host: str, port: int) -> Outcome:
    """Start the same command as a process of its own, and wait until it answers."""
    from serve.deployments.ports import check_free

    if os.environ.get("RAY_ADDRESS", "local") in ("", "local"):
        check_free(host, port)
    words = [word for word in sys.argv[1:] if word not in ("--detach", "--json")]
    log = processes.folder() / f"{name}.log"
    with open(log, "wb") as output:
        child = subprocess.Popen(  # noqa: S603  # the very command that the user typed
            [sys.executable, "-m", "zoo.cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        record = processes.read(name)
        if record is not None and record.url and record.pid == child.pid:
            text = f"{record.url} (proxy: {record.proxy}); stop it with `zoo serve stop --name {name}`"
            return Outcome({"url": record.url, "proxy": record.proxy, "pid": child.pid, "log": str(log)}, text)
        if child.poll() is not None:
            told = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            message = next((line.removeprefix("error: ") for line in told if line.startswith("error: ")), "")
            hint = next((line.removeprefix("hint: ") for line in told if line.startswith("hint: ")), f"see {log}")
            kind = ConfigError if child.returncode == 2 else ClusterError
            raise kind(message or f"the endpoint ended with {child.returncode}", hint)
        time.sleep(0.05)
    child.terminate()
    raise ClusterError(f"the endpoint must answer within {_PATIENCE:g} s, but it does not", f"see {log}")


def _foreground(
    name: str,
    serving: Any,
    *,
    host: str,
    port: int,
    replicas: int | Literal["auto"],
    checked: bool,
    gate: Callable[[str], AbstractContextManager[Any]] | None,
) -> Outcome:
    """Serve until a signal ends it; SIGHUP serves what the record says now."""
    from serve.deployments.deploy import deploy

    stop = {signal.SIGINT, signal.SIGTERM}
    # Blocked here and taken one by one below: threads that Ray starts inherit this, and never see them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    record = processes.EndpointRecord(
        name, os.getpid(), processes.began(os.getpid()), "", "", serving.model_dump(mode="json")
    )
    processes.write(record)
    # Until Ray has its own handler, which ends its processes and exits as well: the default would skip the clean-up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(signal.SIGTERM))
    try:
        endpoint = deploy(serving, name=name, host=host, port=port, replicas=replicas, checked=checked)
        with endpoint, nullcontext() if gate is None else gate(endpoint.url):
            record = replace(
                record, url=endpoint.url, proxy=endpoint.proxy, owner=endpoint.owner, health=endpoint.health
            )
            processes.write(record)
            print(f"{endpoint.url} (proxy: {endpoint.proxy}); Ctrl-C stops it", file=sys.stderr, flush=True)
            signal.pthread_sigmask(signal.SIG_BLOCK, stop)
            while (got := signal.sigwait(stop | {signal.SIGHUP})) == signal.SIGHUP:
                latest = processes.read(name)
                if latest is not None:
                    _reload(endpoint, latest)
            print(f"stopping after {signal.Signals(got).name}", file=sys.stderr, flush=True)
    except SystemExit:
        print("stopping after SIGTERM, before it answered", file=sys.stderr, flush=True)
        raise SystemExit(128 + signal.SIGTERM) from None
    finally:
        processes.forget(name)
    return Outcome({"url": record.url, "proxy": record.proxy})
