"""Whether a target can be forecast better than by repeating its last season: simple forecasts tell."""

from __future__ import annotations

import numpy as np

from autots.eligibility.sample import PanelSample
from autots.eligibility.verdicts import Forecastability
from autots.panel.panel import Floats, Ints
from zoo.series.offsets import last_present

__all__ = ["judge_target"]

_CLEAR_SKILL = 0.02  # share of the naive error that must be saved
_MIN_STANDARD_ERRORS = 2.0  # by which a gain must differ from none
_MAX_ORIGINS = 60  # from which simple forecasts are made
_MAX_STEPS = 4  # of the horizon that are looked at
_MAX_CYCLES = 4  # seasons in a mean
_MIN_ERRORS = 30  # of the naive forecast, below which nothing can be said
_RIDGE = 1e-3  # penalty per row, in squared units of the scaled target


def judge_target(sample: PanelSample | None, season: int, horizon: int) -> Forecastability:
    """Try simple forecasts against the seasonal naive one, from many origins in the later rows.

    Args:
        sample: A part of the panel; None if it is too short.
        season: Rows that the naive forecast goes back.
        horizon: Steps H; at most four of them are looked at.
    """
    if sample is None:
        return Forecastability("unclear", season, "", 0.0, "the series are too short to tell")
    y, split = _filled(sample.y), sample.split
    steps = sorted({int(h) for h in np.linspace(1, min(horizon, max(1, (y.shape[1] - split) // 2)), _MAX_STEPS)})
    most = y.shape[1] - 1 - max(steps)
    origins = np.unique(np.linspace(split - 1, max(split - 1, most), _MAX_ORIGINS).astype(np.int64))
    if split < 2 * season + 2 or most <= split:
        return Forecastability("unclear", season, "", 0.0, f"fewer than two seasons of {season} rows to tell from")
    names = ("last value", "mean of the last seasons", "last season at today's level", "level", "linear in recent rows")
    naive, others = [], []
    for h in steps:
        now = sample.y[:, origins + h]
        guesses = _guesses(y, split, origins, h, season)
        repeated = y[:, origins + h - season * -(-h // season)]
        there = np.isfinite(now)
        naive.append(np.where(there, np.abs(now - repeated), np.nan))
        others.append([np.where(there, np.abs(now - guess), np.nan) for guess in guesses])
    base = np.concatenate(naive, axis=1)
    errors = np.stack([np.concatenate([step[i] for step in others], axis=1) for i in range(len(names))])
    return _verdict(base, errors, names, season)


def _verdict(base: Floats, errors: Floats, names: tuple[str, ...], season: int) -> Forecastability:
    total = float(np.nanmean(base)) if np.isfinite(base).sum() >= _MIN_ERRORS else float("nan")
    if not np.isfinite(total):
        return Forecastability("unclear", season, "", 0.0, "too few rows to tell")
    if total < 1e-9:
        return Forecastability("no", season, "", 0.0, "the target repeats itself exactly: seasonal naive has no error")
    means = np.nanmean(errors, axis=(1, 2))
    best = int(np.argmin(means))
    skill = 1 - float(means[best]) / total
    saved = base - errors[best]
    # One per origin and step that has a target; neighbours are alike, so few count.
    gains = np.nanmean(saved[:, np.isfinite(saved).any(axis=0)], axis=0)
    error = float(np.std(gains) / np.sqrt(max(2.0, len(gains) / 4)))
    sure = float(np.mean(gains)) > _MIN_STANDARD_ERRORS * error
    if skill > _CLEAR_SKILL and sure:
        reason = f"already {names[best]!r} saves {skill:.0%} of its error (season {season})"
        return Forecastability("yes", season, names[best], skill, reason)
    if skill > _CLEAR_SKILL:
        reason = f"{names[best]!r} saves {skill:.0%} of its error (season {season}), which may be chance"
        return Forecastability("unclear", season, names[best], skill, reason)
    reason = f"no simple forecast beats it (season {season}): expect a search to gain little"
    return Forecastability("no", season, names[best], skill, reason)


def _guesses(y: Floats, split: int, origins: Ints, h: int, season: int) -> list[Floats]:
    """Return (S, origins) forecasts of y at origin + h."""
    back = season * -(-h // season)
    cycles = [back + season * i for i in range(_MAX_CYCLES) if back + season * i <= origins[0] + h]
    same = np.mean([y[:, origins + h - lag] for lag in cycles], axis=0)
    total = np.cumsum(np.pad(y, ((0, 0), (1, 0))), axis=1)
    width = min(max(season, 8), int(origins[0]) // 2)
    level = (total[:, origins + 1] - total[:, origins + 1 - width]) / width
    before = origins - back if np.all(origins - back >= width - 1) else origins
    then = (total[:, before + 1] - total[:, before + 1 - width]) / width
    repeated = y[:, origins + h - back]
    last = y[:, origins]
    # Half of the change of level since that season: the whole of it overshoots.
    moved = repeated + 0.5 * (level - then)
    return [last, same, moved, level, _linear(y, split, origins, h, back, season)]


def _linear(y: Floats, split: int, origins: Ints, h: int, back: int, season: int) -> Floats:
    """Fit one ridge for all series on the earlier rows: the last values and those a season ago -> y at +h."""
    lags = [0, 1, 2, *(lag - h for lag in (back, back + season) if lag - h > 2)]
    first = max(lags)
    rows = np.arange(first, split - h)
    if len(rows) * len(y) < 10 * len(lags) or np.any(origins < first):
        return y[:, origins]
    rows = rows[-4000:]
    design = np.stack([np.ones((len(y), len(rows))), *(y[:, rows - lag] for lag in lags)], axis=-1)
    design = design.reshape(-1, len(lags) + 1)
    gram = design.T @ design
    weights = np.linalg.solve(gram + _RIDGE * len(design) * np.eye(len(gram)), design.T @ y[:, rows + h].ravel())
    guess = weights[0] + sum(w * y[:, origins - lag] for w, lag in zip(weights[1:], lags, strict=True))
    return np.asarray(guess)


def _filled(y: Floats) -> Floats:
    """Close holes with the value before, and what precedes a series with 0, its mean."""
    return np.nan_to_num(np.take_along_axis(y, last_present(~np.isfinite(y)), axis=1), nan=0.0)
