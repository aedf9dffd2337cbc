"""The forms of an automatic ETS, by least squares instead of a simplex, and only those that have a chance.

statsforecast moves a simplex through up to eighteen dimensions (four weights, a level, a slope, the seasons) for each
of fifteen forms, and stops it after 1,000 steps, where seasonal ones mostly have not arrived. The likelihood that it
maximises is a sum of squares in disguise: with errors relative to a forecast f, n log Σe² + 2 Σ log|f| is n log Σr²
with r = e · (Π|f|)^(1/n),
so the method of Levenberg (1944) and Marquardt (1963) gets further in a tenth of the time.
Bounds and criterion are statsforecast's.

Axes: T rows, K parameters (weights, then states).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from autots.models.statistical.least_squares import least_squares
from autots.panel import Floats

__all__ = ["FittedForm", "Form", "FormLikelihood", "best_form"]

# Bounds of α, β, γ and φ, those of statsforecast and R.
_LOWEST = (0.0001, 0.0001, 0.0001, 0.8)
_HIGHEST = (0.9999, 0.9999, 0.9999, 0.98)
_NAMES = ("alpha", "beta", "gamma", "phi")
# Series of so many rows or fewer are statsforecast's: some forms have as many parameters.
_SHORT = 12
# α of a second beginning.
_QUICK = 0.4
# Gains of a step in the criterion below which a form is near its optimum, and at it.
_ROUGH = 0.02
_FINE = 1e-4
# Forms that are so close to the best are brought to their optimum, too.
_CLOSE = 1.0
# Criteria that differ by less are equal.
_EQUAL = 1e-3


# A season that costs so much, while a trend gains no more than so little: both together are not tried.
_NO_SEASON = 8.0
_NO_TREND = 3.0


class Form(NamedTuple):
    """Letters of error, trend and season, and whether the trend is damped."""

    error: str
    trend: str
    kind: str
    damped: bool


@dataclass(frozen=True)
class FittedForm:
    """One form of ETS, fitted to a series.

    Args:
        form: Letters of error, trend and season, then "D" (damped) or "N".
        par: α, β, γ, φ (NaN for a part that the form does not have), then the initial states.
        sigma2: Variance of the one-step errors, relative ones where the error is multiplicative.
        aicc: Akaike's corrected criterion, without the constants that all forms share.
    """

    form: str
    par: Floats
    sigma2: float
    aicc: float


class _FormStart(NamedTuple):
    """Where a form's weights begin, and their bounds (4,), as the simplex would have them."""

    weights: list[float]
    lower: Floats
    upper: Floats


class _Optimum(NamedTuple):
    """Where the search for the optimum of a form stands: a point (K,), and Akaike's corrected criterion there."""

    likelihood: FormLikelihood
    at: Floats
    aicc: float


def best_form(y: Floats, season: int, model: str, damped: bool | None) -> FittedForm:
    """Return the form of least AICc among those that ``model`` allows.

    Args:
        y: (T,) values without NaN.
        season: Rows of a season, 1 for none.
        model: Three letters, Z where the criterion chooses: error, trend, season.
        damped: Whether trends are damped; None where the criterion chooses.

    Raises:
        NotImplementedError: The series has too few values for any form.
    """
    from statsforecast.ets import ets_f

    simple = season == 1 or model[2] != "Z" or len(y) <= max(season, _SHORT)
    starts = {} if simple else _starts(season, _forms(model, damped, bool(y.min() > 0)))
    optima = _search(y, season, starts)
    if not optima:
        # Without a season, or with a form that was asked for, there is little to search; what is hardly longer than its
        # parameters is statsforecast's alone, and so are its errors.
        return _taken(ets_f(y, season, model=model, damped=damped))
    least = min(optimum.aicc for optimum in optima.values())
    close = [optimum for optimum in optima.values() if optimum.aicc <= least + _CLOSE]
    return min((_polished(optimum, starts) for optimum in close), key=lambda fitted: fitted.aicc)


def _search(y: Floats, season: int, starts: dict[Form, _FormStart]) -> dict[Form, _Optimum]:
    """Return roughly the optima of the forms that are worth it."""
    from statsforecast.ets import initstate

    optima: dict[Form, _Optimum] = {}
    states: dict[tuple[str, str], Floats] = {}
    best = math.inf
    # Forms without a trend come first, damped ones last: each begins where a simpler one ended.
    for form in sorted(starts, key=lambda form: (form.trend == "A", form.kind != "N", form.damped, form.error == "M")):
        if _hopeless(form, optima):
            continue
        likelihood = FormLikelihood(y, season, form)
        for trend, kind in ((form.trend, "N"), ("N", form.kind)):
            if (trend, kind) not in states:
                states[trend, kind] = initstate(y, season if kind != "N" else 1, trend, kind)
        # The level and slope of the trend alone, the seasons of the season alone: a decomposition less for each form.
        begin = np.concatenate([starts[form].weights, states[form.trend, "N"], states["N", form.kind][1:]])
        # Where there are as many parameters as rows, the criterion is infinite.
        if len(begin) < len(y) - 2:
            found = _optimum(likelihood, begin, starts[form], optima, best)
            if found is not None:
                optima[form], best = found, min(best, found.aicc)
    return optima


