"""Spark inside the Ray cluster, through RayDP, for the length of a ``with``.

What goes wrong without this module, each with a regression test in ``tests/zoo/cluster/test_spark.py``:

- On Java 17 the first table that leaves Spark aborts the app master's JVM: Ray's serializer needs ``--add-opens``, in
  three places.
- Python functions fail in the executors unless they run this interpreter.
- RayDP's fetch task leaves a switch on in a pooled Ray worker; the next Ray task there that creates an actor dies.
- Spark's master takes a CPU, and RayDP waits for ever if the CPUs it wants are busy.
- A JVM that an earlier Spark session left in this process does not know RayDP's classes.
- The driver's JVM stays when the session is stopped, and can keep a job alive.
- A job whose executors are gone and do not come back waits for ever.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zoo.cluster.java as java
from zoo.cluster.fence import Sizing, memory_text, size
from zoo.cluster.lost_executors import watched
from zoo.cluster.session import Session, alive_nodes, connect
from zoo.errors import ClusterError, ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["spark"]

_PACKAGES = (
    "java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.math", "java.text",
    "java.time", "java.util", "java.util.concurrent", "java.util.concurrent.atomic", "sun.nio.ch", "sun.nio.cs",
    "sun.security.action", "sun.util.calendar",
)  # fmt: skip
_OPENS = " ".join(
    ["-XX:+IgnoreUnrecognizedVMOptions", *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _PACKAGES)]
)
#: The three JVMs: the driver's, each executor's, and the app master's, which is an actor of Ray.
_OPENED = (
    "spark.driver.extraJavaOptions",
    "spark.executor.extraJavaOptions",
    "spark.ray.raydp_app_master.extraJavaOptions",
)
_DEFAULTS = {
    "spark.ray.raydp_spark_master.actor.resource.CPU": "0",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log4j.config.file.name": str(Path(__file__).with_name("log4j2.properties")),
}
_ACTORS = ("RAY_APP_MASTER", "raydp-executor-")
_MASTER = "_SPARK_MASTER"


@contextmanager
def spark(
    *,
    executors: int | None = None,
    cores: int | None = None,
    memory: str | None = None,
    keep_free: float | None = None,
    name: str = "zoo",
    config: Mapping[str, str] | None = None,
    wait: float = 60.0,
    patience: float = 120.0,
) -> Iterator[SparkSession]:
    """Start Spark in the connected Ray cluster (or in one of its own), and stop it whatever happens.

    Executors are actors of Ray, so the CPUs and the memory that they hold are Ray's to count: a trial or a replica
    never gets them, and Spark never gets more. What is not given here is chosen so that ``keep_free`` CPUs remain.

    Args:
        executors: How many; by default one per node, fewer if the CPUs do not suffice.
        cores: CPUs of each executor.
        memory: Heap of each executor, as Spark writes it: ``"1500m"``, ``"4g"``.
        keep_free: CPUs of the cluster that Spark must leave to others; a quarter, and at least one, by default. 0
            gives Spark all of them: then nothing else runs until the ``with`` ends.
        name: Name of the application.
        config: Further Spark settings; they win over the defaults of this module, Java options are added to.
        wait: Seconds to wait for CPUs that others hold.
        patience: Seconds that a job may wait without any executor, should all be lost and none come back.

    Yields:
        The session of Spark.

    Raises:
        ConfigError: No Java that works here or on a node; the sizes do not fit in the cluster; this process has a Spark
            session already.
        ClusterError: The CPUs do not come free in ``wait`` seconds; another Spark application runs in this Ray
            namespace; Spark cannot start; a job had no executor for ``patience`` seconds.

    Example:
        with spark(executors=2, cores=1, memory="1500m") as session:
            session.read.parquet("meters").groupBy("meter").count().show()
    """
    runtime = java.require()
    _refuse_second_session()
    with ExitStack() as after:
        after.enter_context(_environment(runtime))
        cluster = after.enter_context(connect())
        _refuse_second_application(name)
        _check_nodes(runtime)
        sizing = size(alive_nodes(), executors=executors, cores=cores, memory=memory, keep_free=keep_free)
        group = _reserve(sizing, wait)
        after.callback(_release, group)
        after.enter_context(_clean_fetch())
        after.callback(_stop, name)
        session = _start(name, sizing, group, _configuration(cluster, sizing, config or {}))
        with watched(session, patience):
            yield session


def _configuration(cluster: Session, sizing: Sizing, config: Mapping[str, str]) -> dict[str, str]:
    whole = dict(_DEFAULTS)
    whole["spark.sql.shuffle.partitions"] = str(max(2, 2 * sizing.executors * sizing.cores))
    whole["spark.driver.memory"] = memory_text(sizing.memory)
    if cluster.embedded:
        # Everything is on this machine: nobody else can connect.
        whole |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    whole |= config
    for key in _OPENED:
        whole[key] = f"{config[key]} {_OPENS}" if key in config else _OPENS
    return whole


def _start(name: str, sizing: Sizing, group: Any, config: dict[str, str]) -> SparkSession:
    import raydp

    try:
        with _stdout_is_stderr():
            session = raydp.init_spark(
                name,
                num_executors=sizing.executors,
                executor_cores=sizing.cores,
                executor_memory=memory_text(sizing.memory),
                placement_group=group,
                configs=config,
            )
    except Exception as error:
        raise ClusterError(
            f"Spark must be able to start in the Ray cluster, but it failed: {_first_line(error)}",
            "run `zoo doctor`; the logs of the JVMs are in the folder of Ray's session, under logs",
        ) from error
    session.sparkContext.setLogLevel("ERROR")
    return session


@contextmanager
def _stdout_is_stderr() -> Iterator[None]:
    """Let a JVM that is started now write to stderr: Ray's Java logger prints on its stdout, whatever it is told."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def _stop(name: str) -> None:
    """Stop the application, the driver's JVM too, and wait until the names in Ray's namespace are free again."""
    import raydp

    try:
        raydp.stop_spark()
    except Exception as error:
        # The cluster may have gone first; what can still be stopped here is stopped below.
        print(f"warning: Spark did not stop cleanly: {_first_line(error)}", file=sys.stderr)
    finally:
        _end_gateway()
    end = time.monotonic() + 20
    while time.monotonic() < end and _applications(name):
        time.sleep(0.05)


