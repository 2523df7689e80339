"""What the answers of a log are compared by: the names of variants, or places in the order of a request's candidates.

Candidates come and go, so that few of them are answered often enough to be told apart. What the log says of all of them
is where they stood in the order in which the product would have shown them, and the probability that each place had.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np

from analysis.arrays import Floats, Ints, distinct, places
from analysis.logs.patterns import Patterns, names_of, patterns
from analysis.logs.sources import LogSource
from analysis.texts import Name, count, text
from engine.columns import Coded, Columns
from engine.experiments import Experiment
from engine.randomness import ONE

N_PLACES = 5
"""The places that are told apart; those behind them are one."""

PLACES: tuple[Name, ...] = (
    *(text("place.nth", n=count(place)) for place in range(1, N_PLACES + 1)),
    text("place.later", n=count(N_PLACES + 1)),
)
"""What the places are called, in order."""


class Answers(Enum):
    """What one answer is made of: only where it is one declared variant does that compare with the others."""

    VARIANT = "variant"
    SLOTS = "slots"
    """Several variants at once, one in each slot."""
    CANDIDATES = "candidates"
    """Variants that the request brought along."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What rows got and were drawn from, by name; `variant` and `weight` are (n,).

    `weight` is what the logged distribution gives the row's variant, in units of 2**-32.
    """

    names: tuple[Name, ...]
    variant: Ints
    weight: Ints
    patterns: Patterns


def answers_of(definitions: Iterable[Experiment]) -> Answers:
    """Return what the answers were made of under any of some definitions."""
    each = list(definitions)
    if any(experiment.candidates is not None for experiment in each):
        return Answers.CANDIDATES
    return Answers.SLOTS if any(experiment.slots > 1 for experiment in each) else Answers.VARIANT


def by_name(raw: Columns, experiment: Experiment) -> Labels:
    """Return rows by the names of their variants: those declared now, and any other that somebody got."""
    got = (raw["variant"].words[code] for code in distinct(raw["variant"].codes))
    names = tuple(dict.fromkeys([*(variant.name for variant in experiment.variants), *got]))
    index = {name: place for place, name in enumerate(names)}
    variant = raw["variant"].looked_up([*(index.get(word, -1) for word in raw["variant"].words), -1])
    found = patterns(raw["eligible"], raw["distribution"], names)
    weight = np.rint(found.probabilities * ONE).astype(np.int64)[found.index, variant]
    return Labels(names, variant, weight, found)


def by_place(raw: Columns) -> Labels:
    """Return rows by the place of their variant among the eligible, in the request's order."""
    eligible, distribution = raw["eligible"], raw["distribution"]
    place = _places(eligible, raw["variant"])
    own = _own_weights(distribution, place)
    return Labels(PLACES, np.minimum(place, N_PLACES), own, patterns_by_place(eligible, distribution))


def patterns_by_place(eligible: Coded, distribution: Coded) -> Patterns:
    """Return the distributions of rows over the places of what was eligible."""
    found = [_over_places(packed) for packed in distribution.words]
    n_eligible = np.array([*(len(_names(listed)) for listed in eligible.words), -1])[eligible.codes]
    n_weights = np.array([*(len(packed) // 8 for packed in distribution.words), -1])[distribution.codes]
    probabilities = np.array([[0.0] * len(PLACES), *found])
    index = np.where((n_eligible == n_weights) & (n_weights > 0), distribution.codes + 1, 0)
    return Patterns(index, probabilities, probabilities.sum(axis=1) == 1)


def first_slots(source: LogSource, experiment_id: str, raw: Columns) -> Ints:
    """Return for each row the place of the one that fills the first slot of its answer, (n,), or its own."""
    named = source.columns("assignments", ("seq", "slot"), experiment_id)
    slot, unit = named["slot"][places(raw["seq"], named["seq"])], raw["unit_key"]
    goes_on = np.zeros(len(slot), np.bool_)
    # The slots of an answer are written one after the other.
    goes_on[1:] = (slot[1:] == slot[:-1] + 1) & (unit[1:] == unit[:-1])
    index = np.arange(len(slot))
    return np.maximum.accumulate(np.where(goes_on, 0, index))


def _places(eligible: Coded, variant: Coded) -> Ints:
    """Return the place of each row's variant among its eligible ones, (n,); the last one where it is not there."""
    pairs = zip(eligible.codes.tolist(), variant.codes.tolist(), strict=True)
    found = (_names(eligible.words[code]).get(variant.words[other], N_PLACES) for code, other in pairs)
    return np.fromiter(found, np.int64, len(eligible))


@lru_cache(maxsize=4096)
def _names(listed: str) -> dict[str, int]:
    return {name: place for place, name in enumerate(names_of(listed))}


def _own_weights(distribution: Coded, place: Ints) -> Ints:
    """Return the weight at each row's place, (n,), 0 where there is none."""
    starts = np.cumsum([0, *(len(packed) // 8 for packed in distribution.words)])
    weights = np.frombuffer(b"".join(packed[: len(packed) // 8 * 8] for packed in distribution.words) + bytes(8), "<i8")
    at = starts[distribution.codes] + place
    return np.where(at < starts[distribution.codes + 1], weights[np.minimum(at, len(weights) - 1)], 0)


def _over_places(packed: bytes) -> Floats:
    """Return packed weights as probabilities of the places, zeros where they are no distribution."""
    weights = np.frombuffer(packed[: len(packed) // 8 * 8], "<i8")
    found = np.zeros(len(PLACES))
    if len(packed) % 8 == 0 and weights.sum() == ONE and weights.min() >= 0:
        found[: min(len(weights), N_PLACES)] = weights[:N_PLACES] / ONE
        found[N_PLACES] = weights[N_PLACES:].sum() / ONE
    return found
