"""A queue on Redis Streams with consumer groups. Every change is one script, so it happens whole or not at all."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from serve.queue.base import DeadLetter, QueueFullError, QueueOptions, QueueRecord, QueueTask
from zoo.errors import ClusterError, ConfigError

__all__ = ["RedisBackend"]

_log = logging.getLogger(__name__)
_GROUP = "workers"
# What stands under a record's id until there is a result, and after the result was fetched.
_QUEUED, _FETCHED = b"", b"-"

# KEYS in · ARGV most, keep, key prefix, then id and body of each record
_PUT = """
local new = {}
for i = 4, #ARGV, 2 do
  if redis.call('EXISTS', ARGV[3] .. ARGV[i]) == 0 then new[#new + 1] = i end
end
if redis.call('XLEN', KEYS[1]) + #new > tonumber(ARGV[1]) then return -1 end
local taken = 0
for _, i in ipairs(new) do
  if redis.call('SET', ARGV[3] .. ARGV[i], '', 'NX', 'EX', ARGV[2]) then
    redis.call('XADD', KEYS[1], '*', 'id', ARGV[i], 'body', ARGV[i + 1])
    taken = taken + 1
  end
end
return taken
"""
# KEYS in, out, dead · ARGV group, keep, key prefix, reason ('' unless buried), then ticket, id and result of each
# record
_DONE = """
for i = 5, #ARGV, 3 do
  local key = ARGV[3] .. ARGV[i + 1]
  local known = redis.call('GET', key)
  if ARGV[4] ~= '' then
    local entry = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])
    if entry[1] then redis.call('XADD', KEYS[3], '*', 'reason', ARGV[4], unpack(entry[1][2])) end
  end
  if (not known) or known == '' then
    redis.call('SET', key, ARGV[i + 2], 'EX', ARGV[2])
    redis.call('XADD', KEYS[2], '*', 'id', ARGV[i + 1])
  end
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  redis.call('XDEL', KEYS[1], ARGV[i])
end
return 1
"""
# KEYS out · ARGV group, key prefix, then ticket and id of each result
_FETCH_DONE = """
for i = 3, #ARGV, 2 do
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  redis.call('XDEL', KEYS[1], ARGV[i])
  local key = ARGV[2] .. ARGV[i + 1]
  if redis.call('EXISTS', key) == 1 then redis.call('SET', key, '-', 'KEEPTTL') end
