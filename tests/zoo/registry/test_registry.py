"""The ledger of models: nothing is lost, nothing is changed, and one of two promoters wins."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zoo.errors import ArtifactError, ConfigError, ConflictError, RegistryError
from zoo.registry.registry import Registry
from zoo.registry.stages import STAGES, TRANSITIONS, check_transition

REPETITIONS = 20  # asked for by the issue


class Wall:
    """A wall clock that tests set."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Return what was set."""
        return self.seconds


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def registry(tmp_path: Path, wall: Wall) -> Iterator[Registry]:
    found = Registry(tmp_path / "models", wall=wall)
    yield found
    found.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "run"
    (place / "deep").mkdir(parents=True)
    (place / "deep" / "weights.bin").write_bytes(b"123")
    (place / "model.json").write_text("{}")
    return place


def staged(registry: Registry, folder: Path, count: int = 1) -> None:
    for _ in range(count):
        one = registry.publish("sales", folder, owner="ana", team="demand")
        for stage in ("validated", "staged"):
            registry.promote(f"sales@{one.version}", stage, actor="ana")


def test_a_published_version_comes_back_whole(registry, folder):
    registry.publish("base", folder, owner="ana", team="demand")
    one = registry.publish("sales", folder, owner="ana", team="demand", metrics={"mase": 0.8}, parents=["base@1"])
    assert (one.version, one.stage, one.body["metrics"], one.body["parents"]) == (1, "draft", {"mase": 0.8}, ["base@1"])
    assert (registry.fetch("models:/sales@1") / "deep" / "weights.bin").read_bytes() == b"123"
    assert registry.fetch("sales@1") == registry.fetch("base@1"), "the same files are stored once"
    assert [v.name for v in registry.versions()] == ["base", "sales"]
    assert registry.versions("sales") == [one]


@pytest.mark.parametrize("change", ["edit", "remove", "add"])
def test_changed_files_are_an_error_that_names_the_file(registry, folder, change):
    registry.publish("sales", folder, owner="ana", team="demand")
    place = registry.fetch("sales@1")
    file = place / ("extra.txt" if change == "add" else "deep/weights.bin")
    file.unlink() if change == "remove" else file.write_bytes(b"other")
    with pytest.raises(ArtifactError, match=file.name):
        registry.fetch("sales@1")


@pytest.mark.parametrize("name", ["a/b", "", "../x", "a b", "ä", "x" * 101, "a\n"])
def test_odd_names_are_refused(registry, folder, name):
    with pytest.raises(ConfigError, match="name"):
        registry.publish(name, folder, owner="ana", team="demand")


@pytest.mark.parametrize(
    ("change", "said"),
    [({"owner": " "}, "an owner"), ({"team": ""}, "a team"), ({"metrics": {"mase": float("nan")}}, "mase")],
)
def test_a_version_without_owner_team_or_real_metrics_is_refused(registry, folder, change, said):
    with pytest.raises(ConfigError, match=said):
        registry.publish("sales", folder, **{"owner": "ana", "team": "demand", **change})
    assert registry.versions() == []


def test_missing_empty_and_linking_folders_are_refused(registry, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "linking").mkdir()
    (tmp_path / "linking" / "x").symlink_to("/etc/hostname")
    for name in ("missing", "empty", "linking"):
        with pytest.raises(ArtifactError, match=name):
            registry.publish("sales", tmp_path / name, owner="ana", team="demand")


@pytest.mark.parametrize(("reference", "kind"), [("sales@9", RegistryError), ("sales@live", RegistryError),
                                                 ("other@1", RegistryError), ("sales@best", ConfigError)])  # fmt: skip
def test_unknown_references_are_told(registry, folder, reference, kind):
    registry.publish("sales", folder, owner="ana", team="demand")
    with pytest.raises(kind):
        registry.get(reference)


@pytest.mark.parametrize("old", STAGES)
@pytest.mark.parametrize("new", STAGES)
def test_an_illegal_transition_says_which_are_legal(old, new):
    if new in TRANSITIONS[old]:
        check_transition("sales@1", old, new)
        return
    with pytest.raises(RegistryError) as found:
        check_transition("sales@1", old, new)
    assert all(legal in found.value.hint for legal in TRANSITIONS[old])


def test_an_unknown_stage_is_told(registry, folder):
    registry.publish("sales", folder, owner="ana", team="demand")
    with pytest.raises(ConfigError, match="validated"):
        registry.promote("sales@1", "production", actor="ben")


def test_the_registry_knows_what_served_when_and_when_that_was_known(registry, folder, wall):
    staged(registry, folder, 2)
    wall.seconds = 2000.0
    registry.promote("sales@1", "live", actor="ben", test="week 48")
    wall.seconds = 3000.0
    registry.promote("sales@2", "live", actor="cem")
    wall.seconds = 4000.0
    registry.correct("sales", 2, valid=2500.0, actor="dia")
    assert registry.at("sales", 1999.0) is None
    first = registry.at("sales", 2200.0)
    assert first is not None
    assert (first.version, first.approved_by, first.test) == (1, "ben", "week 48")
    now, before = registry.at("sales", 2700.0), registry.at("sales", 2700.0, known=3500.0)
    assert now is not None
    assert before is not None
    assert (now.version, now.approved_by, before.version) == (2, "dia", 1)


