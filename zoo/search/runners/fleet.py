"""Persistent Ray actors with declared resources, as many as the cluster has room for while nodes come and go."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zoo.cluster.session import alive_nodes
from zoo.errors import ClusterError, ConfigError
from zoo.search.checkpoints import pack
from zoo.search.resources import Resources
from zoo.search.runners.outcome import Train, TrainingOutcome, TrainingReport
from zoo.search.runners.trainer import Trainer, WorkerPlace
from zoo.search.trial import FailureKind, Trial
from zoo.workers.actors import LOW_MEMORY, MAX_DEATHS, answered, deaths, last_line, unreachable

__all__ = ["Fleet", "Lost", "Slot", "no_room", "no_room_yet", "put", "unreadable_there"]

# Seconds between looks at the cluster's nodes.
_LOOK = 2.0


@dataclass(frozen=True)
class Lost:
    """A worker died with its trial.

    Args:
        reason: Why, in Ray's words.
        memory: Whether Ray itself ended it, since its machine was short of memory.
    """

    reason: str
    memory: bool


@dataclass(eq=False)
class Slot:
    """One place for a worker.

    Args:
        actor: Handle of the worker's Ray actor.
        group: Its placement group, if it has one.
        scale: Factor on the resources.
        ref: The answer that it owes: to ping, prepare, begin or go_on; None while idle.
        phase: "scheduling" -> "preparing" -> "idle" <-> "running".
        since: Monotonic seconds at which the phase began.
        trial: What it works on, or will begin with when it is ready.
        place: Where it is, once it is scheduled.
        faults: Deaths before it was ready, in a row.
    """

    actor: Any
    group: Any
    scale: float
    ref: Any
    phase: Literal["scheduling", "preparing", "idle", "running"]
    since: float
    trial: Trial | None = None
    place: WorkerPlace | None = None
    faults: int = 0


class Fleet:
    """The workers of one run; a context manager that ends them.

    Args:
        train: The function; it travels to each worker once.
        resources: What each worker reserves.
        workers: How many; None: as many as the cluster has room for, at each moment.
        max_workers: Never more workers than this; None for no bound.
        store: Folder of checkpoints and the mark in it, see ``Trainer``.

    Raises:
        ConfigError: The cluster can never give the resources, or the function cannot travel.
    """

    def __init__(
        self,
        train: Train,
        resources: Resources,
        *,
        workers: int | None,
        max_workers: int | None,
        store: tuple[str, str] | None,
    ) -> None:
        import ray

        self._ray = ray
        self._resources = resources
        self._workers, self._max_workers, self._store = workers, max_workers, store
        self.slots: list[Slot] = []
        self._next_look = 0.0
        self._alive = time.monotonic()
        if not self._room():
            raise no_room(resources, self._nodes())
        self._train = put(train)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *error: object) -> None:
        for slot in list(self.slots):
            self._end(slot)
        self.slots = []

    @property
    def size(self) -> int:
        """Workers that there are, ready or not."""
        return len(self.slots)

    def follow(self) -> None:
        """Have as many workers as there is room for now."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK
        if self._makes_room:
            for slot in [s for s in self.slots if s.trial is None and s.phase in ("scheduling", "idle")]:
                self._end(slot)
                self.slots.remove(slot)
            return
        wanted = self._workers if self._workers is not None else max(self._room(), 1)
        if self._max_workers is not None:
            wanted = min(wanted, self._max_workers)
        while len(self.slots) < wanted:
            self.slots.append(self._start(1.0))
        # Never one that works; those that wait for a place first.
        spare = [slot for slot in self.slots if slot.trial is None and slot.phase in ("scheduling", "idle")]
        for slot in sorted(spare, key=lambda slot: slot.phase == "idle"):
            if len(self.slots) > wanted:
                self._end(slot)
                self.slots.remove(slot)

    def give(self, trial: Trial) -> None:
        """Let an idle worker begin with a trial; one with other resources is started if the trial asks for them."""
        slot = next(s for s in self.slots if s.phase == "idle")
        if slot.scale != trial.scale:
            slot = self.replace(slot, trial.scale)
            slot.trial = trial
        else:
            self._begin(slot, trial)

    def _begin(self, slot: Slot, trial: Trial) -> None:
        assert slot.place is not None
        packed = None
        if trial.checkpoint is not None and self._store is not None and not slot.place.sees:
            packed = pack(Path(trial.checkpoint))
        slot.trial, slot.phase, slot.since = trial, "running", time.monotonic()
        slot.ref = slot.actor.begin.remote(trial, packed)

    @property
    def _makes_room(self) -> bool:
        """Whether a trial waits for a larger worker: idle ones hold what that needs, and new ones would take it."""
        return any(slot.trial is not None and slot.phase == "scheduling" for slot in self.slots)

    def can_scale(self, factor: float) -> bool:
        """Whether a worker with so much larger resources fits anywhere."""
        return self._resources.scaled(factor).fits(self._nodes()) > 0

    @property
    def idle(self) -> int:
        """Workers that wait for something to do, and may have it."""
        return 0 if self._makes_room else sum(slot.phase == "idle" for slot in self.slots)

    def answer(self, slot: Slot, decision: str) -> None:
        """Send the decision on a report."""
        slot.ref = slot.actor.go_on.remote(decision)

    def wait(self, seconds: float) -> list[tuple[Slot, TrainingReport | TrainingOutcome | Lost]]:
        """Return what workers have said, waiting at most ``seconds`` for the first.

        Raises:
            ClusterError: The cluster is gone, or workers cannot start.
        """
        owing = {slot.ref: slot for slot in self.slots if slot.ref is not None}
        if not owing:
            time.sleep(seconds)
            return []
        said = [(owing[ref], self._take(owing[ref])) for ref in answered(owing, seconds)]
        return [(slot, message) for slot, message in said if message is not None]

    def _take(self, slot: Slot) -> TrainingReport | TrainingOutcome | Lost | None:
        try:
            answer = self._ray.get(slot.ref)
        except deaths() as error:
            return self._died(slot, error)
        except Exception as error:  # the function cannot be read there, or the answer not here
            if slot.phase != "running":
                raise unreadable_there(last_line(error)) from error
            return TrainingOutcome("failed", kind=FailureKind.EXCEPTION, message=f"{type(error).__name__}: {error}")
        if slot.phase == "scheduling":
            slot.place, slot.phase, slot.since = answer, "preparing", time.monotonic()
            slot.ref = slot.actor.prepare.remote(self._train)
            return None
        if slot.phase == "preparing":
            slot.phase, slot.ref, slot.faults = "idle", None, 0
            if slot.trial is not None:
                self._begin(slot, slot.trial)
            return None
        message: TrainingReport | TrainingOutcome = answer
        slot.ref = None
        return message

    def free(self, slot: Slot) -> None:
        """A worker's trial has ended."""
        slot.trial, slot.ref, slot.phase = None, None, "idle"
        if slot.scale != 1.0:
            self.replace(slot, 1.0)

    def replace(self, slot: Slot, scale: float | None = None) -> Slot:
        """End a worker and put a new one into its place."""
        faults = slot.faults + 1 if slot.phase in ("scheduling", "preparing") else 0
        self._end(slot)
        new = self._start(slot.scale if scale is None else scale)
        new.faults = faults
        self.slots[self.slots.index(slot)] = new
        return new

    def _died(self, slot: Slot, error: Exception) -> Lost | None:
        trial = slot.trial
        memory = LOW_MEMORY in str(error)
        new = self.replace(slot, 1.0 if slot.phase == "running" else slot.scale)
        # A node that is gone took its worker along: the next look decides whether there is room for another.
        self._next_look = 0.0
        if slot.phase != "running":
            if new.faults >= MAX_DEATHS:
                raise unreachable(error) from error
            new.trial = trial
            return None
        return Lost(f"{type(error).__name__}: {last_line(error)}", memory)

    def check(self, patience: float) -> None:
        """Raise if the cluster has had no room for any worker for ``patience`` seconds.

        Raises:
            ClusterError: There was no room for so long.
        """
        now = time.monotonic()
        if any(slot.phase != "scheduling" for slot in self.slots):
            self._alive = now
        elif now - self._alive > patience:
            raise no_room_yet(self._resources, self._nodes(), patience)

    def _start(self, scale: float) -> Slot:
        resources = self._resources if scale == 1.0 else self._resources.scaled(scale)
        first = dict(resources.bundles[0])
        options: dict[str, Any] = {
            "num_cpus": first.pop("CPU", 0),
            "num_gpus": first.pop("GPU", 0),
            "resources": first,
            "max_restarts": 0,  # the study must know which trial was lost
        }
        group = None
        if resources.more:
            from ray.util.placement_group import placement_group
            from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

            group = placement_group(resources.bundles, strategy="PACK")
            options["scheduling_strategy"] = PlacementGroupSchedulingStrategy(
                group, placement_group_bundle_index=0, placement_group_capture_child_tasks=True
            )
        actor = (
            self._ray.remote(Trainer)
            .options(**options)
            .remote(list(sys.path), max(int(resources.cpu), 1), resources.memory, self._store)
        )
        return Slot(actor, group, scale, actor.ping.remote(), "scheduling", time.monotonic())

    def _end(self, slot: Slot) -> None:
        self._ray.kill(slot.actor)
        if slot.group is not None:
            from ray.util.placement_group import remove_placement_group

            remove_placement_group(slot.group)

    def _nodes(self) -> list[Mapping[str, float]]:
        try:
            return alive_nodes()
        except Exception as error:
            raise unreachable(error) from error

    def _room(self) -> int:
        return self._resources.fits(self._nodes())


