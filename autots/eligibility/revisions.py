"""Columns that were changed after the fact: compared between two versions of the same table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from autots.eligibility.verdicts import ColumnVerdict

__all__ = ["judge_revisions"]

_MANY = 0.01  # share of the common rows from which a changed column is ineligible


def judge_revisions(
    now: pd.DataFrame, before: pd.DataFrame, *, key: list[str], roles: dict[str, str]
) -> list[ColumnVerdict]:
    """Compare the rows that both versions have.

    A value that appears or changes later was not there when a forecast would have needed it: what a model learns from
    it will be missing, or different, when it counts.

    Args:
        now: The newer version of the table.
        before: An older version of the same table.
        key: The columns that tell rows apart: the series and the clock.
        roles: Column -> role, the target among them.
    """
    if any(name not in before.columns for name in key):
        return []
    # Of doubles the last one counts, as in a panel.
    new = now.drop_duplicates(key, keep="last").set_index(key)
    old = before.drop_duplicates(key, keep="last").set_index(key)
    shared = new.index.intersection(old.index)
    if not len(shared):
        return []
    new, old = new.loc[shared], old.loc[shared]
    verdicts = []
    for name, role in roles.items():
        if name in old.columns and name in new.columns:
            found = _judged(new[name], old[name], name, role)
            if found is not None:
                verdicts.append(found)
    return verdicts


def _judged(new: Any, old: Any, name: str, role: str) -> ColumnVerdict | None:
    filled = old.isna() & new.notna()
    changed = filled | (old.notna() & new.isna()) | (old.notna() & new.notna() & (old != new))
    share = float(changed.mean())
    if share == 0.0:
        return None
    late = float(filled.mean())
    reason = (
        f"changed after the fact: {int(changed.sum()):,} of {len(new):,} rows differ from the earlier version, "
        f"{int(filled.sum()):,} of them were filled in later"
    )
    evidence = {"changed": share, "filled": late}
    if role == "target":
        # The truth may be corrected; a forecast is then judged by what nobody could know.
        return ColumnVerdict(name, role, "review", "revised", reason, evidence)
    return ColumnVerdict(name, role, "ineligible" if share >= _MANY else "review", "revised", reason, evidence)