def _hopeless(form: Form, optima: dict[Form, _Optimum]) -> bool:
    """Return whether a season and a trend need not be tried together, as neither helped alone."""
    if form.trend == "N" or form.kind == "N":
        return False

    def least(trend: str, seasonal: bool) -> float:
        return min(
            (found.aicc for f, found in optima.items() if f.trend == trend and (f.kind != "N") == seasonal),
            default=math.nan,
        )

    plain, trended, seasonal = least("N", False), least("A", False), least("N", True)
    return seasonal > plain + _NO_SEASON and trended > plain - _NO_TREND


def _by_simplex(y: Floats, best: FittedForm, starts: dict[Form, _FormStart]) -> FittedForm:
    """Return a form without a season as statsforecast fits it, to the last bit, unless that is worse."""
    from statsforecast.ets import etsmodel

    form = Form(best.form[0], best.form[1], best.form[2], best.form[3] == "D")
    start = starts[form]
    # In few dimensions the simplex arrives, at times at a better optimum than least squares.
    found = etsmodel(
        *(y, 1, *form, *(np.nan,) * 4, start.lower.copy(), start.upper.copy()), opt_crit="lik", nmse=3, bounds="both"
    )
    return _taken(found) if found["aicc"] <= best.aicc + _EQUAL else best


def _forms(model: str, damped: bool | None, positive: bool) -> list[Form]:
    """Return the forms in the order of statsforecast, which its bounds depend on."""
    error, trend, kind = (
        all_ if letter == "Z" else letter for letter, all_ in zip(model, ("AM", "NA", "NAM"), strict=True)
    )
    fades = (True, False) if damped is None else (damped,)
    forms = [Form(e, t, k, d) for e, t, k, d in product(error, trend, kind, fades)]
    return [
        form
        for form in forms
        if not (form.trend == "N" and form.damped)
        and not (form.error == "A" and form.kind == "M")
        and (positive or "M" not in form.error + form.kind)
    ]


def _starts(season: int, forms: Iterable[Form]) -> dict[Form, _FormStart]:
    """Return where the weights of each form begin."""
    from statsforecast.ets import initparam

    lower, upper = np.array(_LOWEST), np.array(_HIGHEST)
    starts = {}
    for form in forms:
        # It narrows the upper bounds, for this form and those that follow.
        chosen = initparam(*(np.nan,) * 4, *form[1:], lower, upper, season if form.kind != "N" else 1, "both")
        weights = [chosen[name] for name in _NAMES if not math.isnan(chosen[name])]
        starts[form] = _FormStart(weights, lower.copy(), upper.copy())
    return starts


def _taken(found: Any) -> FittedForm:
    return FittedForm(found["components"], found["par"], float(found["sigma2"]), float(found["aicc"]))


class FormLikelihood:
    """The likelihood of one form, as a sum of squares.

    Args:
        y: (T,) values without NaN.
        season: Rows of a season.
        form: Its error, trend and season.
    """

    def __init__(self, y: Floats, season: int, form: Form) -> None:
        from statsforecast._lib import ets as compiled
        from statsforecast.ets import switch

        self.y, self.form = y, form
        self.season = season if form.kind != "N" else 1
        self.weights = np.array([True, form.trend != "N", form.kind != "N", form.damped])
        self.count = int(self.weights.sum())
        self.first_season = self.count + 1 + (form.trend != "N")
        self._total = float(self.season * (form.kind == "M"))
        self._seasons = 1 + (form.trend != "N")
        self._size = self._seasons + (self.season if form.kind != "N" else 0)
        self.size = self.count + self._size - (form.kind != "N")
        # The states of one more than all rows, and the errors: written by each pass.
        self._states = np.empty(self._size * (len(y) + 1))
        self._errors, self._amse = np.empty(len(y)), np.empty(1)
        #: What counts as a step of about one, for each parameter (K,).
        self.unit = np.ones(self.size)
        self.unit[self.count :] = max(float(np.std(y)), 1e-12)
        if form.kind == "M":
            self.unit[self.first_season :] = 1.0
        self._letters = tuple(switch(letter) for letter in form[:3])
        self._calc = compiled.calc

    def smoothing(self, at: Floats) -> tuple[float, float, float, float]:
        """Return α, β, γ and φ of a point: 0 for a part that the form does not have, 1 without damping."""
        _, trend, kind, damped = self.form
        given = at[: self.count].tolist()
        beta = given[1] if trend != "N" else 0.0
        gamma = given[1 + (trend != "N")] if kind != "N" else 0.0
        return given[0], beta, gamma, given[-1] if damped else 1.0

    def residuals(self, at: Floats) -> Floats | None:
        """Return (T,) residuals of a point (K,), None where the form is not defined there."""
        states, errors, n = self._states, self._errors, len(self.y)
        states[: self._size - (self.form.kind != "N")] = at[self.count :]
        if self.form.kind != "N":
            # The last season follows from the others: they add up to 0, or to their number.
            seasons = at[self.first_season :].tolist()
            states[self._size - 1] = last = self._total - sum(seasons)
            if self.form.kind == "M" and (last < 0 or min(seasons) < 0):
                return None
        minus_two_log = self._calc(
            states, errors, self._amse, 1, self.y, *self._letters, *self.smoothing(at), self.season
        )
        squares = float(errors @ errors)
        if not math.isfinite(minus_two_log) or not 0 < squares < math.inf or abs(minus_two_log + 99999) < 1e-7:
            return None
        if self.form.error == "A":
            return errors.copy()
        power = (minus_two_log - n * math.log(squares)) / (2 * n)
        return errors * math.exp(power) if power < 300 else None

    def criterion(self, squares: float) -> float:
        """Return AICc for a sum of squared residuals."""
        n, count = len(self.y), self.size + 1
        spare = n - count - 1
        return n * math.log(squares) + 2 * count + (2 * count * (count + 1) / spare if spare > 0 else math.inf)

    def fitted(self, at: Floats, squares: float) -> FittedForm:
        """Return the form at a point (K,) with a sum of squared residuals."""
        self.residuals(at)
        named = np.where(self.weights, self.smoothing(at), np.nan)
        sigma2 = float(self._errors @ self._errors) / max(len(self.y) - len(at) - 2, 1)
        name = "".join(self.form[:3]) + ("D" if self.form.damped else "N")
        return FittedForm(name, np.concatenate([named, self._states[: self._size]]), sigma2, self.criterion(squares))