def no_room(resources: Resources, nodes: list[Mapping[str, float]]) -> ConfigError:
    """Return the error of a cluster that can never give the resources."""
    return ConfigError(
        f"the cluster must be able to give a training its resources, but {resources} fits on no node: {_listed(nodes)}",
        "ask for less, or add such a node",
    )


def no_room_yet(resources: Resources, nodes: list[Mapping[str, float]], patience: float) -> ClusterError:
    """Return the error of a cluster whose nodes would do, but that had no room for so many seconds."""
    return ClusterError(
        f"the cluster must have room for a training ({resources}), but for {patience:g} s it had none; "
        f"nodes: {_listed(nodes)}",
        "end other jobs on the cluster, add nodes, or ask for less",
    )


def put(train: Train) -> Any:
    """Return a reference by which workers get a training.

    Raises:
        ConfigError: It cannot travel.
    """
    import ray

    try:
        return ray.put(train)
    except Exception as error:  # whatever pickling raises
        raise ConfigError(
            f"a training must be able to travel to the workers, but it refers to something that is not: {error}",
            "open files, locks and connections inside of the function",
        ) from error


def unreadable_there(why: str) -> ConfigError:
    """Return the error of a training that has travelled, and cannot be unpacked."""
    return ConfigError(
        f"a training must be readable on the workers, but it is not: {why}",
        "what it imports must be installed there, or lie beside the script",
    )


def _listed(nodes: list[Mapping[str, float]]) -> str:
    shown = [
        ", ".join(
            f"{amount:g} {name}" for name, amount in node.items() if not name.startswith(("node:", "object_store"))
        )
        for node in nodes
    ]
    return "; ".join(f"[{text}]" for text in shown) or "none"
