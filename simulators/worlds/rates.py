"""Worlds in which the visit does not matter: a rate for each variant, for ever or for a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from engine.experiments import Variant
from simulators.environment import Visit
from simulators.worlds.by_chance import ByChance, Floats, Pace, Scene, numbers

_STRETCH = "stretch"
_LATE = Pace(hold=0.6, mean=1.0)
_QUICKLY = Pace(mean=0.02)


class Bernoulli(ByChance):
    """Each variant has a rate, the same for all visits, which show nothing.

    `rates` are those of the declared variants by place; a variant beyond them has 0.05 to 0.25, made up by its name.
    """

    name: ClassVar[str] = "bernoulli"

    def __init__(self, rates: Sequence[float] = (), draw: int = 0) -> None:
        super().__init__(draw)
        self._rates = tuple(rates)
        self._known: dict[int, Floats] = {}

    def chances(self, scene: Scene, visit: Visit, variants: Sequence[Variant]) -> Floats:  # noqa: ARG002 (all alike)
        """Return the rates (k,)."""
        if variants is not scene.variants:
            return self._rates_of(scene, variants)
        if id(scene) not in self._known:
            self._known[id(scene)] = self._rates_of(scene, variants)
        return self._known[id(scene)]

    def _rates_of(self, scene: Scene, variants: Sequence[Variant]) -> Floats:
        return np.array([self._rate(scene, variant) for variant in variants])

    def _rate(self, scene: Scene, variant: Variant) -> float:
        place = scene.places.get(variant.name, len(self._rates))
        return self._rates[place] if place < len(self._rates) else 0.05 + 0.2 * self.share(variant.name)


class Indifferent(Bernoulli):
    """Visits show numbers x1, x2 and so on, and none of them matters."""

    name = "indifferent"

    def __init__(self, rates: Sequence[float] = (), draw: int = 0, n_fields: int = 5) -> None:
        super().__init__(rates, draw)
        self.fields = numbers(n_fields)


class Drifting(Bernoulli):
    """The rates change places at even times: each time the best variant becomes the one before it in the file.

    `rates` are those of the first stretch; else they are evenly spaced from 0.1 to 0.3, the last variant's the best.
    There are `n_stretches` within the time of the visits.
    """

    name = "drifting"

    def __init__(self, rates: Sequence[float] = (), draw: int = 0, n_stretches: int = 3) -> None:
        super().__init__(rates, draw)
        self.n_stretches = n_stretches
        self._rolled: dict[tuple[int, int], Floats] = {}

    def visits(self, n_customers: int, start: datetime, span: timedelta, rng: Generator) -> list[Visit]:
        """Return one visit a customer; each has hidden in which stretch it falls."""
        stretches = [{_STRETCH: place} for place in range(self.n_stretches)]
        return [
            Visit(visit.unit_id, visit.at, visit.context, stretches[(visit.at - start) * self.n_stretches // span])
            for visit in super().visits(n_customers, start, span, rng)
        ]

    def chances(self, scene: Scene, visit: Visit, variants: Sequence[Variant]) -> Floats:
        """Return the rates (k,) of the visit's stretch."""
        if variants is not scene.variants:
            return super().chances(scene, visit, variants)
        key = id(scene), visit.hidden.get(_STRETCH, 0)
        if key not in self._rolled:
            rates = super().chances(scene, visit, variants) if self._rates else np.linspace(0.1, 0.3, len(variants))
            self._rolled[key] = np.roll(rates, -key[1])
        return self._rolled[key]


class LateLoser(Bernoulli):
    """The control converts soon, at a rate of 0.1; every other variant twice as often, but two of three times too late.

    Within the window a new variant brings 0.066. So whoever counts what arrives, whenever it does, takes the loser.
    """

    name = "late-loser"

    def _rate(self, scene: Scene, variant: Variant) -> float:
        return 0.1 if variant.name == scene.experiment.control else 0.2

    def pace(self, scene: Scene, variant: Variant) -> Pace:
        """Return when a variant's outcomes come."""
        return _QUICKLY if variant.name == scene.experiment.control else _LATE
