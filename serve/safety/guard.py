"""The middleware in front of any ASGI application: who may ask, how much, how long, and how many at once."""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from serve.safety.tokens import Bucket, Token, bearer
from zoo.clock import Clock, SystemClock
from zoo.errors import ConfigError

__all__ = ["App", "Guard", "ServerLimits"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_ID = re.compile(rb"[A-Za-z0-9._:\-]{1,128}")
_MB = 1024 * 1024
# Seconds after which it is worth a task to notice that the client has gone.
_PATIENT = 0.02


@dataclass(frozen=True)
class ServerLimits:
    """What one server bears.

    Args:
        body: Bytes of a request's body.
        bodies: Path -> bytes, where fewer are allowed.
        receive: Seconds in which the whole body must have come: a slow-loris gets no more.
        answer: Seconds for the answer; ``X-Request-Timeout-Ms`` may ask for less, never for more.
        running: Requests that are answered at once, at most.
        waiting: Requests that wait for their turn; the next one is told to come back.
        hold: Seconds, give or take half, before a request that may not even wait is told so: those that came together
            shall not come back together.
        held: Refusals that are held at once; the next one is told at once.
        open_paths: Answered without a token and without waiting: health must be seen under load, too.

    Raises:
        ConfigError: A number is not positive.
    """

    body: int = 128 * _MB
    bodies: Mapping[str, int] = field(default_factory=dict)
    receive: float = 30.0
    answer: float = 60.0
    running: int = 64
    waiting: int = 256
    hold: float = 0.0
    held: int = 5000
    open_paths: tuple[str, ...] = ("/v2/health/live", "/v2/health/ready", "/ping", "/health")

    def body_of(self, path: str) -> int:
        """Return how many bytes a body may have there."""
        return min(self.body, self.bodies.get(path, self.body))

    def __post_init__(self) -> None:
        if min(self.body, self.receive, self.answer, self.running, *self.bodies.values()) <= 0 or self.waiting < 0:
            raise ConfigError(f"limits must be positive, but got {self}", "leave them out for the defaults")


@dataclass
class _Refusal(Exception):
    """What is answered in place of the application."""

    status: int
    error: str
    hint: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Guard:
    """ASGI middleware. Every answer has ``X-Request-Id``; every refusal is ``{"error", "hint", "where"}``.

    A body is bounded while it comes in, whatever its header claims. A request that cannot begin at once waits; if too
    many wait, or its deadline passes before its turn, it gets 503 with ``Retry-After``. A token above its rate gets
    429. The deadline covers waiting, body and answer; then the application is cancelled and 504 is answered. A client
    that goes away cancels its request, so nobody works for nobody.

    Args:
        app: The ASGI application behind the guard.
        limits: What the server bears; the defaults if left out.
        tokens: Who may ask; None for everybody (bind to localhost then), an empty tuple for nobody.
        clock: What the tokens' rates are measured by; the system's by default.
        echo_id: Whether to write ``X-Request-Id`` into answers; Ray Serve does it itself.
        signature: A header of every answer, refusals included.
        before: Called before a token is looked for; it may ``change`` who has one.
    """

    def __init__(
        self,
        app: App,
        *,
        limits: ServerLimits | None = None,
        tokens: tuple[Token, ...] | None = None,
        clock: Clock | None = None,
        echo_id: bool = True,
        signature: tuple[bytes, bytes] | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        self._echo_id, self._before = echo_id, before
        self._signature = [] if signature is None else [signature]
        self._app, self._clock, self.limits = app, clock or SystemClock(), limits or ServerLimits()
        self.tokens: tuple[Token, ...] | None = None
        self._buckets: dict[str, Bucket] = {}
        self._free = self.limits.running
        self.change(limits=self.limits, tokens=tokens)
        self._turns: list[asyncio.Future[None]] = []
        self._held = 0
        self._pace = 0.05  # seconds that a request takes, a moving mean

    def change(self, *, limits: ServerLimits, tokens: tuple[Token, ...] | None) -> None:
        """Go on with other limits and tokens; requests under way keep theirs."""
        self._free += limits.running - self.limits.running
        before = {token.sha256: token for token in self.tokens or ()}
        self.limits, self.tokens = limits, tokens
        # A token keeps its bucket while its rate is the same.
        self._buckets = {
            t.sha256: self._buckets[t.sha256] if before.get(t.sha256) == t else Bucket(rate=t.rate, burst=t.burst)
            for t in tokens or ()
            if t.rate > 0.0
        }

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return len(self._turns)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex.encode()
        # The application reads the same id that the client is told.
        others = [pair for pair in scope["headers"] if pair[0] != b"x-request-id"]
        scope = {**scope, "headers": [*others, (b"x-request-id", request_id)]}
        begun = False

        async def named(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                kept = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"x-request-id"]
                own = [(b"x-request-id", request_id)] if self._echo_id else []
                message = {**message, "headers": [*kept, *own, *self._signature]}
            await send(message)

        try:
            if scope["path"] in self.limits.open_paths and scope["method"] in ("GET", "HEAD"):
                await self._app(scope, receive, named)
            else:
                await self._guarded(scope, headers, receive, named)
        except _Refusal as refusal:
            if not begun:
                await _answer(refusal, request_id, named)

    async def _guarded(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        self._admit(headers)
        seconds = self._deadline(headers)
        length, most = headers.get(b"content-length", b""), self.limits.body_of(scope["path"])
        # int() refuses thousands of digits, and no body has a trillion bytes.
        if length.isdigit() and (len(length) > 12 or int(length) > most):
            raise _too_long(most)
        if self._free <= 0 and len(self._turns) >= self.limits.waiting:
            busy = self._busy("too many requests wait already")  # before its body costs anything
            if self._held < self.limits.held:
                self._held += 1
                spread = random.uniform(0.5, 1.5)  # noqa: S311  # nobody gains by guessing it
                try:
                    await asyncio.sleep(min(self.limits.hold * spread, seconds / 2))
                finally:
                    self._held -= 1
            raise busy
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        body = await self._read(receive, min(self.limits.receive, seconds), most)
        await self._turn(until - loop.time())
        began = loop.time()
        over = False

        def leave() -> None:
            nonlocal over
            if not over:
                over = True
                self._pace += 0.05 * (loop.time() - began - self._pace)
                self._next()

        async def leaving(message: Message) -> None:
            # Before the last bytes go: who has them asks again, and must not find his own place taken.
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                leave()
            await send(message)

        try:
            await _within(until - began, self._app, scope, body, receive, leaving)
        finally:
            leave()

    def _admit(self, headers: dict[bytes, bytes]) -> None:
        if self._before is not None:
            self._before()
        if self.tokens is None:
            return
        token = bearer(headers.get(b"authorization", b"").decode("latin-1"), self.tokens)
        if token is None:
            challenge = {"www-authenticate": "Bearer"}
            raise _Refusal(401, "a request must have a valid bearer token", "Authorization: Bearer TOKEN", challenge)
        bucket = self._buckets.get(token.sha256)
        wait = 0.0 if bucket is None else bucket.take(self._clock.now())
        if wait > 0.0:
            text = f"a token must ask at most {token.rate:g} times a second, but {token.name!r} asks more often"
            raise _Refusal(429, text, "wait, and ask again", {"retry-after": str(max(1, math.ceil(wait)))})

    def _deadline(self, headers: dict[bytes, bytes]) -> float:
        text = headers.get(b"x-request-timeout-ms")
        if text is None:
            return self.limits.answer
        try:
            seconds = float(text) / 1000
        except ValueError:
            seconds = math.nan
        if not 0.0 < seconds < math.inf:
            raise _Refusal(
                400,
                f"a deadline must be milliseconds above 0, but got {text.decode('latin-1')!r}",
                "x-request-timeout-ms: 500",
            )
        return min(seconds, self.limits.answer)

    async def _read(self, receive: Receive, seconds: float, most: int) -> bytes:
        """Return the whole body; the turn is taken after it, so a slow sender holds no place."""
        whole = bytearray()
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Refusal(499, "the client has gone")
                    whole += message.get("body", b"")
                    if len(whole) > most:
                        raise _too_long(most)
                    if not message.get("more_body", False):
                        return bytes(whole)
        except TimeoutError:
            raise _Refusal(
                408, f"a body must come within {seconds:g} s, but it did not", "send it faster", {"connection": "close"}
            ) from None

    async def _turn(self, seconds: float) -> None:
        if self._free > 0:
            self._free -= 1
            return
        if len(self._turns) >= self.limits.waiting:
            raise self._busy("too many requests wait already")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        taken = False
        try:
            async with asyncio.timeout(max(seconds, 0.001)):
                await turn
            taken = True
        except TimeoutError:
            raise self._busy("the deadline passed before the request's turn") from None
        finally:
            if not taken:
                if turn in self._turns:
                    self._turns.remove(turn)
                elif not turn.cancelled():
                    self._next()  # it was given a place at the moment when it was given up

    def _next(self) -> None:
        while self._turns:
            turn = self._turns.pop(0)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _busy(self, why: str) -> _Refusal:
        seconds = self._pace * (len(self._turns) + 1) / self.limits.running
        after = str(min(60, max(1, math.ceil(seconds))))
        return _Refusal(503, f"the server is busy: {why}", f"ask again after {after} s", {"retry-after": after})


async def _within(seconds: float, app: App, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
    """Run the application on a body that was read; cancel it when its time is over or the client has gone."""
    given = whole = lost = False
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()

    async def replay() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def watched(message: Message) -> None:
        nonlocal whole
        whole = message["type"] == "http.response.body" and not message.get("more_body", False)
        await send(message)

    line: asyncio.Task[None] | None = None

    async def listen() -> None:
        nonlocal lost
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()
        if not whole:  # what an application does after its answer is not the client's any more
            lost = True
            limit.reschedule(loop.time())

    def look() -> None:
        nonlocal line
        line = asyncio.ensure_future(listen())

    # Most answers are there before anybody would look whether the client still waits.
    later = loop.call_later(min(_PATIENT, seconds / 2), look)
    try:
        async with asyncio.timeout(seconds) as limit:
            await app(scope, replay, watched)
    except TimeoutError:
        if not limit.expired():
            raise
        if lost:
            raise _Refusal(499, "the client has gone") from None
        text = f"the answer must come within {seconds:.3g} s, but it did not"
        raise _Refusal(504, text, "ask for less, or allow more time with X-Request-Timeout-Ms") from None
    finally:
        later.cancel()
        if line is not None:
            line.cancel()
            await asyncio.gather(line, return_exceptions=True)


def _too_long(most: int) -> _Refusal:
    return _Refusal(
        413, f"a body must have at most {most} bytes, but it has more", "send several requests", {"connection": "close"}
    )


async def _answer(refusal: _Refusal, request_id: bytes, send: Send) -> None:
    told = {"error": refusal.error, "hint": refusal.hint, "where": "", "request_id": request_id.decode()}
    body = json.dumps(told).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
