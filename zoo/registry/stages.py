"""The stages of a version, and the one table of what may follow what."""

from __future__ import annotations

from zoo.errors import ConfigError, RegistryError

__all__ = ["STAGES", "TRANSITIONS", "check_transition"]

#: Stage -> what may follow it. From ``retired`` back to ``live`` is what a rollback does.
TRANSITIONS: dict[str, tuple[str, ...]] = {
    "draft": ("validated", "retired"),
    "validated": ("staged", "retired"),
    "staged": ("live", "retired"),
    "live": ("retired",),
    "retired": ("live",),
}
STAGES = tuple(TRANSITIONS)


def check_transition(reference: str, old: str, new: str) -> None:
    """Raise unless a version may go from one stage to another.

    Args:
        reference: What messages call the version, such as ``sales@3``.
        old: The stage that it has.
        new: The stage that it shall have.

    Raises:
        ConfigError: There is no such stage.
        RegistryError: The table does not allow it; the hint says what it allows.
    """
    if new not in TRANSITIONS:
        raise ConfigError(f"a stage must be one of {', '.join(STAGES)}, but got {new!r}", "write one of these")
    if new not in TRANSITIONS[old]:
        legal = ", ".join(TRANSITIONS[old])
        raise RegistryError(f"{reference} is {old} and cannot become {new}", f"from {old} it can become: {legal}")
