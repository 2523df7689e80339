"""What the made-up worlds share: a chance for each visit and variant, of which everything else follows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.records import Candidate, Context
from simulators import made_up
from simulators.deeds import Deed, Wait, deeds_of
from simulators.environment import Happening, Visit
from simulators.made_up import share
from simulators.traffic import crowd
from simulators.worlds.encoding import Columns
from simulators.worlds.offers import Stock
from simulators.worth import Event, Worth

Floats = NDArray[np.float64]

_CONSENTS = 0.9
_LUCKS = 3
"""Of each outcome: whether, when and how much."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When outcomes come, in shares of their window: after `hold`, and then exponentially with this mean.

    Scores are the higher the higher the `lift`.
    """

    hold: float = 0.0
    mean: float = 0.05
    lift: float = 1.0

    def wait(self, deed: Deed) -> Wait:
        """Return when a deed comes after its visit."""
        return Wait(deed.after + self.hold * deed.span, self.mean * deed.span)


QUICK = Pace()
"""A twentieth of the window on average."""


Group = tuple[Pace, NDArray[np.intp]]
"""A pace, and the places of the variants whose outcomes come at it: in most worlds all of them."""


class Scene:
    """An experiment as a world knows it."""

    def __init__(self, experiment: Experiment, amounts: Mapping[str, float]) -> None:
        self.experiment = experiment
        self.variants = experiment.variants
        self.places = {variant.name: place for place, variant in enumerate(experiment.variants)}
        self.deeds = tuple(deeds_of(experiment, amounts).values())
        self.columns = Columns(field for field in experiment.context if field.name != experiment.requires_consent)
        self.stock = Stock(experiment)
        self.has_scores = any(deed.is_score for deed in self.deeds)
        self.groups: Sequence[Group] = ()
        """Those of the variants, once they are known."""
        self._worths: dict[Pace, Worth] = {}

    def reward(self, pace: Pace, chances: Floats) -> Floats:
        """Return the expected rewards (k,) of variants with these chances whose outcomes come at this pace."""
        worth = self._worths.get(pace)
        if worth is None:
            events = [Event((deed,), (pace.wait(deed),), pace.lift) for deed in self.deeds]
            worth = self._worths[pace] = Worth(self.experiment, events)
        return worth.of([1.0 - chances if deed.is_cost else chances for deed in self.deeds])


class ByChance(ABC):
    """A world that gives every visit and variant a chance: each outcome happens with it, independently of the others.

    What is better lower, or is a cost in the reward, happens with 1 - chance. An outcome comes after a twentieth of its
    window on average, and all are told; scores are higher for some variants. Every visit is another customer. Of the
    context the world shows `fields`; any other field is made up, the same for the same name and customer. Another
    `draw` makes other coefficients: another world of its kind.
    """

    name: ClassVar[str]
    fields: tuple[ContextField, ...] = ()
    """What its visits show under these names, each in [0, 1)."""
    amounts: ClassVar[Mapping[str, float]] = {}
    """The mean amounts of outcomes of these names; that of any other follows from its cap."""

    def __init__(self, draw: int = 0) -> None:
        self._draw = str(draw) if draw else ""
        self._scenes: dict[int, Scene] = {}
        self._latest_context: tuple[Visit, str, Context] | None = None
        self._latest_chances: tuple[Visit, str, Floats] | None = None

    @abstractmethod
    def chances(self, scene: Scene, visit: Visit, variants: Sequence[Variant]) -> Floats:
        """Return the chance (k,) of each variant for a visit."""

    def pace(self, scene: Scene, variant: Variant) -> Pace:  # noqa: ARG002 (for worlds in which it matters)
        """Return when the outcomes of a variant come, but for scores."""
        return QUICK

    def visits(self, n_customers: int, start: datetime, span: timedelta, rng: Generator) -> list[Visit]:
        """Return one visit a customer, evenly spread, in the order of time."""
        times: list[float] = np.sort(rng.random(n_customers)).tolist()
        contexts = self._contexts(n_customers, rng)
        those = crowd(rng)
        return [
            Visit(f"{those}-{number}", start + at * span, *shown)
            for number, (at, shown) in enumerate(zip(times, contexts, strict=True), 1)
        ]

    def _contexts(self, n: int, rng: Generator) -> Iterable[tuple[Context, Mapping[str, int]]]:
        """Return what n visits show and hide."""
        names, nothing = [field.name for field in self.fields], dict[str, int]()
        return [(dict(zip(names, row, strict=True)), nothing) for row in rng.random((n, len(names))).tolist()]

    def context(self, experiment: Experiment, visit: Visit) -> Context:
        """Return the declared fields; one that the world does not know is made up."""
        # Asked for twice: for the request, and for what the visit's variants are worth.
        latest = self._latest_context
        if latest is None or latest[0] is not visit or latest[1] != experiment.experiment_id:
            context = self._context(experiment, visit)
            self._latest_context = latest = visit, experiment.experiment_id, context
        return latest[2]

    def _context(self, experiment: Experiment, visit: Visit) -> Context:
        found = {}
        for field in experiment.context:
            value = made_up.known(field, visit.context)
            found[field.name] = made_up.value(field, visit.unit_id) if value is None else value
        if experiment.requires_consent:
            found[experiment.requires_consent] = share("consent", visit.unit_id) < _CONSENTS
        return found

    def demand(self, experiments: Sequence[Experiment], visit: Visit, rng: Generator) -> Sequence[Happening]:  # noqa: ARG002
        """Return nothing, but in worlds in which something happens by itself."""
        return ()

    def candidates(self, experiment: Experiment, visit: Visit, rng: Generator) -> Sequence[Candidate]:
        """Return what a visit's request brings along."""
        return self.scene(experiment).stock.offered(visit, rng)

    def outcomes(self, experiment: Experiment, visit: Visit, variant: Variant, rng: Generator) -> Sequence[Happening]:
        """Return what comes of a variant, all of which is told, be it too late."""
        scene = self.scene(experiment)
        lucks: list[float] = rng.random(_LUCKS * len(scene.deeds)).tolist()
        chance, pace, told = self._chance(scene, visit, variant), self._pace(scene, variant), []
        for place, deed in enumerate(scene.deeds):
            happens, wait, size = lucks[_LUCKS * place : _LUCKS * (place + 1)]
            if happens < (1.0 - chance if deed.is_cost else chance):
                at = visit.at + pace.wait(deed).at(wait)
                told.append(Happening(deed.outcome, deed.value(size, pace.lift), at, of_unit=False))
        return told

    def expected_rewards(
        self, experiment: Experiment, visit: Visit, candidates: Sequence[Candidate] = ()
    ) -> Mapping[str, float]:
        """Return the expected reward of each variant, or of each candidate that was brought, for this visit."""
        scene = self.scene(experiment)
        if not candidates:
            return self._rewards(scene, scene.variants, self._declared(scene, visit))
        variants = list(map(Variant.of, candidates))
        return self._rewards(scene, variants, self.chances(scene, visit, variants))

    def scene(self, experiment: Experiment) -> Scene:
        """Return the experiment as this world knows it."""
        # By identity: two definitions of one experiment are two. The scene holds it, so its id is nobody else's.
        found = self._scenes.get(id(experiment))
        if found is None:
            found = self._scenes[id(experiment)] = Scene(experiment, self.amounts)
        return found

    def share(self, *parts: str) -> float:
        """Return a number in [0, 1) that the same words always make in this world."""
        return share(self.name, self._draw, *parts)

    def _rewards(self, scene: Scene, variants: Sequence[Variant], chances: Floats) -> Mapping[str, float]:
        declared = variants is scene.variants
        groups = scene.groups if declared else self._groups(scene, variants)
        if not groups:
            groups = scene.groups = self._groups(scene, variants)
        names = scene.places if declared else [variant.name for variant in variants]
        return dict(zip(names, _by_group(scene, groups, chances).tolist(), strict=True))

    def _groups(self, scene: Scene, variants: Sequence[Variant]) -> Sequence[Group]:
        """Return the paces of variants, each with the places of those that go at it."""
        paces = [self._pace(scene, variant) for variant in variants]
        return [(pace, np.flatnonzero([each == pace for each in paces])) for pace in dict.fromkeys(paces)]

    def _pace(self, scene: Scene, variant: Variant) -> Pace:
        pace = self.pace(scene, variant)
        return replace(pace, lift=0.5 + self.share("lift", variant.name)) if scene.has_scores else pace

    def _declared(self, scene: Scene, visit: Visit) -> Floats:
        """Return the chances of the declared variants, which are asked for twice: before an answer and after it."""
        latest = self._latest_chances
        if latest is None or latest[0] is not visit or latest[1] != scene.experiment.experiment_id:
            chances = self.chances(scene, visit, scene.variants)
            self._latest_chances = latest = visit, scene.experiment.experiment_id, chances
        return latest[2]

    def _chance(self, scene: Scene, visit: Visit, variant: Variant) -> float:
        place = scene.places.get(variant.name)
        if place is None:
            return float(self.chances(scene, visit, (variant,))[0])
        return float(self._declared(scene, visit)[place])


def _by_group(scene: Scene, groups: Sequence[Group], chances: Floats) -> Floats:
    """Return the expected rewards (k,) of variants with these chances (k,)."""
    if len(groups) == 1:
        return scene.reward(groups[0][0], chances)
    rewards = np.empty(len(chances))
    for pace, places in groups:
        rewards[places] = scene.reward(pace, chances[places])
    return rewards


def numbers(n: int) -> tuple[ContextField, ...]:
    """Return n fields of numbers, x1 and so on.

    >>> [field.name for field in numbers(2)]
    ['x1', 'x2']
    """
    return tuple(ContextField(f"x{place}", FieldType.NUMBER) for place in range(1, n + 1))
