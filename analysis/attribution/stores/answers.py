"""What was answered: each different answer by a code, with how many touches it has, and which touchpoint that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import Ints
from analysis.attribution.journeys import NO_CHANNEL, OTHERS, By, told_apart
from analysis.attribution.noted import Noted, Notes
from analysis.texts import Name


@dataclass(frozen=True, slots=True)
class Answer:
    """What a touch was of. `channel` is empty where none is named."""

    experiment_id: str
    variant: str
    channel: str

    def touchpoint(self, by: By) -> str:
        """Return what it is told apart by; an empty text where it names no channel.

        >>> Answer("home", "bold", "web").touchpoint(By.VARIANT)
        'home/bold'
        """
        match by:
            case By.CHANNEL:
                return self.channel
            case By.EXPERIMENT:
                return self.experiment_id
            case By.VARIANT:
                return f"{self.experiment_id}/{self.variant}"


@dataclass(frozen=True, slots=True, eq=False)
class Touchpoints:
    """The touchpoints that are told apart, the most touched first, and the one for all others last, if need be.

    `place` (n_codes,) is where each answer's is among the `names`. What is noted are touches without a touchpoint of
    their own.
    """

    names: tuple[Name, ...]
    place: Ints
    notes: Notes


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Different answers by their codes, in the order in which they came up, and how many touches each has.

    Memory grows with the different answers, not with the log.
    """

    codes: dict[Answer, int] = field(default_factory=dict)
    n_touches: Counter[int] = field(default_factory=Counter)

    def code(self, answer: Answer) -> int:
        """Return the code of an answer, a new one where it is new."""
        return self.codes.setdefault(answer, len(self.codes))

    def count(self, codes: Ints) -> None:
        """Count touches by their codes, (n,)."""
        found, n = np.unique(codes, return_counts=True)
        self.n_touches.update(dict(zip(found.tolist(), n.tolist(), strict=True)))

    def n_of(self, experiments: Collection[str]) -> int:
        """Return how many touches are of some experiments."""
        return sum(self.n_touches[code] for answer, code in self.codes.items() if answer.experiment_id in experiments)

    def touchpoints(self, by: By, channels: Collection[str] = ()) -> Touchpoints:
        """Return the touchpoints that are told apart; of equally many touches by name.

        Where `channels` are given, all others are among the others.
        """
        of = [_name(answer.touchpoint(by), channels if by is By.CHANNEL else ()) for answer in self.codes]
        n: Counter[Name] = Counter()
        for code, name in enumerate(of):
            n[name] += self.n_touches[code]
        ranked = sorted(n, key=lambda name: (-n[name], str(name)))
        apart = told_apart(ranked, np.array([n[name] for name in ranked], np.int64))
        place = dict(zip(ranked, apart.place.tolist(), strict=True))
        notes = {Noted.NO_CHANNEL: n[NO_CHANNEL], Noted.UNKNOWN: n[OTHERS], Noted(f"rare_{by.value}"): apart.n_rare}
        return Touchpoints(apart.names, np.array([place[name] for name in of], np.int64), +Notes(notes))


def _name(touchpoint: str, known: Collection[str]) -> Name:
    if not touchpoint:
        return NO_CHANNEL
    return OTHERS if known and touchpoint not in known else touchpoint
