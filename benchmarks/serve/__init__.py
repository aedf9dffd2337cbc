"""The figures of the wire."""
