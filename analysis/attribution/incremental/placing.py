"""Which units did something, and on which side of the population's holdout they are: of all, also of those held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import LARGEST, Flags, Floats, Ints, distinct
from analysis.document import Count
from analysis.texts import text
from engine.admission import Gate
from engine.clock import to_micros
from engine.columns import Coded
from engine.ports import Reader
from engine.randomness import ONE
from engine.records import Outcome, Reason, Unit
from engine.skimming import Wanted

_PAGE = 10_000
_GIVEN = (Reason.FORCED.value, Reason.QA.value)


@dataclass(frozen=True, slots=True, eq=False)
class Doers:
    """Units that did something: keys (u,), which are held out (u,), and their conversions and value (u, 2).

    `held_out` is the share of all units that are. `by_answer` (2,) is what outcomes came to that name an assignment:
    those of held-out units cannot be told from them. `n_in` units that are in were answered.
    """

    unit: Ints
    is_out: Flags
    did: Floats
    held_out: float
    by_answer: Floats
    n_in: int


@dataclass(slots=True)
class Placed:
    """Gathers the outcomes of a name by unit, and places each unit by its plain id."""

    gate: Gate
    unit_type: str
    since: int
    by_unit: dict[int, list[float]] = field(default_factory=dict)
    held_out: set[int] = field(default_factory=set)
    by_answer: list[float] = field(default_factory=lambda: [0.0, 0.0])
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Take in an outcome that stands."""
        reason = self._why_not(outcome)
        if reason:
            self.reasons[reason] += 1
        if outcome.unit is None and reason == "by_answer":
            self.by_answer[0] += outcome.value >= 0
            self.by_answer[1] += abs(outcome.value)
        if outcome.unit is not None and not reason:
            did = self._did(outcome.unit_key, outcome.unit)
            did[0] += outcome.value >= 0
            did[1] += outcome.value

    def _why_not(self, outcome: Outcome) -> str:
        if to_micros(outcome.occurred_at) < self.since:
            return "before"
        if not abs(outcome.value) <= LARGEST:
            return "values"
        if outcome.unit is None:
            return "by_answer"
        if outcome.unit.type != self.unit_type:
            return "others"
        return "" if outcome.unit.id else "forgotten"

    def _did(self, key: int, unit: Unit) -> list[float]:
        if key not in self.by_unit:
            self.by_unit[key] = [0.0, 0.0]
            if not self.gate.passes(unit, None):
                self.held_out.add(key)
        return self.by_unit[key]

    def doers(self, n_in: int) -> Doers:
        """Return the units that did something, beside so many that are in and were answered."""
        return Doers(
            np.array([*self.by_unit], np.int64),
            np.array([key in self.held_out for key in self.by_unit], np.bool_),
            np.array([*self.by_unit.values()], np.float64).reshape(-1, 2),
            self.gate.start / ONE,
            np.array(self.by_answer),
            n_in,
        )

    @property
    def left_out(self) -> tuple[Count, ...]:
        """Which outcomes are not counted, by reason."""
        return tuple(Count(n, text(f"attribution.lifts.whole_{reason}")) for reason, n in sorted(self.reasons.items()))


def outcomes(reader: Reader, name: str) -> Iterator[Outcome]:
    """Yield the outcomes of a name that stand, in the order of the log."""
    wanted, voided = Wanted(frozenset(), frozenset([name]), exposures=False), set(reader.voided().tolist())
    after = 0
    while page := reader.skim(wanted, after, _PAGE):
        for each in page:
            if isinstance(each, Outcome) and each.metric == name and not each.void_of and each.seq not in voided:
                yield each
        after = page[-1].seq


def n_answered(reader: Reader, of: tuple[str, ...], since: int) -> int:
    """Return how many units passed the holdout and were answered; what is forced or tested passes nothing."""
    units = [_answered(reader, experiment_id, since) for experiment_id in of]
    return len(distinct(np.concatenate(units)))


def _answered(reader: Reader, experiment_id: str, since: int) -> Ints:
    found = reader.columns("assignments", ("unit_key", "assigned_at", "reason"), experiment_id)
    reason: Coded = found["reason"]
    given = [code for code, word in enumerate(reason.words) if word in _GIVEN]
    passed = ~np.isin(reason.codes, given) & (found["assigned_at"] >= since) & (found["unit_key"] > 0)
    units: Ints = distinct(found["unit_key"][passed])
    return units
