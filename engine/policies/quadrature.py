"""The probability that one of several independent posteriors is the best one, computed rather than simulated."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.polynomial.legendre import leggauss, legint, legvander
from numpy.typing import NDArray

Array = NDArray[np.float64]

TAIL = 1e-11
"""The posterior mass that is cut off at either end."""
_N_NODES = 12
_NODES, _WEIGHTS = leggauss(_N_NODES)


class Posteriors(Protocol):
    """Independent posteriors, k of one family, on a scale t on which their densities are smooth."""

    growth: float
    """How fast panels may widen with the distance from a centre; 0 where all mass is a few dozen widths away."""
    centres: Array
    """Where each density has its peak, shape (k,)."""
    widths: Array
    """How wide each peak is, shape (k,)."""

    def ends(self) -> tuple[Array, Array]:
        """Return where each posterior begins and ends, all but a mass of TAIL at either side, shape (k,) each."""

    def densities(self, t: Array) -> Array:
        """Return the densities at t, shape (panels, nodes), as multiples of their peaks: shape (k, panels, nodes)."""

    def split(self, t: float) -> Array:
        """Return each posterior's mass below and above t, shape (2, k); a tiny one is not rounded to 0."""

    def only(self, chosen: NDArray[np.bool_]) -> Posteriors:
        """Return some of the posteriors, on the same scale."""


def _integration_matrix() -> Array:
    """Return S with S @ f(nodes) = the integral of f from -1 to each node, shape (nodes, nodes)."""
    degrees = np.arange(_N_NODES)[:, None]
    to_coefficients = (degrees + 0.5) * legvander(_NODES, _N_NODES - 1).T * _WEIGHTS
    return legvander(_NODES, _N_NODES) @ legint(np.eye(_N_NODES), lbnd=-1) @ to_coefficients


_UP_TO_NODE = _integration_matrix()


def integrals(posteriors: Posteriors, counts: Array) -> Array:
    """Return for each posterior the probability that it exceeds all others, shape (k,).

    `counts` says how often each posterior occurs. The probability is the integral of the posterior's density times the
    product of the others' cdf, taken by composite Gauss-Legendre quadrature with panels no wider than the narrowest
    posterior that they meet. The sum over all that occur misses 1 by the error that was made.
    """
    low, high = posteriors.ends()
    # Below `start` some posterior has no mass, so nothing there is best; what ends before it never is.
    start = float(low.max())
    rival = high > start
    rivals = posteriors.only(rival)
    half, t = _panels(_edges(start, high[rival], rivals))
    mass = rivals.densities(t) * half
    below, above = rivals.split(start)
    mass *= (above / (mass @ _WEIGHTS).sum(axis=1))[:, None, None]
    log_cdf = np.log(_cdf(mass, below))
    others = np.tensordot(counts[rival], log_cdf, axes=1) - log_cdf
    result = np.zeros_like(low)
    result[rival] = np.einsum("kpn,kpn,n->k", mass, np.exp(others), _WEIGHTS)
    return result


def _cdf(mass: Array, at_start: Array) -> Array:
    """Return the cdf at every node, shape (k, panels, nodes), by integrating the density itself.

    The family's own cdf is needed at the start alone, shape (k,), which makes 200 variants fast.
    """
    sums = np.cumsum(mass @ _WEIGHTS, axis=1)
    at_edges = at_start[:, None] + np.pad(sums[:, :-1], ((0, 0), (1, 0)))
    return np.maximum(at_edges[:, :, None] + mass @ _UP_TO_NODE.T, TAIL)


def _panels(edges: Array) -> tuple[Array, Array]:
    """Return half the width of each panel, shape (panels, 1), and the nodes in it, shape (panels, nodes)."""
    half = np.diff(edges)[:, None] / 2
    return half, edges[:-1, None] + half * (1 + _NODES)


def _edges(start: float, ends: Array, rivals: Posteriors) -> Array:
    """Return panel edges: each panel is as wide as the narrowest posterior that has not ended before it.

    Far from a posterior's centre its density is smooth over longer stretches, by the family's `growth`.
    """
    edges, last = [start], float(ends.max())
    while edges[-1] < last:
        widths = np.maximum(rivals.widths, rivals.growth * np.abs(edges[-1] - rivals.centres))
        edges.append(edges[-1] + float(widths[ends > edges[-1]].min()))
    return np.array(edges)
