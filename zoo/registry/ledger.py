"""The event log in SQL, which refuses to be changed, and the tables of the current state that follow from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import DatabaseError

from zoo.errors import RegistryError, first_line

__all__ = ["EVENTS", "VERSIONS", "ModelEvent", "ModelLedger"]

_SCHEMA = 1  # of the tables; a newer one is refused
_BUSY_SECONDS = 30  # that a writer waits for another one
_TICK = 1e-6  # seconds between two records at least, so that the order of records is the order of time

_TABLES = sql.MetaData()
EVENTS = sql.Table(
    "events",
    _TABLES,
    sql.Column("seq", sql.Integer, primary_key=True),
    sql.Column("recorded", sql.Float, nullable=False),
    sql.Column("valid", sql.Float, nullable=False),
    sql.Column("kind", sql.String, nullable=False),
    sql.Column("name", sql.String, nullable=False),
    sql.Column("version", sql.Integer, nullable=False),
    sql.Column("actor", sql.String, nullable=False),
    sql.Column("serves", sql.Integer),
    sql.Column("body", sql.Text, nullable=False),
    sql.Index("events_serving", "name", "valid", "seq", sqlite_where=sql.text("serves IS NOT NULL")),
    sql.Index("events_recorded", "recorded"),
)
VERSIONS = sql.Table(
    "versions",
    _TABLES,
    sql.Column("name", sql.String, primary_key=True),
    sql.Column("version", sql.Integer, primary_key=True),
    sql.Column("stage", sql.String, nullable=False),
    sql.Column("owner", sql.String, nullable=False, index=True),
    sql.Column("team", sql.String, nullable=False),
    sql.Column("published", sql.Float, nullable=False),
    sql.Column("body", sql.Text, nullable=False),
    sql.Index("versions_stage", "name", "stage"),
)


@dataclass(frozen=True)
class ModelEvent:
    """One thing that happened to a version.

    Args:
        kind: ``publish``, ``stage`` or ``correct``.
        name: The name of the model.
        version: Its version, from 1.
        actor: The person who did it.
        serves: The version that serves from then on, 0 for none; None where that does not change.
        body: JSON values that the kind needs.
    """

    kind: str
    name: str
    version: int
    actor: str
    serves: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


class ModelLedger:
    """The database of a registry.

    Args:
        file: The SQLite file; it is made if it is not there.
        wall: What tells the seconds since 1970; the recorded time never goes back, also where this does.

    Raises:
        RegistryError: The file is no registry, is damaged, cannot be written, or is of a newer version.
    """

    def __init__(self, file: Path, wall: Callable[[], float]) -> None:
        self._file, self._wall = file, wall
        self._engine = sql.create_engine(f"sqlite:///{file}", connect_args={"timeout": _BUSY_SECONDS})
        sql.event.listen(self._engine, "connect", _set_up)
        with self.writing() as db:
            found = int(db.exec_driver_sql("PRAGMA user_version").scalar_one())
            if found > _SCHEMA:
                raise RegistryError(
                    f"{file} has tables of version {found}, but this program knows {_SCHEMA}", "update zoo-autots"
                )
            if found == 0:
                if sql.inspect(db).get_table_names():
                    raise RegistryError(f"{file} is a database, but no registry", "give another folder")
                _TABLES.create_all(db)
                for what in ("UPDATE", "DELETE"):
                    db.exec_driver_sql(
                        f"CREATE TRIGGER no_{what.lower()} BEFORE {what} ON events "
                        "BEGIN SELECT RAISE(ABORT, 'the log is only added to'); END"
                    )
                db.exec_driver_sql(f"PRAGMA user_version = {_SCHEMA}")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sql.Connection]:
        """Yield a connection to read from.

        Raises:
            RegistryError: The database cannot be read.
        """
        try:
            with self._engine.connect() as db:
                yield db
        except DatabaseError as error:
            raise _told(self._file, error) from error

    @contextmanager
    def writing(self) -> Iterator[sql.Connection]:
        """Yield a connection that alone may write: all that the block does is there after it, or nothing.

        Raises:
            RegistryError: The database cannot be read or written.
        """
        with self.reading() as db:
            db.exec_driver_sql("BEGIN IMMEDIATE")
            yield db
            db.commit()

    def append(self, db: sql.Connection, event: ModelEvent, valid: float | None = None) -> float:
        """Add an event and what follows from it; return the seconds since 1970 at which it was recorded.

        Args:
            db: The connection that ``writing`` yields.
            event: What happened to a version.
            valid: Seconds since 1970 at which it became true; when it is recorded by default.
        """
        last = db.execute(sql.select(sql.func.max(EVENTS.c.recorded))).scalar()
        recorded = self._wall() if last is None else max(self._wall(), last + _TICK)
        row = {**vars(event), "body": json.dumps(dict(event.body)), "recorded": recorded}
        row["valid"] = recorded if valid is None else valid
        db.execute(EVENTS.insert().values(row))
        _project(db, row)
        return recorded

    def rebuild(self) -> None:
        """Make the tables of the current state anew from the log."""
        with self.writing() as db:
            db.execute(VERSIONS.delete())
            for row in db.execute(sql.select(EVENTS).order_by(EVENTS.c.seq)).mappings().all():
                _project(db, row)


def _project(db: sql.Connection, row: Mapping[str, Any] | sql.RowMapping) -> None:
    body = json.loads(row["body"])
    if row["kind"] == "publish":
        kept = {"stage": "draft", "owner": body["owner"], "team": body["team"], "published": row["valid"]}
        key = {"name": row["name"], "version": row["version"]}
        db.execute(VERSIONS.insert().values({**key, **kept, "body": row["body"]}))
    elif row["kind"] == "stage":
        mine = (VERSIONS.c.name == row["name"]) & (VERSIONS.c.version == row["version"])
        db.execute(VERSIONS.update().where(mine).values(stage=body["to"]))


def _set_up(connection: Any, _: object) -> None:
    connection.isolation_level = None  # sqlite3 would begin by itself, and too late: after the first read
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _told(file: Path, error: DatabaseError) -> RegistryError:
    hint = "nothing was changed; look whether the file may be written, is whole (`PRAGMA integrity_check`) and is free"
    return RegistryError(f"{file} cannot be used: {first_line(error.orig or error)}", hint)
