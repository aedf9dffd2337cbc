"""Whether a column tells the target's future better than anything honest could.

For each column and lead k the pairs (x_t, y_{t+k}) of all sampled series are fitted on the earlier rows and judged on
the later ones. What counts is not the correlation (temperature has a high one, and so has tomorrow's load with
today's) but whether the column explains almost everything *and* several times more than the target's own past does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autots.eligibility.sample import PanelSample
from autots.eligibility.shifts import exact_shift
from autots.eligibility.verdicts import ColumnVerdict
from autots.panel.panel import Floats

__all__ = ["Past", "judge_leads"]

_MAX_LEADS = 400  # rows ahead
_REACH = 0.75  # of the earlier rows, beyond which too few pairs are left
_SELDOM = 0.5  # share of rows in which a column may repeat its value and still be one that usually changes
_MAX_ALONE = 5  # series that are looked at one by one
_SHORTLIST = 3  # leads of a column that are looked at closely
_CLOSE = 0.6  # rank correlation from which a lead is looked at
_BINS = 60  # of a column's values, each with a mean of the target
_TRIM = 0.1  # share of the largest residuals that count for nothing: values that were filled, typing errors
_EXACT = 1e-6  # below it a column and the own past are both exact
_EQUAL = 1e-4  # unexplained share of the variance at which a column is the target, scaled
_TOO_GOOD, _SUSPICIOUS = 0.02, 0.08  # unexplained shares of the variance
_TIMES, _SOME_TIMES = 4.0, 3.0  # how much better than the target's own past
_MIN_PAIRS = 30  # of values that a fit, or a judgement, needs


@dataclass
class Past:
    """How much of y_{t+k} the target's own past leaves unexplained; computed once per lead."""

    sample: PanelSample
    seasons: Sequence[int]

    def __post_init__(self) -> None:
        self._known: dict[int, float] = {}

    def unexplained(self, lead: int) -> float:
        """Return the share of the later rows' variance, 1 at most."""
        if lead not in self._known:
            self._known[lead] = self._compute(lead)
        return self._known[lead]

    def _compute(self, lead: int) -> float:
        y, split = self.sample.y, self.sample.split
        lags = sorted({lead, lead + 1, *(m * -(-lead // m) for m in self.seasons)})
        lags = [lag for lag in lags if lag < 0.8 * split]
        if not lags:
            return 1.0
        first = max(lags)
        target = y[:, first:]
        columns = [y[:, first - lag : y.shape[1] - lag] for lag in lags]
        later = np.broadcast_to(np.arange(first, y.shape[1]) >= split, target.shape)
        good = np.isfinite(target) & np.all([np.isfinite(c) for c in columns], axis=0)
        early, late = good & ~later, good & later
        if early.sum() < _MIN_PAIRS or late.sum() < _MIN_PAIRS:
            return 1.0
        design = np.stack([np.ones(early.sum()), *(c[early] for c in columns)], axis=1)
        weights = np.linalg.lstsq(design, target[early], rcond=None)[0]
        guess = weights[0] + sum(w * c[late] for w, c in zip(weights[1:], columns, strict=True))
        return _unexplained(target[late], np.asarray(guess))


def judge_leads(
    values: Floats, name: str, role: str, past: Past, *, horizon: int, categorical: bool = False
) -> ColumnVerdict:
    """Judge a covariate by what it tells about the target.

    Args:
        values: (N,) the column in the rows of the sample's panel.
        name: What the user calls the column.
        role: ``"known"`` or ``"past"``. A known column is leaking if it tells y at its own time, a past one only if it
            tells what comes.
        past: What the target's own past tells in the same sample.
        horizon: Steps H that are to be forecast.
        categorical: Whether the values are codes, whose order means nothing; False by default.
    """
    sample = past.sample
    x = sample.matrix(values.astype(float), scale=not categorical)
    if not categorical:
        x = _without_fills(x)
    first = 0 if role == "known" else 1
    furthest = min(_MAX_LEADS, max(horizon, 2 * max(past.seasons)), int(_REACH * sample.split))
    if not categorical:
        exact = _exactly(values, name, role, past, horizon, range(first, max(furthest, first) + 1))
        if exact is not None:
            return exact
    leads = {first, 1} if categorical else {first, 1, *_likely(x, sample.y, first, furthest)}
    left = {lead: _from_column(x, sample, lead, categorical=categorical) for lead in leads}
    verdict = ColumnVerdict(name, role)
    for lead in sorted(leads, key=lambda k: left[k]):  # of neighbouring leads the one that fits best is named
        verdict = verdict.worse(_judged(name, role, lead, left[lead], past))
    if role == "known" and not categorical:
        verdict = verdict.worse(_short_lag(x, past, name, horizon))
    return verdict


def _exactly(values: Floats, name: str, role: str, past: Past, horizon: int, leads: range) -> ColumnVerdict | None:
    """Return a verdict if the column is the target of another row to the last digits, however short the series are."""
    sample = past.sample
    x = sample.matrix(values.astype(float), scale=False)
    y = sample.matrix(sample.panel.y.astype(float), scale=False)
    lags = [] if role != "known" else [-k for k in range(1, horizon) if k < x.shape[1]]
    shift = exact_shift(x, y, [*leads, *lags], past.seasons)
    if shift is None:
        return None
    if shift < 0:
        reason = f"declared known, but equal to the target {_rows(-shift)} earlier: not known {_rows(horizon)} ahead"
        return ColumnVerdict(name, role, "ineligible", "short_lag", reason, {"lag": float(-shift), "unexplained": 0.0})
    evidence = {"lead": float(shift), "unexplained": 0.0}
    if shift == 0:
        return ColumnVerdict(name, role, "ineligible", "copy", "equal to the target itself, scaled", evidence)
    return ColumnVerdict(name, role, "ineligible", "lead", f"equal to the target {_rows(shift)} later", evidence)


def _judged(name: str, role: str, lead: int, left: float, past: Past) -> ColumnVerdict | None:
    own = past.unexplained(max(1, lead))
    evidence = {"lead": float(lead), "unexplained": left, "own_past": own}
    if left < _EQUAL and _beats(left, own, _TIMES):
        if lead == 0:
            return ColumnVerdict(name, role, "ineligible", "copy", "equal to the target itself, scaled", evidence)
        reason = f"equal to the target {_rows(lead)} later"
        return ColumnVerdict(name, role, "ineligible", "lead", reason, evidence)
    when = "at its own time" if lead == 0 else f"{_rows(lead)} later"
    reason = (
        f"alone explains {1 - left:.1%} of the target {when} on rows that it was not fitted on; the target's own past "
        f"explains {1 - own:.1%}"
    )
    if left < _TOO_GOOD and _beats(left, own, _TIMES):
        return ColumnVerdict(name, role, "ineligible", "too_good_alone", reason, evidence)
    if left < _SUSPICIOUS and _beats(left, own, _SOME_TIMES):
        return ColumnVerdict(name, role, "review", "too_good_alone", reason, evidence)
    return None


def _beats(left: float, own: float, times: float) -> bool:
    """Whether a column leaves so many times less unexplained; below a millionth both are exact."""
    return max(left, _EXACT) * times < own


def _short_lag(x: Floats, past: Past, name: str, horizon: int) -> ColumnVerdict | None:
    """Return a verdict if a known column is the target of fewer rows ago than the horizon: that is not known."""
    sample, y = past.sample, past.sample.y
    if horizon < 2 or _from_pairs(x[:, horizon:], y[:, : y.shape[1] - horizon], sample.split - horizon) < _EQUAL:
        return None  # nothing to tell, or a target that repeats itself
    for lag in _likely(y, x, 1, min(horizon - 1, _MAX_LEADS, int(_REACH * sample.split))):
        left = _from_pairs(x[:, lag:], y[:, : y.shape[1] - lag], sample.split - lag)
        if left < _EQUAL and _beats(left, past.unexplained(horizon - lag), _TIMES):
            reason = f"declared known, but equal to the target {_rows(lag)} earlier: not known {_rows(horizon)} ahead"
            return ColumnVerdict(
                name, "known", "ineligible", "short_lag", reason, {"lag": float(lag), "unexplained": left}
            )
    return None


def _likely(x: Floats, y: Floats, first: int, last: int) -> list[int]:
    """Return the leads k in [first, last] at which ranks of x_t and y_{t+k} go together most, best first."""
    if last < first:
        return []
    a, b = _ranks(x), _ranks(y)
    size = 1 << int(np.ceil(np.log2(a.shape[1] + last + 1)))
    product = np.conj(np.fft.rfft(a, size, axis=1)) * np.fft.rfft(b, size, axis=1)
    together = np.fft.irfft(product.sum(axis=0), size)[first : last + 1]
    norm = float(np.sqrt((a**2).sum() * (b**2).sum()))
    if norm == 0.0:
        return []
    # The overlap shrinks with the lead.
    strength = np.abs(together) / norm / (1 - np.arange(first, last + 1) / a.shape[1])
    best = np.argsort(strength)[::-1][:_SHORTLIST]
    return [first + int(k) for k in best if strength[k] > _CLOSE]


def _ranks(values: Floats) -> Floats:
    """Return each row's ranks around 0; holes are 0, and so are rows that hold one value only."""
    filled = np.where(np.isnan(values), np.inf, values)
    order = np.argsort(np.argsort(filled, axis=1, kind="stable"), axis=1, kind="stable").astype(float)
    known = np.isfinite(values)
    count = known.sum(axis=1, keepdims=True)
    out = np.where(known, order / np.maximum(count - 1, 1) - 0.5, 0.0)
    out[np.nanmax(np.where(known, values, -np.inf), axis=1) <= np.nanmin(np.where(known, values, np.inf), axis=1)] = 0.0
    return out


def _without_fills(x: Floats) -> Floats:
    """Return a column that usually changes without the rows where it does not: there the panel has filled it."""
    same = np.zeros(x.shape, dtype=bool)
    same[:, 1:] = x[:, 1:] == x[:, :-1]
    return np.where(same, np.nan, x) if same.mean() < _SELDOM else x


def _from_column(x: Floats, sample: PanelSample, lead: int, *, categorical: bool) -> float:
    """Return the share of y_{t+lead} that x_t leaves unexplained: one fit for all series, or one for each of a few.

    Series differ in how the column goes with the target; the middle one of the few then speaks for them.
    """
    stop = sample.y.shape[1] - lead
    a, b, split = x[:, :stop], sample.y[:, lead:], sample.split - lead
    together = _from_pairs(a, b, split, categorical=categorical)
    if len(a) == 1:
        return together
    alone = [
        _from_pairs(a[i : i + 1], b[i : i + 1], split, categorical=categorical) for i in range(min(_MAX_ALONE, len(a)))
    ]
    return min(together, float(np.median(alone)))


def _from_pairs(x: Floats, y: Floats, split: int, *, categorical: bool = False) -> float:
    good = np.isfinite(x) & np.isfinite(y)
    later = np.broadcast_to(np.arange(x.shape[1]) >= split, x.shape)
    early, late = good & ~later, good & later
    if early.sum() < _MIN_PAIRS or late.sum() < _MIN_PAIRS:
        return 1.0
    guesses = [_binned(x[early], y[early], x[late], categorical=categorical)]
    if not categorical:
        guesses.append(_line(x[early], y[early], x[late]))
    return min(_unexplained(y[late], guess) for guess in guesses)


def _line(x: Floats, y: Floats, at: Floats) -> Floats:
    """Fit a straight line, then again without the largest residuals: filled values must not bend it."""
    for _ in range(2):
        variance = float(np.var(x))
        slope = float(np.mean((x - x.mean()) * (y - y.mean()))) / variance if variance > 0 else 0.0
        level = float(y.mean()) - slope * float(x.mean())
        residual = np.abs(y - level - slope * x)
        keep = residual <= np.quantile(residual, 1 - _TRIM)
        x, y = x[keep], y[keep]
    return level + slope * at


def _binned(x: Floats, y: Floats, at: Floats, *, categorical: bool) -> Floats:
    """Return means of y in bins of x; between the middles of two bins a straight line, as x has a scale."""
    if categorical:
        codes, inside = np.unique(x, return_inverse=True)
        means = np.bincount(inside, y) / np.bincount(inside)
        where = np.clip(np.searchsorted(codes, at), 0, len(codes) - 1)
        return np.where(codes[where] == at, means[where], y.mean())
    edges = np.unique(np.quantile(x, np.linspace(0, 1, _BINS + 1)[1:-1]))
    inside = np.searchsorted(edges, x, side="right")
    count = np.bincount(inside, minlength=len(edges) + 1)
    full = count > 0
    middles = np.bincount(inside, x, minlength=len(edges) + 1)[full] / count[full]
    means = np.bincount(inside, y, minlength=len(edges) + 1)[full] / count[full]
    return np.interp(at, middles, means)


def _unexplained(y: Floats, guess: Floats) -> float:
    """Return the trimmed squared residuals as a share of the trimmed variance: both without their largest tenth."""
    residual, deviation = np.sort((y - guess) ** 2), np.sort((y - y.mean()) ** 2)
    keep = max(1, int((1 - _TRIM) * len(y)))
    whole = float(deviation[:keep].sum())
    return min(1.0, float(residual[:keep].sum()) / whole) if whole > 0 else 1.0


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n} rows"