end
return 1
"""


# KEYS in, dead · ARGV group, ticket, reason, id, body of an entry that is no record
_ASIDE = """
redis.call('XADD', KEYS[2], '*', 'reason', ARGV[3], 'id', ARGV[4], 'body', ARGV[5])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return 1
"""


class RedisBackend:
    """Keeps a queue in Redis 6.2 or later, or a server that speaks like it.

    A lost connection is tried again for ``retry`` seconds, also while the server loads its file after a restart.
    Nothing is lost by a restart if Redis writes an append-only file (``appendonly yes``).

    Args:
        url: The server's address, ``redis://host:port/0``.
        options: The name and the limits of the queue.
        retry: Seconds for which a lost server is waited for.

    Raises:
        ConfigError: redis-py is not installed, or the URL is none.
        ClusterError: The server cannot be reached.
    """

    def __init__(self, url: str, options: QueueOptions | None = None, *, retry: float = 30.0) -> None:
        try:
            import redis
            from redis.backoff import ConstantBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise ConfigError("a queue on Redis must have redis-py", "pip install 'zoo-autots[queue]'") from error
        self.options = options or QueueOptions()
        self._errors = redis.RedisError
        self._full = (redis.exceptions.OutOfMemoryError,)
        busy = [redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError]
        self._url = url
        try:
            self._redis = redis.Redis.from_url(
                url,
                retry=Retry(ConstantBackoff(0.1), max(1, int(retry / 0.1)), supported_errors=tuple(busy)),
                retry_on_error=cast("Any", busy),
                socket_timeout=30,
                socket_connect_timeout=5,
            )
        except ValueError as error:
            raise ConfigError(f"a queue's URL must be redis://host:port/0, but got {url!r}", str(error)) from error
        base = f"zoo:{{{self.options.name}}}"
        self._in, self._out, self._dead, self._key = f"{base}:in", f"{base}:out", f"{base}:dead", f"{base}:id:"
        self._scripts = {name: self._redis.register_script(text) for name, text in _SCRIPTS.items()}
        with self._reached():
            for stream in (self._in, self._out):
                self._made(stream)

    def put(self, records: Sequence[QueueRecord]) -> int:
        """See ``Backend``."""
        if not records:
            return 0
        pairs = [part for record in records for part in (record.id, record.body)]
        with self._reached():
            taken = int(self._run("put", [self._in], [self.options.most, self._seconds, self._key, *pairs]))
        if taken < 0:
            raise QueueFullError.of(self.options)
        return taken

    def take(self, worker: str, count: int, wait: float) -> list[QueueTask]:
        """See ``Backend``."""
        with self._reached():
            lost = self._lost(worker, count)
            if lost:
                return lost
            # Where nobody may have a second attempt, each is alone with its worker from the first on.
            count = 1 if self.options.attempts == 1 else count
            rows = self._read(self._in, worker, count, wait)
            return self._tasks([(ticket, fields, 1) for ticket, fields in rows])

    def done(self, results: Sequence[tuple[QueueTask, bytes]]) -> None:
        """See ``Backend``."""
        if results:
            parts = [part for task, result in results for part in (task.ticket, task.id, result)]
            self._finish("", parts)

    def bury(self, task: QueueTask, reason: str, result: bytes) -> None:
        """See ``Backend``."""
        self._finish(reason or "unknown", [task.ticket, task.id, result])

    def result(self, id: str) -> bytes | None:
        """See ``Backend``."""
        with self._reached():
            found = cast("bytes | None", self._redis.get(self._key + id))
        return None if found in (None, _QUEUED, _FETCHED) else found

    def fetch(self, reader: str, count: int) -> list[tuple[str, bytes]]:
        """See ``Backend``."""
        with self._reached():
            # First what this reader was given and did not confirm: the answer to an earlier call may have been lost.
            found = self._read(self._out, reader, count, None, again=True)
            found = found or self._read(self._out, reader, count, None)
            found = self._named(found)
            ids = [fields[b"id"].decode() for _, fields in found]
            values = cast("list[bytes | None]", self._redis.mget([self._key + id_ for id_ in ids])) if ids else []
        self._tickets(reader).update(zip(ids, (ticket for ticket, _ in found), strict=True))
        gone = [id_ for id_, value in zip(ids, values, strict=True) if value in (None, _QUEUED, _FETCHED)]
        if gone:
            self.fetched(reader, gone)  # they were kept no longer than options.keep
        return [(id_, v) for id_, v in zip(ids, values, strict=True) if v is not None and v not in (_QUEUED, _FETCHED)]

    def fetched(self, reader: str, ids: Sequence[str]) -> None:
        """See ``Backend``."""
        tickets = self._tickets(reader)
        parts = [part for id_ in ids if id_ in tickets for part in (tickets[id_], id_)]
        if parts:
            with self._reached():
                self._run("fetched", [self._out], [_GROUP, self._key, *parts])
            for id_ in ids:
                tickets.pop(id_, None)

    def waiting(self) -> int:
        """See ``Backend``."""
        with self._reached():
            return int(self._redis.xlen(self._in))

    def dead(self, count: int = 100) -> list[DeadLetter]:
        """See ``Backend``."""
        with self._reached():
            rows = cast("list[tuple[bytes, dict[bytes, bytes]]]", self._redis.xrange(self._dead, count=count))
        return [DeadLetter(_text(f.get(b"id")), f.get(b"body", b""), _text(f.get(b"reason"))) for _, f in rows]

    def close(self) -> None:
        """See ``Backend``."""
        self._redis.close()

    def _tasks(self, rows: Sequence[tuple[str, dict[bytes, bytes], int]]) -> list[QueueTask]:
        """Return entries as tasks; what is none, because another program wrote it, is put aside at once."""
        tasks = []
        for ticket, fields, attempt in rows:
            id_, body = fields.get(b"id"), fields.get(b"body")
            if id_ is None or body is None or not _is_text(id_):
                reason = (
                    f"an entry must have an id (text) and a body, but has {_shown(fields)}: another program wrote it"
                )
                named = ticket if id_ is None or not _is_text(id_) else id_
                written = body if body is not None else json.dumps(_readable(fields)).encode()
                self._run("aside", [self._in, self._dead], [_GROUP, ticket, reason, named, written])
                _log.warning("queue %s, entry %s: %s", self.options.name, ticket, reason)
            else:
                tasks.append(QueueTask(id_.decode(), body, ticket, attempt))
        return tasks

    def _named(self, rows: list[tuple[str, dict[bytes, bytes]]]) -> list[tuple[str, dict[bytes, bytes]]]:
        """Return entries of results; what is none is taken away, so that it cannot hold up its reader."""
        good = []
        for ticket, fields in rows:
            if _is_text(fields.get(b"id")):
                good.append((ticket, fields))
            else:
                _log.warning("queue %s: a result without a name is dropped: %s", self.options.name, _shown(fields))
                self._redis.xack(self._out, _GROUP, ticket)
                self._redis.xdel(self._out, ticket)
        return good

    @property
    def _seconds(self) -> int:
        return max(1, int(self.options.keep))

    def _tickets(self, reader: str) -> dict[str, str]:
        known: dict[str, dict[str, str]] = self.__dict__.setdefault("_given", {})
        return known.setdefault(reader, {})

    def _finish(self, reason: str, parts: Sequence[Any]) -> None:
        with self._reached():
            self._run("done", [self._in, self._out, self._dead], [_GROUP, self._seconds, self._key, reason, *parts])

    def _run(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        call: Callable[..., Any] = self._scripts[script]
        return call(keys=list(keys), args=list(arguments))

    def _made(self, stream: str) -> None:
        """Make the group of a stream, unless it is there."""
        import redis

        try:
            self._redis.xgroup_create(stream, _GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _read(
        self, stream: str, consumer: str, count: int, wait: float | None, *, again: bool = False
    ) -> list[tuple[str, dict[bytes, bytes]]]:
        import redis

        block = None if wait is None else max(1, int(1000 * wait))
        asked: Any = {stream: "0" if again else ">"}
        try:
            answer = cast("Any", self._redis.xreadgroup(_GROUP, consumer, asked, count=count, block=block))
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            self._made(stream)  # somebody has flushed the server
            return []
        streams = answer.items() if isinstance(answer, dict) else answer or ()
        rows = [row for _, found in streams for row in (found[0] if isinstance(answer, dict) else found)]
        return [(ticket.decode(), fields) for ticket, fields in rows if fields]

    def _lost(self, worker: str, count: int) -> list[QueueTask]:
        """Return records whose workers have had them for too long.

        Those with their last attempt come one at a time: the one that kills its workers must not take the others along.
        """
        import redis

        idle = int(1000 * self.options.patience)
        try:
            old = cast(
                "list[dict[str, Any]]",
                self._redis.xpending_range(self._in, _GROUP, "-", "+", count, idle=idle),
            )
        except redis.ResponseError as error:
            if "NOGROUP" in str(error):
                return []
            raise
        if not old:
            return []
        times = {row["message_id"]: int(row["times_delivered"]) for row in old}
        last = [ticket for ticket, count in times.items() if count == self.options.attempts - 1]
        others = [ticket for ticket in times if ticket not in last]
        times = {ticket: times[ticket] for ticket in others or last[:1]}
        claimed = cast("Any", self._redis.xclaim(self._in, _GROUP, worker, idle, list(times)))
        rows = [(ticket.decode(), fields, times[ticket] + 1) for ticket, fields in claimed if fields]
        return self._tasks(rows)

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except self._full as error:
            raise QueueFullError(
                f"Redis must have memory left, but {error}", "add workers, or raise maxmemory"
            ) from error
        except self._errors as error:
            raise ClusterError(
                f"the queue's Redis must answer, but {type(error).__name__}: {error}", f"see whether {self._url} runs"
            ) from error


_SCRIPTS = {"put": _PUT, "done": _DONE, "fetched": _FETCH_DONE, "aside": _ASIDE}


def _is_text(value: bytes | None) -> bool:
    try:
        return value is not None and value.decode() is not None
    except UnicodeDecodeError:
        return False


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace")


def _readable(fields: dict[bytes, bytes]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in fields.items()}


def _shown(fields: dict[bytes, bytes]) -> str:
    return ", ".join(sorted(_text(name)[:40] for name in fields))[:200]