def _optimum(
    likelihood: FormLikelihood, begin: Floats, start: _FormStart, optima: dict[Form, _Optimum], best: float
) -> _Optimum | None:
    """Return roughly the optimum of a form, or where it lost against ``best``; None where it is not defined."""
    form = likelihood.form
    begins = [begin, begin.copy()]
    # A level that follows quickly is another valley; the better of both beginnings is gone on from.
    begins[1][0] = min(_QUICK, start.upper[0])
    for simpler in (form._replace(error="A"), form._replace(damped=False), form._replace(trend="N", damped=False)):
        if simpler != form and simpler in optima:
            begins.append(_moved(optima[simpler].at, simpler, begin, form))
    low, high = _bounds(likelihood, start)
    points = [(at, likelihood.residuals(at)) for at in (np.clip(each, low, high) for each in begins)]
    defined = [(at, found) for at, found in points if found is not None]
    if not defined:
        return None
    at, residuals = min(defined, key=lambda point: float(point[1] @ point[1]))
    # Without a season nothing is given up: few dimensions cost little, and slopes wake up late.
    far = math.inf if form.kind == "N" else best
    wanted = math.exp(min((far - likelihood.criterion(1.0)) / len(likelihood.y), 700.0))
    at, squares = least_squares(
        likelihood.residuals, at, residuals, (low, high), likelihood.unit, wanted=wanted, arrived=_ROUGH
    )
    return _Optimum(likelihood, at, likelihood.criterion(squares))


def _polished(optimum: _Optimum, starts: dict[Form, _FormStart]) -> FittedForm:
    """Return a form at its optimum."""
    likelihood, at, _ = optimum
    residuals = likelihood.residuals(at)
    assert residuals is not None
    bounds = _bounds(likelihood, starts[likelihood.form])
    at, squares = least_squares(
        likelihood.residuals, at, residuals, bounds, likelihood.unit, wanted=float(residuals @ residuals), arrived=_FINE
    )
    fitted = likelihood.fitted(at, squares)
    return _by_simplex(likelihood.y, fitted, starts) if likelihood.form.kind == "N" else fitted


def _bounds(likelihood: FormLikelihood, start: _FormStart) -> tuple[Floats, Floats]:
    size = likelihood.size
    low, high = np.full(size, -np.inf), np.full(size, np.inf)
    low[: likelihood.count] = start.lower[likelihood.weights]
    high[: likelihood.count] = start.upper[likelihood.weights]
    return low, high


def _moved(optimum: Floats, simpler: Form, start: Floats, form: Form) -> Floats:
    """Return the optimum of a simpler form as the start of another; what it lacks is as in ``start``."""

    def parts(of: Form) -> list[str]:
        weights = ["α", *(["β"] if of.trend != "N" else []), *(["γ"] if of.kind != "N" else [])]
        return [*weights, *(["φ"] if of.damped else []), "level", *(["slope"] if of.trend != "N" else [])]

    have, want = parts(simpler), parts(form)
    moved = start.copy()
    for place, part in enumerate(want):
        if part in have:
            moved[place] = optimum[have.index(part)]
    moved[len(want) :] = optimum[len(have) :]
    return moved
