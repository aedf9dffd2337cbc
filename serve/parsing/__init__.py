"""Large bodies are parsed in a process of their own: one call of a parser holds Python's lock until it is done."""

from serve.parsing.parser import BodyParser

__all__ = ["BodyParser"]
