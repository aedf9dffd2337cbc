"""The registry: publish versions, move them through their stages, and ask what served when."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from zoo.errors import ConfigError, ConflictError, RegistryError
from zoo.registry.artifacts import fetch_folder, store_folder
from zoo.registry.ledger import EVENTS, VERSIONS, ModelEvent, ModelLedger
from zoo.registry.stages import check_transition

__all__ = ["ModelVersion", "Registry", "ServedVersion"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class ModelVersion:
    """A version as it stands; ``body`` holds its files, metrics, spec, data and parents."""

    name: str
    version: int
    stage: str
    owner: str
    team: str
    published: float
    body: Mapping[str, Any]


@dataclass(frozen=True)
class ServedVersion:
    """What served at a moment: since when, by whose word, and on which test (empty if none was named)."""

    version: int
    since: float
    approved_by: str
    test: str


class Registry:
    """Models in a folder: ``registry.db``, and ``artifacts`` beside it.

    Args:
        folder: The folder; it is made if it is not there.
        wall: What tells the seconds since 1970.

    Raises:
        RegistryError: The database cannot be used.
    """

    def __init__(self, folder: Path, *, wall: Callable[[], float] = time.time) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._artifacts = folder / "artifacts"
        self._ledger = ModelLedger(folder / "registry.db", wall)

    def close(self) -> None:
        """Close the database."""
        self._ledger.close()

    def publish(
        self,
        name: str,
        folder: Path,
        *,
        owner: str,
        team: str,
        metrics: Mapping[str, float] | None = None,
        notes: Mapping[str, Any] | None = None,
        parents: Sequence[str] = (),
    ) -> ModelVersion:
        """Store a folder as the next version of a model, a draft.

        Args:
            name: The model: letters, digits, ``.``, ``_`` and ``-``, at most 100.
            folder: Its files; they are copied.
            owner: The person who answers for it.
            team: The team that does.
            metrics: Finite numbers by name; none by default.
            notes: JSON values such as the spec and the versions of the data; none by default.
            parents: References of versions that it was made from, such as ``base@2``; none by default.

        Raises:
            ConfigError: The name, owner, team or a metric is not usable.
            ArtifactError: The folder is missing or empty.
            RegistryError: A parent is unknown.
        """
        _check_name(name)
        for what, value in (("an owner", owner), ("a team", team)):
            if not value.strip():
                raise ConfigError(f"a version must have {what}, but got {value!r}", "say who answers for the model")
        wrong = [key for key, value in (metrics or {}).items() if not math.isfinite(value)]
        if wrong:
            raise ConfigError(f"metrics must be finite, but {wrong[0]} is not", "leave out what was not measured")
        made_from = [f"{one.name}@{one.version}" for one in map(self.get, parents)]
        digest, files = store_folder(self._artifacts, folder)
        body = {"owner": owner, "team": team, "digest": digest, "files": files, "parents": made_from}
        body |= {"metrics": dict(metrics or {}), "notes": dict(notes or {})}
        with self._ledger.writing() as db:
            newest = sql.select(sql.func.max(VERSIONS.c.version)).where(VERSIONS.c.name == name)
            version = (db.execute(newest).scalar() or 0) + 1
            self._ledger.append(db, ModelEvent("publish", name, version, owner, body=body))
            return _version(db, name, version)

    def get(self, reference: str) -> ModelVersion:
        """Return a version by ``NAME@3`` or ``NAME@live``, also with ``models:/`` before it.

        Args:
            reference: What names the version.

        Raises:
            ConfigError: It is no reference.
            RegistryError: There is no such model or version, or none is live.
        """
        name, _, wanted = reference.removeprefix("models:/").partition("@")
        _check_name(name)
        with self._ledger.reading() as db:
            if wanted == "live":
                live = _live(db, name)
                if live is None:
                    raise RegistryError(f"no version of {name} is live", "promote one, or name a version: NAME@3")
                return _version(db, name, live)
            if not re.fullmatch(r"[0-9]{1,9}", wanted):
                raise ConfigError(
                    f"a reference must be NAME@3 or NAME@live, but got {reference!r}", "write one of these"
                )
            return _version(db, name, int(wanted))

    def versions(self, name: str | None = None) -> list[ModelVersion]:
        """Return all versions, or those of one model, by name and number.

        Args:
            name: The model; all by default.
        """
        query = sql.select(VERSIONS).order_by(VERSIONS.c.name, VERSIONS.c.version)
        if name is not None:
            query = query.where(VERSIONS.c.name == name)
        with self._ledger.reading() as db:
            return [_read(row) for row in db.execute(query).mappings()]

    def fetch(self, reference: str) -> Path:
        """Return the folder of a version's files, verified; nobody may write there.

        Args:
            reference: The version, see ``get``.

        Raises:
            ArtifactError: A file is not what was published; the message names it.
        """
        body = self.get(reference).body
        return fetch_folder(self._artifacts, body["digest"], body["files"])

    def promote(
        self, reference: str, stage: str, *, actor: str, test: str = "", expected: int | None = None
    ) -> ModelVersion:
        """Move a version to a stage; what was live is retired in the same transaction.

        Args:
            reference: The version, see ``get``.
            stage: The stage that it shall have.
            actor: The person who approves it.
            test: On which test; empty by default.
            expected: The version that the caller believes to be live, 0 for none; not asked by default.

        Raises:
            ConflictError: Another version is live than the caller believed; nothing was changed.
            RegistryError: The transition is illegal, or there is no such version.
        """
        found = self.get(reference)
        with self._ledger.writing() as db:
            now = _version(db, found.name, found.version)
            live = _live(db, now.name)
            if expected is not None and expected != (live or 0):
                message = f"version {expected} of {now.name} must be live (0: none), but {live or 0} is"
                raise ConflictError(message, "look at what is live now, and decide again")
            check_transition(f"{now.name}@{now.version}", now.stage, stage)
            if now.stage == "retired" and not _served(db, now):
                raise RegistryError(
                    f"{now.name}@{now.version} was retired before it ever served, and cannot become live",
                    "publish it again: a new version passes every stage",
                )
            if stage == "live" and live is not None:
                self._ledger.append(
                    db, ModelEvent("stage", now.name, live, actor, body={"from": "live", "to": "retired"})
                )
            serves = now.version if stage == "live" else 0 if now.stage == "live" else None
            body = {"from": now.stage, "to": stage, "test": test}
            self._ledger.append(db, ModelEvent("stage", now.name, now.version, actor, serves, body))
            return _version(db, now.name, now.version)

    def rollback(self, name: str, *, actor: str) -> ModelVersion:
        """Make the version live again that was live before the present one.

        Args:
            name: The name of the model.
            actor: The person who decides so.

        Raises:
            ConflictError: Somebody promoted another version meanwhile; nothing was changed.
            RegistryError: Nothing is live, or nothing was before.
        """
        live = self.get(f"{name}@live").version
        served = (
            (EVENTS.c.name == name) & (EVENTS.c.kind == "stage") & (EVENTS.c.serves > 0) & (EVENTS.c.serves != live)
        )
        with self._ledger.reading() as db:
            before = db.execute(
                sql.select(EVENTS.c.serves).where(served).order_by(EVENTS.c.seq.desc()).limit(1)
            ).scalar()
        if before is None:
            raise RegistryError(f"{name} had no other live version before {live}", "promote a version instead")
        return self.promote(f"{name}@{before}", "live", actor=actor, test=f"rollback of {live}", expected=live)

    def correct(self, name: str, version: int, *, valid: float, actor: str, test: str = "") -> None:
        """Record that a version had served from a past moment on; what was recorded before stays in the log.

        Args:
            name: The name of the model.
            version: What served from then on; 0 for none.
            valid: Seconds since 1970 at which it began, until the next moment that the log knows.
            actor: The person who says so.
            test: On which test it was approved; empty by default.

        Raises:
            RegistryError: There is no such version.
        """
        with self._ledger.writing() as db:
            if version:
                _version(db, name, version)
            self._ledger.append(db, ModelEvent("correct", name, version, actor, version, {"test": test}), valid)

    def at(self, name: str, moment: float, *, known: float | None = None) -> ServedVersion | None:
        """Return what served at a moment, None if nothing did.

        Args:
            name: The name of the model.
            moment: The seconds since 1970.
            known: Seconds since 1970 after which nothing recorded counts; all counts by default.
        """
        asked = (EVENTS.c.name == name) & EVENTS.c.serves.is_not(None) & (EVENTS.c.valid <= moment)
        if known is not None:
            asked &= EVENTS.c.recorded <= known
        query = sql.select(EVENTS).where(asked).order_by(EVENTS.c.valid.desc(), EVENTS.c.seq.desc()).limit(1)
        with self._ledger.reading() as db:
            row = db.execute(query).mappings().first()
        if row is None or row["serves"] == 0:
            return None
        return ServedVersion(row["serves"], row["valid"], row["actor"], json.loads(row["body"]).get("test", ""))

    def rebuild(self) -> None:
        """Make the current state anew from the log; it comes out as it was kept."""
        self._ledger.rebuild()


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"a model's name must be letters, digits, '.', '_' and '-', at most 100, but got {name!r}", "rename it"
        )


def _live(db: sql.Connection, name: str) -> int | None:
    live = (VERSIONS.c.name == name) & (VERSIONS.c.stage == "live")
    return db.execute(sql.select(VERSIONS.c.version).where(live)).scalar()


def _served(db: sql.Connection, one: ModelVersion) -> bool:
    """Return whether a version has been live."""
    mine = (EVENTS.c.name == one.name) & (EVENTS.c.kind == "stage") & (EVENTS.c.serves == one.version)
    return db.execute(sql.select(EVENTS.c.seq).where(mine).limit(1)).first() is not None


def _version(db: sql.Connection, name: str, version: int) -> ModelVersion:
    mine = (VERSIONS.c.name == name) & (VERSIONS.c.version == version)
    row = db.execute(sql.select(VERSIONS).where(mine)).mappings().first()
    if row is None:
        raise RegistryError(f"there is no version {version} of a model {name!r}", "Registry.versions() lists all")
    return _read(row)


def _read(row: sql.RowMapping) -> ModelVersion:
    return ModelVersion(**{**dict(row), "body": json.loads(row["body"])})
