"""Articles: a world whose requests bring candidates, and whether one is liked depends on who reads and what it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from engine.experiments import ContextField, Experiment, Variant
from simulators.environment import Visit
from simulators.worlds.by_chance import ByChance, Floats, Scene, numbers
from simulators.worlds.encoding import MISSING, Columns
from simulators.worlds.linear import unit_vector

_BASE = 0.4
_LEAST, _MOST = 0.01, 0.99
_OWN = 0.2
"""How much an article's own features matter: the length of their coefficients."""

_SHARED = 1.0
"""How much products of the context and an article's features matter."""


class Articles(ByChance):
    """The chance is linear in the features of a candidate and in their products with the context.

    Visits show numbers x1, x2 and so on. Ten articles come with each request, of a stock of 30 that is renewed in 15
    days; their features are what the experiment declares of candidates, made up by their names. Whatever has no
    features, such as the declared variants, has a chance of 0.4.
    """

    name: ClassVar[str] = "articles"

    def __init__(self, draw: int = 0, n_fields: int = 4) -> None:
        super().__init__(draw)
        self.fields = numbers(n_fields)
        self._tastes: dict[int, _Taste] = {}

    def chances(self, scene: Scene, visit: Visit, variants: Sequence[Variant]) -> Floats:
        """Return the chances (k,)."""
        taste = self._taste(scene)
        seen = np.array(scene.columns.of(self.context(scene.experiment, visit))) - MISSING
        features = np.array([taste.columns.of(variant.features) for variant in variants]) - MISSING
        liked = features @ (taste.own + taste.shared.T @ seen)
        return np.minimum(np.maximum(_BASE + liked, _LEAST), _MOST)

    def _taste(self, scene: Scene) -> _Taste:
        if id(scene) not in self._tastes:
            self._tastes[id(scene)] = self._made(scene)
        return self._tastes[id(scene)]

    def _made(self, scene: Scene) -> _Taste:
        columns = Columns(features_of(scene.experiment))
        n, d = len(scene.columns.names), len(columns.names)
        own = unit_vector([self.share(name) - 0.5 for name in columns.names]) * _OWN
        pairs = [self.share(seen, name) - 0.5 for seen in scene.columns.names for name in columns.names]
        return _Taste(scene, columns, own, (unit_vector(pairs) * _SHARED).reshape(n, d))


class _Taste:
    """The coefficients of an experiment: own (d,) of features, and shared (n, d) of context and features."""

    def __init__(self, scene: Scene, columns: Columns, own: Floats, shared: Floats) -> None:
        self.scene = scene  # Held, so that its id is nobody else's.
        self.columns = columns
        self.own = own
        self.shared = shared


def features_of(experiment: Experiment) -> tuple[ContextField, ...]:
    """Return the declared features of candidates; nothing where the experiment takes none."""
    return experiment.candidates or ()
