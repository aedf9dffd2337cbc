"""Who answers: pins, shares, canaries, shadows and bandits, and the table that survives a restart."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.serve.routing import Simulation, routing_figures
from serve.routing import (
    AnyRouter,
    Canary,
    Guardrail,
    Ledger,
    LiveRouting,
    Pin,
    Promise,
    RoutingOutcome,
    RoutingRequest,
    RoutingTable,
    Shadow,
    Split,
    Tally,
    Thompson,
    router_from_dict,
    time_key,
)
from serve.routing.table import KINDS
from serve.routing.tally import radius
from serve.testing.routers import RouterConformance, requests, within_binomial
from zoo.errors import ArtifactError, ConfigError


class TestPin(RouterConformance):
    def make(self) -> AnyRouter:
        return Pin("demand@1")


class TestSplit(RouterConformance):
    def make(self) -> AnyRouter:
        return Split({"demand@1": 70, "demand@2": 30, "demand@3": 0})


class TestCanary(RouterConformance):
    def make(self) -> AnyRouter:
        return Canary("demand@1", "demand@2", steps=(0.1, 0.5), least=20)


class TestShadow(RouterConformance):
    def make(self) -> AnyRouter:
        return Shadow("demand@1", ("demand@2",), share=0.5)


class TestThompson(RouterConformance):
    def make(self) -> AnyRouter:
        return Thompson(("demand@1", "demand@2", "demand@3"))


def test_every_registered_router_is_tested():
    tested = {type(kind().make()) for kind in RouterConformance.__subclasses__() if kind.__module__ == __name__}
    assert tested >= set(KINDS.values())


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=2, max_size=5).filter(any), st.integers(0, 1000))
def test_weights_are_honoured_within_the_binomial_bound(weights: list[int], seed: int):
    router = Split({f"m@{i}": w for i, w in enumerate(weights)})
    counts = Counter(router.choose(request, seed).model for request in requests(2000))
    for i, weight in enumerate(weights):
        assert within_binomial(counts[f"m@{i}"], 2000, weight / sum(weights))


def test_a_key_stays_with_its_model_whatever_the_request():
    router = Split({"m@1": 1, "m@2": 1})
    assert len({router.choose(RoutingRequest(f"r{i}", "client 7", "m")).model for i in range(50)}) == 1


def test_when_a_weight_grows_keys_move_to_it_and_nowhere_else():
    before, after = Split({"m@1": 5, "m@2": 5}), Split({"m@1": 5, "m@2": 5, "m@3": 2})
    for request in requests(1000):
        now = after.choose(request).model
        assert now == "m@3" or now == before.choose(request).model


def test_a_key_that_was_the_candidates_stays_the_candidates_as_the_share_grows():
    early = Canary("m@1", "m@2", steps=(0.05, 0.3))
    late = replace(early, step=1)
    taken = [r for r in requests(2000) if early.choose(r).model == "m@2"]
    assert within_binomial(len(taken), 2000, 0.05)
    assert all(late.choose(r).model == "m@2" for r in taken)


def fed(router: AnyRouter, losses: dict[str, float], count: int, *, failing: float = 0.0, seed: int = 0) -> AnyRouter:
    """Let traffic flow: the chosen model gets an exponential loss; the last model fails now and then."""
    chance = random.Random(seed)
    for request in requests(count):
        model = router.choose(request).model
        failed = model == list(losses)[-1] and chance.random() < failing
        router = router.learn(RoutingOutcome(model, failed=failed, latency_ms=2.0 + chance.random()))
        if not failed:
            router = router.learn(RoutingOutcome(model, loss=losses[model] * chance.expovariate(1.0)))
    return router


def test_a_better_candidate_is_promoted_step_by_step():
    router = Canary("m@1", "m@2", steps=(0.1, 0.5), least=50)
    steps = set()
    chance = random.Random(1)
    for request in requests(4000):
        model = router.choose(request).model
        router = router.learn(RoutingOutcome(model, loss=(1.0 if model == "m@1" else 0.6) * chance.expovariate(1.0)))
        steps.add(router.step)
    assert router.state == "promoted"
    assert steps == {0, 1}
    assert {router.choose(r).model for r in requests(50)} == {"m@2"}
    assert not router.learns


def test_a_candidate_is_not_promoted_on_a_handful_of_the_stable_ones_outcomes():
    router = Canary("m@1", "m@2", steps=(0.5,), least=20)
    for _ in range(30):
        router = router.learn(RoutingOutcome("m@2", loss=0.1))
    assert router.learn(RoutingOutcome("m@1", loss=1.0)).state == "running"
    for _ in range(20):
        router = router.learn(RoutingOutcome("m@1", loss=1.0))
    assert router.learn(RoutingOutcome("m@2", loss=0.1)).state == "promoted"


def test_a_candidate_that_fails_is_rolled_back_and_says_why():
    router = fed(Canary("m@1", "m@2", steps=(0.2, 0.5)), {"m@1": 1.0, "m@2": 0.5}, 2000, failing=0.4)
    assert isinstance(router, Canary)
    assert router.state == "rolled back"
    assert router.why.startswith("failures 0.")
    assert {router.choose(r).model for r in requests(50)} == {"m@1"}
    assert router.learn(RoutingOutcome("m@2", loss=0.0)) is router, "the end is final"


def test_a_worse_candidate_is_rolled_back_by_its_loss():
    router = fed(Canary("m@1", "m@2", steps=(0.5,), least=100), {"m@1": 1.0, "m@2": 2.0}, 4000)
    assert isinstance(router, Canary)
    assert router.state == "rolled back"
    assert router.why.startswith("loss")


def test_a_candidate_that_is_never_proven_is_given_up():
    router = Canary("m@1", "m@2", steps=(0.5,), least=10, most=40, guardrails=())
    for _ in range(60):
        router = router.learn(RoutingOutcome("m@1", loss=1.0)).learn(RoutingOutcome("m@2", loss=1.1))
    assert router.state == "rolled back"
    assert "did not come down" in router.why


def test_an_equal_candidate_is_hardly_ever_rolled_back_by_a_guardrail_looked_at_after_every_outcome():
    rail = Guardrail("loss", worse_by=0.0, alpha=0.05)
    rolled = 0
    for seed in range(40):
        router = fed(
            Canary("m@1", "m@2", steps=(0.5,), least=600, guardrails=(rail,)), {"m@1": 1.0, "m@2": 1.0}, 800, seed=seed
        )
        assert isinstance(router, Canary)
        rolled += router.state == "rolled back" and "above" in router.why
    assert rolled <= 5


def test_the_bound_holds_at_all_times_at_once():
    chance, left = random.Random(0), 0
    for _ in range(100):
        tally, out = Tally(), False
        for i in range(500):
            tally = tally.add(chance.gauss(0.0, 1.0))
            out |= i >= 30 and abs(tally.mean) > radius(tally, 0.05)
        left += out
    assert left <= 14  # 5 expected at most


def test_shadows_are_asked_for_their_share_and_compared():
    router: AnyRouter = Shadow("m@1", ("m@2", "m@3"), share=0.3)
    choices = [router.choose(r) for r in requests(2000)]
    assert {c.model for c in choices} == {"m@1"}
    assert within_binomial(sum(bool(c.shadows) for c in choices), 2000, 0.3)
    router = router.learn(RoutingOutcome("m@1", loss=1.0)).learn(RoutingOutcome("m@2", loss=0.5))
    assert isinstance(router, Shadow)
    assert router.records["m@2"].loss == Tally(1.0, 0.5, 0.0)


def test_thompson_moves_the_traffic_to_the_best_model():
    router = fed(Thompson(("m@1", "m@2", "m@3")), {"m@1": 1.0, "m@2": 0.5, "m@3": 1.5}, 2500)
    assert isinstance(router, Thompson)
    assert router.shares()["m@2"] > 0.9


def test_thompson_closes_a_model_that_breaks_a_guardrail_however_small_its_loss():
    router = fed(Thompson(("m@1", "m@2")), {"m@1": 1.0, "m@2": 0.1}, 1500, failing=0.3)
    assert isinstance(router, Thompson)
    assert "failures" in router.closed["m@2"]
    assert router.shares(100) == {"m@1": 1.0, "m@2": 0.0}


def test_models_without_losses_get_at_most_the_trial_share():
    router = Thompson(("m@1", "m@2"), trial=0.1)
    counts = Counter(router.choose(r).model for r in requests(3000))
    assert counts["m@2"] < 3000 * 0.1
    assert counts["m@2"] > 0


def test_thompson_loses_less_than_fixed_tests_though_losses_come_late():
    regret, speed = routing_figures(seeds=1, simulation=Simulation(requests=8000, delay=300))
    assert regret["reached"]
    assert speed["measured"] > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Split({"m@1": -1, "m@2": 2}), "weights must"),
        (lambda: Split({"m@1": 0}), "weights must"),
        (lambda: Split({"m@1": float("nan")}), "weights must"),
        (lambda: Canary("m@1", "m@1"), "another version"),
        (lambda: Canary("m@1", "m@2", steps=(0.5, 0.1)), "growing"),
        (lambda: Canary("m@1", "m@2", steps=(0.5, 1.5)), "between 0 and 1"),
        (lambda: Canary("m@1", "m@2", steps=(0.5, 1.0)), "between 0 and 1"),
        (lambda: Canary("m@1", "m@2", least=1), "least"),
        (lambda: Shadow("m@1", ("m@1",)), "other models"),
        (lambda: Shadow("m@1", ()), "other models"),
        (lambda: Thompson(("m@1",)), "arms must"),
        (lambda: Thompson(("m@1", "m@2"), keep=0.0), "keep must"),
        (lambda: Guardrail("loss"), "one of at_most and worse_by"),
        (lambda: Guardrail("loss", at_most=-1.0), "at least 0"),
        (lambda: RoutingTable().put("demand@1", Pin("demand@2")), "without a version"),
        (lambda: RoutingTable().put("demand", Pin("../../etc/passwd")), "name must be letters"),
        (lambda: router_from_dict({"kind": "coin"}), "kind must be one of"),
        (lambda: router_from_dict({"kind": "split", "weights": {"m@1": "many"}}), "split.weights.m@1"),
        (lambda: router_from_dict({"kind": "pin", "model": "m@1", "typo": 1}), "typo"),
        (lambda: router_from_dict({"kind": "split", "weights": {"m@1": -1}}), "weights must"),
    ],
)
def test_what_cannot_route_is_refused_with_a_reason(make: Callable[[], object], message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        make()
    assert caught.value.hint


def test_an_observation_that_comes_twice_or_out_of_order_teaches_once():
    ledger = Ledger()
    ledger.add(Promise("m", "m@1", "H1", ("1", "2", "3"), (1.0, 2.0, 3.0), low=(0.0,) * 3, high=(2.5,) * 3))
    assert [o.loss for _, o in ledger.settle("H1", "3", 4.0)] == [1.0]
    assert [o.missed for _, o in ledger.settle("H1", "1", 1.0)] == [False]
    assert ledger.settle("H1", "3", 4.0) == []
    assert ledger.settle("H9", "1", 4.0) == []
    assert ledger.settle("H1", "2", float("nan")) == []
    assert len(ledger.settle("H1", "2", 2.0)) == 1
    assert len(ledger) == 0


def test_the_ledger_is_bounded():
    ledger = Ledger(per_series=2, max_series=3)
    for series in range(5):
        for start in range(4):
            ledger.add(Promise("m", "m@1", str(series), (str(start),), (0.0,)))
    assert len(ledger) == 6
    assert not ledger.settle("0", "3", 1.0)
    assert not ledger.settle("4", "0", 1.0)
    assert ledger.settle("4", "3", 1.0)


def test_a_moment_has_one_text_however_it_is_written():
    same = {
        time_key(t) for t in ("2024-01-01", "2024-01-01T00:00", "2024-01-01T00:00:00Z", "2024-01-01 02:00:00+02:00")
    }
    assert len(same) == 1
    assert time_key(12) == time_key("12.0") == time_key(12.0)
    assert time_key("week 3") == "week 3"


def lived(path: Path | None) -> LiveRouting:
    routing = LiveRouting(path)
    routing.put("m", Thompson(("m@1", "m@2")))
    routing.put("n", Pin("n@1"))
    for i in range(50):
        model = f"m@{1 + i % 2}"
        routing.promise([Promise("m", model, f"s{i % 5}", (str(i), str(i + 1)), (1.0, 2.0), scale=2.0)])
        routing.promise([Promise("n", "n@1", "s0", ("1",), (1.0,))])
        routing.answered("m", model, failed=i % 10 == 0, latency_ms=3.0)
        routing.observe(f"s{i % 5}", i, 1.5)
    return routing


def test_the_state_comes_back_after_a_restart(tmp_path: Path):
    routing = lived(tmp_path / "routing.journal")
    table, waiting = routing.table, routing.waiting
    routing.close()
    again = LiveRouting(tmp_path / "routing.journal")
    assert again.table == table == lived(None).table
    assert again.waiting == waiting > 0
    assert again.observe("s0", 46, 2.0) == 1
    assert again.observe("s0", 46, 2.0) == 0


def test_a_killed_server_loses_nothing_and_a_torn_line_is_dropped(tmp_path: Path):
    path = tmp_path / "routing.journal"
    code = (
        "import sys, os, signal; sys.path[:0] = [sys.argv[1], sys.argv[3]]\n"
        "from pathlib import Path\nfrom test_routing import lived\n"
        "lived(Path(sys.argv[2])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run([sys.executable, "-c", code, root, path, Path(__file__).parent], env={**os.environ})
    assert ended.returncode == -signal.SIGKILL
    with path.open("ab") as file:
        file.write(b'{"do":"observe","series":"s1","ti')
    routing = LiveRouting(path)
    expected = lived(None)
    assert routing.table == expected.table
    assert routing.waiting == expected.waiting
    routing.observe("s1", 47, 1.0)
    routing.close()
    LiveRouting(path).close()


def test_processes_that_share_a_journal_share_what_they_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("serve.routing.live._MAX_LINES", 40)
    replicas = [LiveRouting(tmp_path / "routing.journal") for _ in range(3)]
    alone = LiveRouting()
    for each in (replicas[0], alone):
        each.configure({"m": {"kind": "thompson", "arms": ["m@1", "m@2"]}})
    for i in range(100):
        for each in (replicas[i % 3], alone):
            each.refresh()
            each.promise([Promise("m", f"m@{1 + i % 2}", "s", (str(i),), (1.0,))])
            each.answered("m", "m@2", failed=False, latency_ms=2.0)
        assert replicas[(i + 1) % 3].observe("s", i, 1.5) == alone.observe("s", i, 1.5) == 1
        assert replicas[i % 3].observe("s", i, 1.5) == 0
    for each in replicas:
        each.refresh()
        assert each.table == alone.table
        # The same design keeps what was learned; another one begins anew.
        each.configure({"m": {"kind": "thompson", "arms": ["m@1", "m@2"]}})
        assert each.table == alone.table
    replicas[0].configure({"m": {"kind": "pin", "model": "m@2"}})
    replicas[1].refresh()
    assert replicas[1].table.routes == {"m": Pin("m@2")}
    replicas[1].configure({})
    replicas[0].refresh()
    assert replicas[0].table.routes == {}


def test_a_foreign_or_damaged_journal_is_refused(tmp_path: Path):
    foreign = tmp_path / "foreign"
    foreign.write_text('{"hello": 1}\n')
    with pytest.raises(ArtifactError, match="must begin with"):
        LiveRouting(foreign)
    damaged = tmp_path / "damaged"
    lived(damaged).close()
    damaged.write_text(damaged.read_text() + "garbage\n{}\n")
    with pytest.raises(ArtifactError, match="garbage"):
        LiveRouting(damaged)
