"""A Gaussian process over features and fidelity, with maximum a-posteriori lengths.

Kernel: ``s (w + (1 - w) M(z, z')) M(x, x')`` with Matérn 5/2 in both factors, one length per parameter, fidelity z in
[0, 1] (Swersky et al. 2014; Klein et al. 2020 compare such kernels for asynchronous multi-fidelity search). A value at
a low fidelity informs about the others as far as ``w`` and the length of ``z`` say, which are fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from zoo.search.samplers.encoding import Array

__all__ = ["Data", "GaussianProcess", "Kernel"]

_ROOT5 = np.sqrt(5.0)
#: Variance that keeps a covariance of equal points invertible, on the scale of standardised values.
_JITTER = 1e-8
#: Of L-BFGS for the lengths: they are fitted often, and later ones change little.
_ITERATIONS = 12


@dataclass(frozen=True)
class Data:
    """Observations.

    Args:
        x: Features, one row each.
        z: Fidelity in [0, 1].
        y: Values with mean 0 and standard deviation 1.
        noise: Variances of the values that are known, beside the one that is fitted; 0 for none.
    """

    x: Array
    z: Array
    y: Array
    noise: Array | float = 0.0

    def __len__(self) -> int:
        return len(self.y)


class Kernel:
    """The covariance, as a function of the logarithms of its parameters.

    Args:
        owners: Per feature the index of its length.
        fidelity: Whether the covariance depends on the fidelity z.
    """

    def __init__(self, owners: Array, *, fidelity: bool) -> None:
        self._owners, self._index = np.unique(owners, return_inverse=True)
        self.lengths = len(self._owners)
        self.fidelity = fidelity
        count = self.lengths
        # Means and standard deviations of log: lengths, length of z, logit of w, scale, noise.
        self.centre = np.concatenate([np.full(count, np.log(0.5)), [np.log(0.6), 0.0, 0.0, np.log(1e-3)]])
        self.prior_std = np.concatenate([np.full(count, 0.8), [0.7, 1.5, 1.0, 1.5]])
        low = np.concatenate([np.full(count, np.log(0.05)), [np.log(0.1), -5.0, np.log(0.05), np.log(1e-6)]])
        high = np.concatenate([np.full(count, np.log(20.0)), [np.log(10.0), 5.0, np.log(20.0), np.log(0.5)]])
        self.bounds = list(zip(low.tolist(), high.tolist(), strict=True))

    def scaled(self, theta: Array, x: Array) -> Array:
        """Return the features in units of their lengths."""
        return cast(Array, x / np.exp(theta[: self.lengths])[self._index])

    def __call__(self, theta: Array, a: tuple[Array, Array], b: tuple[Array, Array]) -> Array:
        """Return the covariances between the rows of ``a`` and ``b``, each features and fidelities."""
        near = _matern(_squares(self.scaled(theta, a[0]), self.scaled(theta, b[0])))
        near *= self._level(theta, a[1], b[1])
        return near

    def _level(self, theta: Array, a: Array, b: Array) -> Array | float:
        """Return the factor of scale and fidelity; there are few different fidelities."""
        scale = float(np.exp(theta[-2]))
        if not self.fidelity:
            return scale
        levels, index = np.unique(np.concatenate([a, b]), return_inverse=True)
        weight = 1.0 / (1.0 + np.exp(-theta[-3]))
        gaps = (levels[:, None] - levels[None]) / np.exp(theta[-4])
        table = scale * (weight + (1.0 - weight) * _matern(gaps * gaps))
        return cast(Array, table[index[: len(a)][:, None], index[len(a) :][None]])

    def gradient(self, theta: Array, data: Data) -> tuple[float, Array]:
        """Return the negative log posterior of ``theta`` and its gradient."""
        scaled, count = self.scaled(theta, data.x), len(data)
        r = _ROOT5 * np.sqrt(_squares(scaled, scaled))
        decay = np.exp(-r)
        near = (1.0 + r + r * r / 3.0) * decay
        weight = 1.0 / (1.0 + np.exp(-theta[-3])) if self.fidelity else 1.0
        q = ((data.z[:, None] - data.z[None]) / np.exp(theta[-4])) ** 2
        rz = _ROOT5 * np.sqrt(q)
        decay_z = np.exp(-rz)
        near_z = (1.0 + rz + rz * rz / 3.0) * decay_z
        scale, noise = np.exp(theta[-2]), np.exp(theta[-1])
        factor = scale * (weight + (1.0 - weight) * near_z)
        covariance = near * factor
        noisy = covariance.copy()
        noisy[np.diag_indices(count)] += noise + _JITTER + data.noise
        try:
            lower = cholesky(noisy, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        solved = cho_solve((lower, True), data.y, check_finite=False)
        inverse = cho_solve((lower, True), np.eye(count), check_finite=False)
        value = 0.5 * float(data.y @ solved) + float(np.log(np.diag(lower)).sum())
        outer = 0.5 * (inverse - np.outer(solved, solved))
        slopes = np.empty_like(theta)
        pull = outer * factor * (5.0 / 3.0) * (1.0 + r) * decay
        rows = pull.sum(1)
        columns = 2.0 * ((scaled * scaled).T @ rows) - 2.0 * np.einsum("nd,nd->d", scaled, pull @ scaled)
        slopes[: self.lengths] = np.bincount(self._index, weights=columns, minlength=self.lengths)
        slopes[-4] = (outer * scale * near * (1.0 - weight) * (5.0 / 3.0) * (1.0 + rz) * decay_z * q).sum()
        slopes[-3] = (outer * scale * near * (1.0 - near_z)).sum() * weight * (1.0 - weight)
        slopes[-2] = (outer * covariance).sum()
        slopes[-1] = np.trace(outer) * noise
        off = (theta - self.centre) / self.prior_std
        return value + 0.5 * float(off @ off), slopes + off / self.prior_std

    def fit(self, data: Data) -> Array:
        """Return the most probable parameters given ``data``: a function of the data alone."""
        found = minimize(
            self.gradient,
            self.centre,
            args=(data,),
            jac=True,
            method="L-BFGS-B",
            bounds=self.bounds,
            options={"maxiter": _ITERATIONS},
        )
        return cast(Array, found.x)


class GaussianProcess:
    """The posterior given observations.

    Args:
        kernel: The covariance between two points.
        theta: Logarithms of the kernel's parameters.
        data: What was observed, and how precisely.
    """

    def __init__(self, kernel: Kernel, theta: Array, data: Data) -> None:
        self._kernel, self._theta, self.data = kernel, theta, data
        covariance = kernel(theta, (data.x, data.z), (data.x, data.z))
        covariance[np.diag_indices(len(data))] += np.exp(theta[-1]) + _JITTER + data.noise
        self._lower = cholesky(covariance, lower=True, check_finite=False)
        self._solved = cho_solve((self._lower, True), data.y, check_finite=False)

    def believing(self, x: Array, z: Array) -> GaussianProcess:
        """Return the posterior as if its own means had been observed at (x, z): what a pending trial will tell.

        The variance shrinks around it and the mean stays ("kriging believer", Ginsbourger et al. 2010).
        """
        if len(x) == 0:
            return self
        old = self.data
        noise = np.concatenate([np.broadcast_to(old.noise, len(old)), np.zeros(len(x))])
        y = np.concatenate([old.y, self.mean(x, z)])
        data = Data(np.vstack([old.x, x]), np.concatenate([old.z, z]), y, noise)
        return GaussianProcess(self._kernel, self._theta, data)

    def mean(self, x: Array, z: Array) -> Array:
        """Return the means at (x, z)."""
        mean = self._kernel(self._theta, (x, z), (self.data.x, self.data.z)) @ self._solved
        return np.asarray(mean)

    def predict(self, x: Array, z: Array) -> tuple[Array, Array]:
        """Return means and standard deviations at (x, z), without noise."""
        cross = self._kernel(self._theta, (x, z), (self.data.x, self.data.z))
        half = solve_triangular(self._lower, cross.T, lower=True, check_finite=False)
        variance = np.exp(self._theta[-2]) - np.einsum("ij,ij->j", half, half)
        return cross @ self._solved, np.sqrt(np.maximum(variance, 1e-10))


def _squares(a: Array, b: Array) -> Array:
    out = a @ (-2.0 * b.T)
    out += (a * a).sum(1)[:, None]
    out += (b * b).sum(1)[None]
    return np.maximum(out, 1e-16, out=out)


def _matern(squares: Array) -> Array:
    """Return the Matérn 5/2 correlation at squared distances; overwrites its argument."""
    r = np.sqrt(squares, out=squares)
    r *= _ROOT5
    decay = np.exp(-r)
    square = r * r
    square /= 3.0
    r += 1.0
    r += square
    r *= decay
    return r