def test_rollback_brings_the_former_version_back_and_retiring_leaves_none(registry, folder, wall):
    staged(registry, folder, 2)
    registry.promote("sales@1", "live", actor="ben")
    with pytest.raises(RegistryError, match="no other"):
        registry.rollback("sales", actor="ben")
    registry.promote("sales@2", "live", actor="ben")
    assert [v.stage for v in registry.versions("sales")] == ["retired", "live"]
    assert registry.rollback("sales", actor="ben").version == 1
    registry.promote("sales@1", "retired", actor="ben")
    assert registry.at("sales", wall.seconds + 1) is None


def test_rebuilt_is_kept(registry, folder):
    staged(registry, folder, 3)
    registry.promote("sales@2", "live", actor="ben")
    kept = registry.versions()
    registry.rebuild()
    assert registry.versions() == kept


def test_the_recorded_time_does_not_follow_a_clock_that_is_set_back(registry, folder, wall, tmp_path):
    registry.publish("sales", folder, owner="ana", team="demand")
    wall.seconds = 5.0
    registry.publish("sales", folder, owner="ana", team="demand")
    with sqlite3.connect(tmp_path / "models" / "registry.db") as db:
        times = [row[0] for row in db.execute("SELECT recorded FROM events ORDER BY seq")]
    assert times[0] < times[1]


@pytest.mark.parametrize("change", ["DELETE FROM events", "UPDATE events SET actor = 'eve'"])
def test_the_log_cannot_be_changed(registry, folder, tmp_path, change):
    registry.publish("sales", folder, owner="ana", team="demand")
    with sqlite3.connect(tmp_path / "models" / "registry.db") as db, pytest.raises(sqlite3.Error, match="only added"):
        db.execute(change)


def test_newer_corrupt_and_foreign_databases_are_refused_and_kept(tmp_path):
    for name, prepare in (("newer", "PRAGMA user_version = 99"), ("foreign", "CREATE TABLE t (x)")):
        (tmp_path / name).mkdir()
        with sqlite3.connect(tmp_path / name / "registry.db") as db:
            db.execute(prepare)
        with pytest.raises(RegistryError) as found:
            Registry(tmp_path / name)
        assert found.value.hint
    (tmp_path / "corrupt").mkdir()
    file = tmp_path / "corrupt" / "registry.db"
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(RegistryError, match="not a database"):
        Registry(tmp_path / "corrupt")
    assert file.read_bytes() == b"no database" * 1000


def test_of_two_promoters_one_wins_and_the_other_is_told(registry, folder, tmp_path):
    staged(registry, folder, 2)

    def promote(version: int) -> bool:
        mine = Registry(tmp_path / "models")
        try:
            mine.promote(f"sales@{version}", "live", actor="ben", expected=0)
        except ConflictError:
            return False
        finally:
            mine.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(promote, (1, 2))) == [False, True]
    assert sorted(v.stage for v in registry.versions("sales")) == ["live", "staged"]


LOOP = """
import sys
from pathlib import Path
from zoo.registry.registry import Registry
registry = Registry(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    registry.rollback("sales", actor="loop")
"""


def test_kill_9_leaves_exactly_one_live_version(registry, folder, tmp_path):
    staged(registry, folder, 2)
    for version in (1, 2):
        registry.promote(f"sales@{version}", "live", actor="ben")
    for i in range(REPETITIONS):
        command = [sys.executable, "-c", LOOP, str(tmp_path / "models")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.003 * i)
            os.kill(process.pid, signal.SIGKILL)
        kept = registry.versions("sales")
        assert sorted(v.stage for v in kept) == ["live", "retired"]
        served = registry.at("sales", 1e12)
        assert served is not None
        assert registry.get("sales@live").version == served.version
    registry.rebuild()
    assert registry.versions("sales") == kept


def test_what_was_retired_before_it_served_does_not_become_live(registry, folder):
    one = registry.publish("sales", folder, owner="ana", team="demand")
    registry.promote(f"sales@{one.version}", "retired", actor="ana")
    with pytest.raises(RegistryError, match="retired before it ever served") as refused:
        registry.promote(f"sales@{one.version}", "live", actor="ben")
    assert "publish it again" in str(refused.value.hint)
    assert registry.get("sales@1").stage == "retired"


def test_what_has_served_may_be_brought_back_by_hand(registry, folder):
    staged(registry, folder, 2)
    for version in (1, 2):
        registry.promote(f"sales@{version}", "live", actor="ben")
    assert registry.get("sales@1").stage == "retired"
    assert registry.promote("sales@1", "live", actor="ben", test="a customer's word").stage == "live"
    assert registry.get("sales@2").stage == "retired"


def test_two_models_do_not_retire_each_other(registry, folder):
    for name in ("sales", "stock"):
        registry.publish(name, folder, owner="ana", team="demand")
        for stage in ("validated", "staged", "live"):
            registry.promote(f"{name}@1", stage, actor="ben")
    assert {one.name: one.stage for one in registry.versions()} == {"sales": "live", "stock": "live"}
    assert registry.at("stock", 1e12).version == 1
