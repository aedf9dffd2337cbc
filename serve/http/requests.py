"""What handlers read of an HTTP request beside the protocol's own body: id, deadline, routing key, the bytes."""

from __future__ import annotations

import asyncio
import re
import uuid

from starlette.requests import Request

from serve.engines import Asker
from serve.protocol.encoding import unpacked
from serve.protocol.errors import RequestError

__all__ = ["asker_of", "body_of", "model_of", "request_id_of"]

_PLAIN_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Digits of a Content-Length that int is given: more are beyond all bounds.
_MAX_DIGITS = 18
# Seconds of the longest deadline: more than a week is a mistake.
_MAX_TIMEOUT = 1e6


def request_id_of(request: Request) -> str:
    """Return the client's own id of a request if it is a plain word, else a new one."""
    given = request.headers.get("x-request-id", "")
    return given if _PLAIN_ID.fullmatch(given) else uuid.uuid4().hex


def asker_of(request: Request, request_id: str, *, name: str = "") -> Asker:
    """Return who asks, from the headers.

    Args:
        request: The request, of which the body is not touched.
        request_id: The request's id, as ``request_id_of`` returned it.
        name: The name of the token that was sent, where somebody has checked it.

    Raises:
        RequestError: 400: the deadline in ``X-Request-Timeout-Ms`` is none.
    """
    headers = request.headers
    return Asker(request_id, headers.get("x-routing-key", ""), _timeout(headers.get("x-request-timeout-ms")), name)


def _timeout(milliseconds: str | None) -> float | None:
    """Return the seconds that a client is willing to wait."""
    if milliseconds is None:
        return None
    try:
        seconds = float(milliseconds) / 1000
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < _MAX_TIMEOUT:
        raise RequestError(
            f"a deadline must be milliseconds above 0, but got {milliseconds!r}", "", "x-request-timeout-ms", 400
        )
    return seconds


def model_of(request: Request) -> str:
    """Return the model that a path names: ``name``, or ``name@version``."""
    version = request.path_params.get("version")
    return str(request.path_params["model"]) + (f"@{version}" if version else "")


async def body_of(request: Request, max_bytes: int) -> bytes:
    """Return the whole body, unpacked.

    Args:
        request: The request, whose body nobody has read yet.
        max_bytes: Bytes that the body may have, as it comes and as it unpacks.

    Raises:
        RequestError: It is longer than allowed (413), or packed in a way that is not known (415).
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > _MAX_DIGITS or int(length) > max_bytes):
        raise _too_long(max_bytes)
    whole = bytearray()
    async for chunk in request.stream():
        whole += chunk
        if len(whole) > max_bytes:
            raise _too_long(max_bytes)
    encoding = request.headers.get("content-encoding", "")
    if not encoding:
        return bytes(whole)
    return await asyncio.to_thread(unpacked, bytes(whole), encoding, max_bytes)


def _too_long(max_bytes: int) -> RequestError:
    return RequestError(f"a body must have at most {max_bytes} bytes", "send several requests, or Arrow", "", 413)
