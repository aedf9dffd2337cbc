"""Bodies that were packed on their way (``Content-Encoding``), unpacked within bounds."""

from __future__ import annotations

import zlib

from serve.protocol.errors import RequestError

__all__ = ["unpacked"]

_GZIP = 16 + zlib.MAX_WBITS


def unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Return what was packed.

    Args:
        body: The bytes as they came.
        encoding: The header; empty or ``identity`` for a body as it is, ``gzip`` for one that is packed.
        max_bytes: Bytes that a body may have: a small one may become a thousand times as large.

    Raises:
        RequestError: 415: packed in another way; 400: no gzip, or cut off; 413: it becomes too large.
    """
    kind = encoding.strip().lower()
    if kind in ("", "identity"):
        return body
    if kind not in ("gzip", "x-gzip"):
        raise RequestError(
            f"a body must be plain or gzip, but its Content-Encoding is {kind[:40]!r}",
            "gzip it",
            "content-encoding",
            415,
        )
    parts, size, rest = [], 0, body
    try:
        while rest:  # several members may follow one another
            reader = zlib.decompressobj(_GZIP)
            part = reader.decompress(rest, max_bytes - size + 1)
            size += len(part)
            if size > max_bytes:
                raise RequestError(f"a body must have at most {max_bytes} bytes, but unpacks to more",
                                   "send several requests, or Arrow", "", 413)  # fmt: skip
            if not reader.eof:
                raise zlib.error("it is cut off")
            parts.append(part)
            rest = reader.unused_data
    except zlib.error as error:
        raise RequestError(
            f"a gzip body must be whole, but {error}", "send it again", "content-encoding", 400
        ) from None
    return b"".join(parts)
