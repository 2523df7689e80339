"""Channels: customers whom several channels reach, and who buy because of what they are shown, or anyway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from engine.experiments import Experiment, Variant
from engine.records import Context
from simulators.deeds import Deed, Wait
from simulators.environment import Happening, Visit
from simulators.traffic import crowd
from simulators.worlds.by_chance import ByChance, Floats, Pace, Scene
from simulators.worlds.demand import CHANNELS, DIRECT, INTENTS, intents
from simulators.worlds.increments import Shown, Truth, direct_demand, truth

PURCHASE = "purchase"
"""The outcome that is told of the customer, whatever brought it about."""

EUROS = 60.0
"""What a purchase brings on average, exponentially."""

CAUSES: Mapping[str, float] = {
    "email": 0.08,
    "search": 0.05,
    "retargeting": 0.002,
    "social": 0.06,
    "display": 0.03,
    DIRECT: 0.03,
}
"""With which probability a visit buys because it was shown something, by channel; what is blank causes nothing."""

STRENGTHS: Mapping[str, float] = {
    "letter": 1.0,
    "coupon": 0.5,
    "ad": 1.0,
    "reminder": 1.0,
    "story": 0.3,
    "video": 1.0,
    "still": 0.4,
    "moving": 1.0,
}
"""What a variant multiplies that by; any other has 0.6 to 1.4, made up by its name."""

_INTENT = "intent"
_STRETCH = 0.4
_WANTS = Wait(timedelta(0), timedelta(hours=12))


class Channels(ByChance):
    """A world in which much is bought that nothing shown caused, most of it by those who meet the most touches.

    A customer has a hidden intent (`demand.py`), on which the channels of the visits depend and how much is bought
    anyway. Visits fall into two fifths of the time; they show their `channel` and whether the customer is a `member`,
    which gives away a little of the intent. What is shown causes a purchase with a probability by channel and variant,
    whatever else is shown or bought; it comes after 2 to 10 % of its window on average, and what is bought anyway
    within hours. Purchases are told of the customer, other outcomes of the assignment.
    """

    name = "channels"
    amounts: ClassVar[Mapping[str, float]] = {PURCHASE: EUROS}

    def __init__(self, draw: int = 0) -> None:
        super().__init__(draw)
        self._known: dict[tuple[int, str], Floats] = {}
        self._paces: dict[str, Pace] = {}

    def visits(self, n_customers: int, start: datetime, span: timedelta, rng: Generator) -> list[Visit]:
        """Return the visits of a number of customers in the order of time: one to many each."""
        those = crowd(rng)
        found = [
            visit
            for number, intent in enumerate(intents(n_customers, rng), 1)
            for visit in _visits_of(f"{those}-{number}", intent, start, span, rng)
        ]
        return sorted(found, key=lambda visit: (visit.at, visit.unit_id))

    def chances(self, scene: Scene, visit: Visit, variants: Sequence[Variant]) -> Floats:
        """Return the probabilities (k,) that variants cause what an experiment is about, in the visit's channel."""
        channel = str(visit.context["channel"])
        if variants is not scene.variants:
            return self._chances(channel, variants)
        key = id(scene), channel
        if key not in self._known:
            self._known[key] = self._chances(channel, variants)
        return self._known[key]

    def pace(self, scene: Scene, variant: Variant) -> Pace:  # noqa: ARG002 (it is the variant's alone)
        """Return when what a variant causes comes."""
        if variant.name not in self._paces:
            self._paces[variant.name] = Pace(mean=0.02 + 0.08 * self.share("pace", variant.name))
        return self._paces[variant.name]

    def outcomes(self, experiment: Experiment, visit: Visit, variant: Variant, rng: Generator) -> Sequence[Happening]:
        """Return what a variant causes."""
        caused = super().outcomes(experiment, visit, variant, rng)
        return [replace(each, of_unit=True) if each.metric == PURCHASE else each for each in caused]

    def demand(self, experiments: Sequence[Experiment], visit: Visit, rng: Generator) -> Sequence[Happening]:
        """Return the purchase that a visit brings anyway, if it does."""
        happens, wait, size = rng.random(3).tolist()
        if happens >= _buys(visit):
            return ()
        return [
            Happening(PURCHASE, deed.value(size, 1.0), visit.at + _WANTS.at(wait), of_unit=True)
            for deed in self._purchases(experiments)[:1]
        ]

    def truth(
        self, experiments: Sequence[Experiment], shares: Mapping[str, Mapping[str, float]] | None = None
    ) -> Truth:
        """Return what each experiment brings on top of its control, in the channel of its brief.

        `shares` are those of the variants in the log by experiment, where they are not the ones that are declared: of a
        policy that learns, they are known afterwards.
        """
        told = {each.experiment_id: _declared(each) for each in experiments} | dict(shares or {})
        shown = [row for each in experiments for row in self._shown(each, told[each.experiment_id])]
        return truth(shown, EUROS, direct_demand())

    def _shown(self, experiment: Experiment, shares: Mapping[str, float]) -> Iterator[Shown]:
        channel, where = experiment.brief.channel, experiment.experiment_id
        without = self._chance_of(channel, experiment.variant(experiment.control))
        for variant in experiment.variants:
            lift = self._chance_of(channel, variant) - without
            yield Shown(where, channel, variant.name, shares[variant.name], lift, variant.is_blank)

    def _chances(self, channel: str, variants: Sequence[Variant]) -> Floats:
        return np.array([self._chance_of(channel, variant) for variant in variants])

    def _chance_of(self, channel: str, variant: Variant) -> float:
        if variant.is_blank:
            return 0.0
        made_up = 0.6 + 0.8 * self.share("strength", variant.name)
        return CAUSES[channel] * STRENGTHS.get(variant.name, made_up)

    def _purchases(self, experiments: Sequence[Experiment]) -> Sequence[Deed]:
        """Return the purchases as experiments declare them, those first that say what their value is."""
        deeds = [deed for each in experiments for deed in self.scene(each).deeds if deed.outcome == PURCHASE]
        return sorted(deeds, key=lambda deed: deed.reader is None)


def _buys(visit: Visit) -> float:
    return float(INTENTS[visit.hidden[_INTENT]].buys[CHANNELS.index(str(visit.context["channel"]))])


def _visits_of(unit_id: str, intent: int, start: datetime, span: timedelta, rng: Generator) -> Iterator[Visit]:
    met = INTENTS[intent].journey(rng)
    begins, member = rng.random(2).tolist()
    times: list[float] = np.sort(rng.random(len(met))).tolist()
    for place, at in zip(met, times, strict=True):
        context: Context = {"channel": CHANNELS[place], "member": member < INTENTS[intent].members}
        yield Visit(unit_id, start + (begins * (1 - _STRETCH) + at * _STRETCH) * span, context, {_INTENT: intent})


def _declared(experiment: Experiment) -> Mapping[str, float]:
    """Return the shares of variants that an experiment declares, with even ones where its policy chooses."""
    weights = getattr(experiment.policy, "weights", {}) or {variant.name: 1.0 for variant in experiment.variants}
    total, kept = sum(weights.values()), experiment.policy.control_share
    return {name: (1 - kept) * weight / total + kept * (name == experiment.control) for name, weight in weights.items()}
