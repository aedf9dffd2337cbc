"""Spark inside Ray: one test for each thing that goes wrong without ``zoo.cluster.spark``."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from zoo.cluster import spark as start_spark
from zoo.cluster.fence import Sizing
from zoo.cluster.session import Session
from zoo.errors import ClusterError, ConfigError

reserve = sys.modules["zoo.cluster.spark"]._reserve  # the package's `spark` is the function
pytestmark = pytest.mark.spark
_ROOT = Path(__file__).parents[3]


def test_the_master_takes_no_cpu_and_the_executor_only_its_own(spark_session: Any) -> None:
    import ray

    assert spark_session.sparkContext.getConf().get("spark.executor.instances") == "1"
    assert ray.available_resources()["CPU"] == ray.cluster_resources()["CPU"] - 1


@pytest.mark.slow
def test_python_functions_run_in_this_interpreter(spark_session: Any) -> None:
    found = spark_session.sparkContext.parallelize([0], 1).map(_executable).collect()
    assert found == [sys.executable]


def _executable(_: int) -> str:
    import sys

    return sys.executable


def test_a_table_leaves_spark_on_java_17_and_parquet_is_read_afterwards(spark_session: Any, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import ray

    assert ray.data.from_spark(spark_session.range(100).repartition(2)).sum("id") == 4950
    pq.write_table(pa.table({"id": range(10)}), tmp_path / "ten.parquet")
    for _ in range(3):  # the worker that fetched must not be spoilt, whichever of the pool that was
        assert ray.data.read_parquet(str(tmp_path)).count() == 10


def test_a_second_application_is_refused(spark_session: Any) -> None:
    with pytest.raises(ConfigError, match="one Spark session, but 'zoo' runs") as caught, start_spark():
        pass
    assert "stop it" in caught.value.hint


def test_another_process_in_the_namespace_is_refused(spark_session: Any, session: Session) -> None:
    refuse = sys.modules["zoo.cluster.spark"]._refuse_second_application
    with pytest.raises(ClusterError, match="one Spark application, but this one has the actors") as caught:
        refuse("other")
    assert "namespace" in caught.value.hint


def test_cpus_that_do_not_come_free_are_an_error_not_a_hang(session: Session) -> None:
    began = time.monotonic()
    with pytest.raises(ClusterError, match=r"2 executors of 2 CPUs and 512m must become free, but after 0\.5 s"):
        reserve(Sizing(2, 2, 512 * 2**20, 0), 0.5)
    assert time.monotonic() - began < 10


_SCRIPT = """
    import os, sys
    import psutil
    from zoo.cluster import connect, spark

    def javas():
        return [p for p in psutil.Process().children(recursive=True)
                if p.status() != psutil.STATUS_ZOMBIE and p.name() == "java"]

    with connect(workers=2):
        try:
            with spark(memory="700m") as first:
                assert first.range(10).count() == 10
                assert len(javas()) >= 3, javas()
                raise RuntimeError("the user's")
        except RuntimeError as error:
            print(error, javas())
        # A plain session of the user's leaves a JVM without RayDP's classes behind.
        from pyspark.sql import SparkSession
        plain = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
        plain.stop()
        with spark(memory="700m") as second:
            import ray
            print(ray.data.from_spark(second.range(7)).count())
        print(javas())
"""


def _run(script: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYSPARK", "JAVA"))
    }
    environment["PYTHONPATH"] = str(_ROOT)
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, capture_output=True, text=True, timeout=200
    )


@pytest.mark.slow
def test_an_error_inside_stops_it_and_it_starts_again_beside_a_plain_session_that_ended() -> None:
    result = _run(_SCRIPT)
    assert result.stdout == "the user's []\n7\n[]\n", result.stderr


@pytest.mark.slow
def test_a_killed_driver_leaves_no_jvm(tmp_path: Path) -> None:
    script = """
        import os, time
        from zoo.cluster import spark
        with spark(memory="700m", keep_free=0) as session:
            session.range(10).count()
            print("up", flush=True)
            time.sleep(100)
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["PYTHONPATH"] = str(_ROOT)
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    javas = [child for child in psutil.Process(process.pid).children(recursive=True) if child.name() == "java"]
    assert len(javas) >= 3
    process.kill()
    process.communicate()
    assert _within(40, lambda: not any(map(_lives, javas))), javas


@pytest.mark.slow
def test_a_killed_executor_costs_time_and_no_row(tmp_path: Path) -> None:
    script = """
        import os, time
        import psutil
        from zoo.cluster import connect, spark

        def work(batches):
            for batch in batches:
                if batch.num_rows and batch.column(0)[0].as_py() >= 250:
                    open(MARK, "w").close()  # two of eight parts are done: the kill comes in mid-run
                time.sleep(0.5)
                yield batch

        def kill(victim):
            while not os.path.exists(MARK):
                time.sleep(0.05)
            os.kill(victim, 9)

        def parent(_):
            yield next(p.pid for p in psutil.Process().parents() if p.name() == "java")

        with connect(workers=2), spark(executors=1, cores=1, memory="700m") as session:
            import threading
            victim = session.sparkContext.parallelize([0], 1).mapPartitions(parent).collect()[0]
            threading.Thread(target=kill, args=(victim,), daemon=True).start()
            rows = session.range(0, 1000, 1, 8).mapInArrow(work, "id long").selectExpr("sum(id) s").collect()[0].s
            again = session.sparkContext.parallelize([0], 1).mapPartitions(parent).collect()[0]
            print(rows, again != victim)
    """
    result = _run(f"MARK = {str(tmp_path / 'mark')!r}\n" + textwrap.dedent(script))
    assert result.stdout == "499500 True\n", result.stderr


@pytest.mark.slow
def test_a_job_whose_executor_does_not_come_back_is_an_error_not_a_hang() -> None:
    script = """
        import ray
        from zoo.cluster import connect, spark
        from zoo.errors import ClusterError

        with connect(workers=2):
            try:
                with spark(executors=1, cores=1, memory="700m", patience=5) as session:
                    assert session.range(10).count() == 10
                    (name,) = [a for a in ray.util.list_named_actors() if a.startswith("raydp-executor-")]
                    ray.kill(ray.get_actor(name), no_restart=True)
                    ray.get_actor("RAY_APP_MASTER")
                    session.range(1000).repartition(8).count()
            except ClusterError as error:
                print(error.message)
    """
    result = _run(script)
    assert result.stdout == "a Spark job must have an executor, but had none for 5 s, and was cancelled\n", (
        result.stderr
    )


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False
