"""A queue in this process, for when there is no Redis: SQLite in memory, or in a file that outlives the process."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serve.queue.base import DeadLetter, QueueFullError, QueueOptions, QueueRecord, QueueTask
from zoo.errors import ClusterError

__all__ = ["EmbeddedBackend"]

_log = logging.getLogger(__name__)
_SCHEMA = """
create table if not exists records(
  ticket integer primary key, id text unique, body blob, taken real default 0, attempt integer default 0
);
create table if not exists results(id text primary key, body blob, made real, fetched integer default 0);
create table if not exists dead(ticket integer primary key, id text, body blob, reason text);
create index if not exists by_taken on records(taken, ticket);
create index if not exists by_fetched on results(fetched, made);
"""
# Seconds between looks for results that are kept too long.
_SWEEP = 60.0


class EmbeddedBackend:
    """Keeps a queue in SQLite. With a file, several processes of one machine can share it.

    Args:
        path: The file; None keeps it in memory.
        options: The name and the limits of the queue.
        now: Seconds since 1970; they are compared with those of an earlier process.

    Raises:
        ClusterError: The file cannot be opened.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        options: QueueOptions | None = None,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.options, self._now, self._swept = options or QueueOptions(), now, now()
        self._come = threading.Condition(threading.RLock())
        self._shared = path is not None
        with self._reached():
            if path is not None:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(
                ":memory:" if path is None else str(path), timeout=30, isolation_level=None, check_same_thread=False
            )
            if path is not None:
                self._base.execute("pragma journal_mode=wal")
                self._base.execute("pragma synchronous=normal")
            self._base.executescript(_SCHEMA)

    def put(self, records: Sequence[QueueRecord]) -> int:
        """See ``Backend``."""
        with self._changed() as base:
            ids = {record.id: record for record in records}
            known = {id_ for id_ in ids if self._known(base, id_)}
            new = [record for id_, record in ids.items() if id_ not in known]
            if self._count(base) + len(new) > self.options.most:
                raise QueueFullError.of(self.options)
            base.executemany("insert into records(id, body) values(?, ?)", [(r.id, r.body) for r in new])
            self._come.notify_all()
        return len(new)

    def take(self, worker: str, count: int, wait: float) -> list[QueueTask]:
        """See ``Backend``."""
        until = time.monotonic() + wait
        while True:
            with self._changed() as base:
                late = self._now() - self.options.patience
                # Two questions, so that the index answers both without sorting a long queue.
                wanted = "select ticket, id, body, attempt from records where "
                rows = base.execute(wanted + "taken > 0 and taken < ? order by taken limit ?", (late, count)).fetchall()
                rows, alone = self._together(rows)
                count = 1 if self.options.attempts == 1 else len(rows) if alone else count
                rows += base.execute(wanted + "taken = 0 order by ticket limit ?", (count - len(rows),)).fetchall()
                changes = [(self._now(), row[0]) for row in rows]
                base.executemany("update records set taken=?, attempt=attempt+1 where ticket=?", changes)
                tasks = self._tasks(base, rows)
            left = until - time.monotonic()
            if tasks or left <= 0:
                return tasks
            with self._come:
                # Another process cannot notify this one.
                self._come.wait(min(left, 0.05 if self._shared else left, self.options.patience))

    def done(self, results: Sequence[tuple[QueueTask, bytes]]) -> None:
        """See ``Backend``."""
        with self._changed() as base:
            rows = [(task.id, result, self._now()) for task, result in results]
            base.executemany("insert or ignore into results(id, body, made) values(?, ?, ?)", rows)
            base.executemany("delete from records where id=?", [(task.id,) for task, _ in results])

    def bury(self, task: QueueTask, reason: str, result: bytes) -> None:
        """See ``Backend``."""
        with self._changed() as base:
            base.execute("insert into dead(id, body, reason) values(?, ?, ?)", (task.id, task.body, reason))
            base.execute(
                "insert or ignore into results(id, body, made) values(?, ?, ?)", (task.id, result, self._now())
            )
            base.execute("delete from records where id=?", (task.id,))

    def result(self, id: str) -> bytes | None:
        """See ``Backend``."""
        with self._changed() as base:
            row = base.execute("select body from results where id=? and fetched=0", (id,)).fetchone()
        return None if row is None else bytes(row[0])

    def fetch(self, reader: str, count: int) -> list[tuple[str, bytes]]:
        """See ``Backend``; all readers share the results that are not confirmed."""
        with self._changed() as base:
            rows = base.execute(
                "select id, body from results where fetched=0 order by made, rowid limit ?", (count,)
            ).fetchall()
        return [(str(id_), bytes(body)) for id_, body in rows]

    def fetched(self, reader: str, ids: Sequence[str]) -> None:
        """See ``Backend``."""
        with self._changed() as base:
            base.executemany("update results set fetched=1, body='' where id=?", [(id_,) for id_ in ids])

    def waiting(self) -> int:
        """See ``Backend``."""
        with self._changed() as base:
            return self._count(base)

    def dead(self, count: int = 100) -> list[DeadLetter]:
        """See ``Backend``."""
        with self._changed() as base:
            rows = base.execute("select id, body, reason from dead order by ticket limit ?", (count,)).fetchall()
        return [DeadLetter(*row) for row in rows]

    def close(self) -> None:
        """See ``Backend``."""
        with self._come:
            self._base.close()

    def _together(self, rows: list[Any]) -> tuple[list[Any], bool]:
        """Return what is handed out together, and whether one has its last attempt and goes alone."""
        last = [row for row in rows if row[3] == self.options.attempts - 1]
        others = [row for row in rows if row not in last]
        return (others, False) if others or not last else (last[:1], True)

    @staticmethod
    def _tasks(base: sqlite3.Connection, rows: list[Any]) -> list[QueueTask]:
        """Return rows as tasks; what is none, because another program wrote it, is put aside at once."""
        tasks = []
        for ticket, id_, body, attempt in rows:
            if isinstance(id_, str) and isinstance(body, bytes):
                tasks.append(QueueTask(id_, body, str(ticket), attempt + 1))
                continue
            reason = "a record must have an id (text) and a body (bytes), but has not: another program wrote it"
            kept = body if isinstance(body, bytes) else str(body).encode()
            base.execute("insert into dead(id, body, reason) values(?, ?, ?)", (str(id_), kept, reason))
            base.execute("delete from records where ticket=?", (ticket,))
            _log.warning("record %s: %s", ticket, reason)
        return tasks

    @staticmethod
    def _known(base: sqlite3.Connection, id_: str) -> bool:
        both = "select 1 from records where id=? union all select 1 from results where id=?"
        return base.execute(both, (id_, id_)).fetchone() is not None

    @staticmethod
    def _count(base: sqlite3.Connection) -> int:
        return int(base.execute("select count(*) from records").fetchone()[0])

    @contextmanager
    def _changed(self) -> Iterator[sqlite3.Connection]:
        """One transaction at a time, whole or not at all."""
        with self._come, self._reached():
            self._base.execute("begin immediate")
            try:
                if self._now() - self._swept > _SWEEP:
                    self._swept = self._now()
                    self._base.execute("delete from results where made < ?", (self._swept - self.options.keep,))
                yield self._base
            except BaseException:
                self._base.execute("rollback")
                raise
            self._base.execute("commit")

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise ClusterError(
                f"the queue's file must be readable and writable, but {error}", "choose another path, or free space"
            ) from error
