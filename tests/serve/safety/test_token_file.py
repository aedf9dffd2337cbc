"""Tokens that change: a new file counts, a broken one does not, and a revoked token is refused."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serve.app import ServingApp
from serve.identity import Identity
from serve.safety import Guard, TokenFile, issue, write_tokens
from tests.serve.deployments.one_application import answered, configuration
from zoo.errors import ArtifactError


@pytest.fixture
def clock() -> Iterator[Callable[[], float]]:
    now = [0.0]

    def tick() -> float:
        now[0] += 1.0
        return now[0]

    yield tick


def test_a_changed_file_counts_at_the_next_look_and_a_broken_one_does_not(tmp_path: Path, clock: Any):
    path = tmp_path / "tokens.json"
    (_, old), (_, new) = issue("old"), issue("new")
    write_tokens(path, [old])
    found = TokenFile(path, clock=clock)
    assert found.tokens == (old,) and not found.look()
    write_tokens(path, [new])
    assert found.look() and found.tokens == (new,)
    for broken in ('{"broken', "{}", '"text"', "[1]", "[[]]", '[{"name": "x", "sha256": "short"}]', "[" * 100_000, ""):
        path.write_text(broken)
        assert not found.look()
        assert found.tokens == (new,) and found.error, broken
    path.unlink()
    assert not found.look() and found.error
    write_tokens(path, [new])
    path.chmod(0o644)
    assert not found.look() and "owner only" in found.error
    path.chmod(0o600)
    assert not found.look() and found.error == "", "the same tokens as before"
    write_tokens(path, [])
    assert found.look() and not found.tokens


def test_a_copy_with_its_old_times_is_another_file(tmp_path: Path, clock: Any):
    path = tmp_path / "tokens.json"
    write_tokens(path, [issue("a")[1]])
    found, times = TokenFile(path, clock=clock), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    write_tokens(path, [issue("b")[1]])
    os.utime(path, ns=times)
    assert found.look()


def test_one_that_starts_beside_a_broken_file_goes_on_with_what_was_read_last(tmp_path: Path):
    path, copy = tmp_path / "tokens.json", tmp_path / "kept.json"
    write_tokens(path, [issue("first")[1]])
    TokenFile(path, kept=copy)
    newest = issue("newest")[1]
    write_tokens(path, [newest])
    TokenFile(path, kept=copy)
    path.write_text("{")
    write_tokens(tmp_path / "good.json", [])
    later = TokenFile(path, kept=copy)
    assert later.tokens == (newest,) and later.error
    assert TokenFile(tmp_path / "good.json", kept=tmp_path / "no" / "folder.json").tokens == (), "that is no reason"
    for elsewhere in (None, tmp_path / "nothing.json"):
        with pytest.raises(ArtifactError):
            TokenFile(path, kept=elsewhere)
    with pytest.raises(ArtifactError):
        TokenFile(tmp_path / "another.json", kept=copy)


def test_an_empty_list_of_tokens_lets_nobody_in(pipeline: Any, tmp_path: Path):
    write_tokens(tmp_path / "tokens.json", [])
    config = configuration(pipeline.save(tmp_path / "hours"), tokens=str(tmp_path / "tokens.json"))
    app = ServingApp(config).asgi
    assert answered(app).status_code == 401
    assert answered(Guard(ServingApp().api, tokens=None)).status_code == 200
    assert answered(Guard(ServingApp().api, tokens=())).status_code == 401


def test_a_revoked_token_is_refused_and_the_owners_is_not(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("serve.safety.token_file._LOOK", 0.0)
    monkeypatch.delenv("ZOO_SERVE_DIR", raising=False)
    path = tmp_path / "tokens.json"
    (stolen, old), (fresh, new), (mine, owner) = issue("stolen"), issue("fresh"), issue("owner")
    write_tokens(path, [old])
    config = configuration(pipeline.save(tmp_path / "hours"), tokens=str(path))
    front = ServingApp(config, identity=Identity("a", "b", "c", owner.sha256))

    def codes() -> list[int]:
        return [answered(front.asgi, authorization=f"Bearer {text}").status_code for text in (stolen, fresh, mine)]

    assert codes() == [200, 401, 200]
    write_tokens(path, [new])
    assert codes() == [401, 200, 200]
    path.write_text('{"broken')
    assert codes() == [401, 200, 200]
    front.reload(config.model_copy(update={"max_loaded": 5}))
    assert codes() == [401, 200, 200], "a reload beside a broken file keeps the tokens before"
    told = answered(front.asgi, "/v1/endpoint", authorization=f"Bearer {mine}").json()
    assert "JSON list" in told["tokens"]["error"]
    elsewhere = config.model_copy(update={"tokens": str(tmp_path / "nowhere.json")})
    with pytest.raises(ArtifactError):
        front.reload(elsewhere)
    assert codes() == [401, 200, 200]
