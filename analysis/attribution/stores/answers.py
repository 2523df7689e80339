"""What was answered: each different answer by a code, with how many touches it has, and which touchpoint that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import Ints
from analysis.attribution.journeys import MAX_TOUCHPOINTS, NO_CHANNEL, OTHERS, By
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
    """The touchpoints that are told apart, the most touched first, and the one for all `others` last, if need be.

    `place` (n_codes,) is where each answer's is among the `names`. `n_unnamed` touches name no channel, and `n_others`
    are of the others.
    """

    names: tuple[Name, ...]
    place: Ints
    n_unnamed: int
    n_others: int


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

    def touchpoints(self, by: By) -> Touchpoints:
        """Return the touchpoints that are told apart; of equally many touches by name."""
        wanted = [answer.touchpoint(by) for answer in self.codes]
        n: Counter[str] = Counter()
        for code, name in enumerate(wanted):
            n[name] += self.n_touches[code]
        ranked = sorted(n, key=lambda name: (-n[name], name))
        rank = {name: min(place, MAX_TOUCHPOINTS) for place, name in enumerate(ranked)}
        return Touchpoints(
            _names(ranked),
            np.array([rank[name] for name in wanted], np.int64),
            n[""],
            sum(n[name] for name in ranked[MAX_TOUCHPOINTS:]),
        )


def _names(ranked: Sequence[str]) -> tuple[Name, ...]:
    names = tuple(name or NO_CHANNEL for name in ranked[:MAX_TOUCHPOINTS])
    return (*names, OTHERS) if len(ranked) > MAX_TOUCHPOINTS else names
