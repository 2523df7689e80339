"""What showing something brings on top, in expectation: arithmetic from the rates of the world of channels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from simulators.worlds.demand import CHANNELS, INTENTS


@dataclass(frozen=True, slots=True)
class Shown:
    """A variant of an experiment in a channel, which a `share` of the visits there gets.

    `lift` is how much likelier a purchase becomes by it than by the control. A blank one is no touch.
    """

    experiment: str
    channel: str
    variant: str
    share: float
    lift: float
    is_blank: bool


@dataclass(frozen=True, slots=True)
class Increment:
    """What comes on top of what the control would bring, per customer who comes by, with or without a draw.

    `units` is the share of customers who are in, and `touches` how many touches a customer has on average: each answer
    that shows something is one.
    """

    purchases: float
    value: float
    units: float
    touches: float

    @property
    def per_unit(self) -> float:
        """Purchases on top, of a customer who is in."""
        return self.purchases / self.units

    @property
    def per_touch(self) -> float:
        """Purchases on top, of a touch."""
        return self.purchases / self.touches


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of some experiments by channel, by experiment, and by variant that shows something.

    Variants are called "experiment/variant"; the units of one are those of its experiment. `demand` are the purchases
    per customer that nothing shown caused, and what the controls show counts as nothing; `demand_value` their value.
    """

    by_channel: Mapping[str, Increment]
    by_experiment: Mapping[str, Increment]
    by_variant: Mapping[str, Increment]
    demand: float
    demand_value: float


def truth(shown: Sequence[Shown], mean_value: float, demand: float) -> Truth:
    """Return what is true where this is shown, each purchase brings `mean_value`, and there is this demand anyway."""
    keys = (
        [each.channel for each in shown],
        [each.experiment for each in shown],
        [f"{each.experiment}/{each.variant}" for each in shown],
    )
    by_channel, by_experiment, by_variant = (_increments(shown, key, mean_value) for key in keys)
    seen = {name: found for name, found in by_variant.items() if found.touches}
    return Truth(by_channel, by_experiment, seen, demand, demand * mean_value)


def visits(channel: str) -> float:
    """Return how many visits a customer makes through a channel on average."""
    place = CHANNELS.index(channel)
    return float(sum(intent.share * intent.visits[place] for intent in INTENTS))


def meets(channels: Collection[str]) -> float:
    """Return the share of customers who come by through any of some channels."""
    return sum(intent.share * intent.meets(channels) for intent in INTENTS)


def direct_demand() -> float:
    """Return how many purchases a customer makes anyway, on average."""
    return float(sum(intent.share * (intent.buys @ intent.visits) for intent in INTENTS))


def _increments(shown: Sequence[Shown], keys: Sequence[str], mean_value: float) -> Mapping[str, Increment]:
    together: dict[str, list[Shown]] = {}
    for key, each in zip(keys, shown, strict=True):
        together.setdefault(key, []).append(each)
    return {key: _increment(those, mean_value) for key, those in together.items()}


def _increment(shown: Sequence[Shown], mean_value: float) -> Increment:
    purchases = sum(visits(each.channel) * each.share * each.lift for each in shown)
    touches = sum(visits(each.channel) * each.share for each in shown if not each.is_blank)
    return Increment(purchases, purchases * mean_value, meets({each.channel for each in shown}), touches)
