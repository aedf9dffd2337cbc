"""Large bodies are parsed in a process of their own: one call of a parser holds Python's lock until it is done."""

from serve.parsing.elsewhere import Elsewhere

__all__ = ["Elsewhere"]
