"""Worlds in which what is best depends on the visit: a line in the context for each variant, and shapes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from engine.experiments import Variant
from simulators.environment import Visit
from simulators.worlds.by_chance import ByChance, Floats, Pace, Scene, numbers
from simulators.worlds.encoding import MISSING

_LONG = Pace(mean=0.5)
_LEAST, _MOST = 0.01, 0.99


class Linear(ByChance):
    """The chance is linear in the declared context, with coefficients for each variant.

    Visits show numbers x1, x2 and so on, evenly in [0, 1). Half way all chances are 0.3 to 0.5, and such numbers move
    them by a tenth (one standard deviation), flags and texts by more; what would leave 0.01 to 0.99 is cut.
    """

    name: ClassVar[str] = "linear"
    _lowest, _highest = 0.3, 0.5
    _size = 0.35
    """The Euclidean length of a variant's coefficients; an even number in [0, 1) has the deviation 0.29."""

    def __init__(self, draw: int = 0, n_fields: int = 5) -> None:
        super().__init__(draw)
        self.fields = numbers(n_fields)
        self._declared_lines: dict[int, tuple[Scene, Floats]] = {}
        self._lines: dict[tuple[int, str], Floats] = {}

    def chances(self, scene: Scene, visit: Visit, variants: Sequence[Variant]) -> Floats:
        """Return the chances (k,): each variant's intercept, and its coefficients times the context."""
        seen = np.array((1.0, *scene.columns.of(self.context(scene.experiment, visit))))
        return self._shaped(self._all_lines(scene, variants) @ seen)

    def _shaped(self, predictor: Floats) -> Floats:
        return np.minimum(np.maximum(predictor, _LEAST), _MOST)

    def _all_lines(self, scene: Scene, variants: Sequence[Variant]) -> Floats:
        """Return the lines (k, 1 + d) of variants; those of the declared ones are made once."""
        if variants is not scene.variants:
            return np.array([self._line(scene, variant.name) for variant in variants])
        if id(scene) not in self._declared_lines:
            lines = np.array([self._line(scene, variant.name) for variant in variants])
            self._declared_lines[id(scene)] = scene, lines
        return self._declared_lines[id(scene)][1]

    def _line(self, scene: Scene, variant: str) -> Floats:
        """Return the intercept and coefficients (1 + d,) of a variant, such that they count from half way."""
        key = id(scene), variant
        if key not in self._lines:
            slopes = unit_vector([self.share(variant, name) - 0.5 for name in scene.columns.names]) * self._size
            intercept = self._lowest + (self._highest - self._lowest) * self.share(variant)
            self._lines[key] = np.concatenate(([intercept - MISSING * slopes.sum()], slopes))
        return self._lines[key]


class Logistic(Linear):
    """The log-odds of the chance are linear in the declared context: most chances are small, and a few large."""

    name = "logistic"
    _lowest, _highest = -2.5, -1.5
    _size = 4.0

    def _shaped(self, predictor: Floats) -> Floats:
        return 1.0 / (1.0 + np.exp(-predictor))


class Sparse(Linear):
    """The log of the chance is linear in the declared context, and the chance is about 1 in 500."""

    name = "sparse"
    _lowest, _highest = float(np.log(0.0012)), float(np.log(0.0024))
    _size = 2.0

    def _shaped(self, predictor: Floats) -> Floats:
        return np.minimum(np.exp(predictor), _MOST)


class Delayed(Linear):
    """The linear world with long waits: half of a window on average, so that one in seven comes too late to count."""

    name = "delayed"

    def pace(self, scene: Scene, variant: Variant) -> Pace:  # noqa: ARG002 (the same for all)
        """Return when outcomes come."""
        return _LONG


def unit_vector(values: Sequence[float]) -> NDArray[np.float64]:
    """Return the values (d,) with a Euclidean length of 1; an empty one stays empty."""
    vector = np.array(values, np.float64)
    return vector / np.sqrt((vector**2).sum()) if len(vector) else vector
