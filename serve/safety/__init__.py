"""Who may ask, how much, how long, and how many at once: middleware for any ASGI application."""

from serve.safety.access import Access
from serve.safety.guard import Guard, ServerLimits
from serve.safety.heads import impatient_protocol
from serve.safety.origins import AllowedOrigins
from serve.safety.token_file import TokenFile
from serve.safety.tokens import Token, issue, read_tokens, recognise, write_tokens

__all__ = [
    "Access",
    "AllowedOrigins",
    "Guard",
    "ServerLimits",
    "Token",
    "TokenFile",
    "impatient_protocol",
    "issue",
    "read_tokens",
    "recognise",
    "write_tokens",
]
