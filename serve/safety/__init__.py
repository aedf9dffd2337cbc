"""Who may ask, how much, how long, and how many at once: middleware for any ASGI application."""

from serve.safety.guard import Guard, Limits
from serve.safety.origins import Origins
from serve.safety.slow import impatient_protocol
from serve.safety.tokens import Token, issue, read_tokens, recognise, write_tokens
from serve.safety.watch import TokenFile

__all__ = [
    "Guard",
    "Limits",
    "Origins",
    "Token",
    "TokenFile",
    "impatient_protocol",
    "issue",
    "read_tokens",
    "recognise",
    "write_tokens",
]