def _end_gateway() -> None:
    """End the JVM that PySpark keeps in this process after the session has stopped."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    SparkContext._gateway = SparkContext._jvm = None
    if gateway is None:
        return
    process = getattr(gateway, "proc", None)
    gateway.shutdown()
    if process is None:
        return
    process.stdin.close()  # the JVM watches it
    try:
        process.wait(timeout=5)
    except Exception:
        process.kill()
        process.wait()


def _refuse_second_session() -> None:
    """Raise if Spark is in use in this process; end the JVM of a session that was stopped: it has no RayDP classes."""
    from pyspark import SparkContext

    if SparkContext._active_spark_context is not None:
        raise ConfigError(
            f"a process must have one Spark session, but {SparkContext._active_spark_context.appName!r} runs in this "
            "one",
            "use that session, or stop it before zoo.cluster.spark() starts its own",
        )
    _end_gateway()


def _refuse_second_application(name: str) -> None:
    others = _applications(name)
    if others:
        raise ClusterError(
            f"a Ray namespace must have one Spark application, but this one has the actors {', '.join(others)}",
            "wait until it ends, or connect with another namespace: ray.init(namespace=...) before zoo.cluster.spark()",
        )


def _applications(name: str) -> list[str]:
    import ray

    try:
        actors = ray.util.list_named_actors()
    except Exception:
        return []  # the cluster has gone, and its actors with it
    return [actor for actor in actors if actor.startswith(_ACTORS) or actor == f"{name}{_MASTER}"]


def _check_nodes(runtime: java.Java) -> None:
    """Raise unless every node would start Spark on a Java that works: what its ``PATH`` held when Ray started there."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0)(_java_of_node)
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    asked = [
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote()
        for node in nodes
    ]
    for node, (major, path) in zip(nodes, ray.get(asked, timeout=120), strict=True):
        if path is None or not java.Java(runtime.home, "PATH", major).works:
            got = "none" if path is None else f"Java {major} ({path})"
            raise ConfigError(
                f"every node must have Java 17 on its PATH when Ray starts there, but {node['NodeName']} has {got}",
                f"{java.INSTALL}; then start Ray again with its bin folder first on PATH",
            )


def _java_of_node() -> tuple[int | None, str | None]:
    """Run on a node: what ``java`` means to Ray there. A worker's PATH is that of the node."""
    found = next((each for each in java.candidates() if each.source == "PATH"), None)
    return (None, None) if found is None else (found.major, str(found.path))


def _reserve(sizing: Sizing, wait: float) -> Any:
    """Return a placement group for the executors: RayDP itself would wait for CPUs without end."""
    import ray

    bundle = {"CPU": float(sizing.cores), "memory": float(sizing.memory)}
    group = ray.util.placement_group([dict(bundle) for _ in range(sizing.executors)], strategy="SPREAD")
    if group.wait(timeout_seconds=wait):
        return group
    ray.util.remove_placement_group(group)
    free = ray.available_resources()
    raise ClusterError(
        f"{sizing.executors} executors of {sizing.cores} CPUs and {memory_text(sizing.memory)} must become free, but "
        f"after {wait:g} s the cluster has {free.get('CPU', 0.0):g} CPUs and {free.get('memory', 0.0) / 2**30:.1f} GiB",
        "ask for fewer or smaller executors, or wait until the trials and replicas that hold them end",
    )


def _release(group: Any) -> None:
    import ray

    if ray.is_initialized():
        ray.util.remove_placement_group(group)


@contextmanager
def _environment(runtime: java.Java) -> Iterator[None]:
    """Set what PySpark reads, and put back what was there."""
    names = ("JAVA_HOME", "PATH", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")
    before = {name: os.environ.get(name) for name in names}
    java.put_first(runtime)
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _clean_fetch() -> Iterator[None]:
    """Let RayDP's fetch task put back the switch that it sets in Ray's pooled worker (raydp 1.6.5)."""
    import ray
    from raydp.spark import dataset

    original = dataset._fetch_arrow_table_from_executor
    dataset._fetch_arrow_table_from_executor = ray.remote(max_retries=-1)(_fetch)
    try:
        yield
    finally:
        dataset._fetch_arrow_table_from_executor = original


def _fetch(executor: str, rdd: int, partition: int, schema: str, agent: str) -> Any:
    from ray._private.worker import global_worker
    from raydp.spark import dataset

    try:
        return dataset._fetch_arrow_table_from_executor._function(executor, rdd, partition, schema, agent)
    finally:
        global_worker.set_load_code_from_local(False)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
