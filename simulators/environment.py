"""What a simulated world is asked: who comes by, what comes of an answer or anyway, and what it is worth on average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from numpy.random import Generator

from engine.experiments import Experiment, Variant
from engine.records import Candidate, Context


@dataclass(frozen=True, slots=True)
class Visit:
    """A unit comes by. `context` is all that the world shows of it; an experiment sees what it declares.

    `hidden` is what the world alone knows.
    """

    unit_id: str
    at: datetime
    context: Context
    hidden: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Happening:
    """What a unit did after a visit: an outcome that will be told at `at`, of an assignment or of the unit.

    `metric` is the name of the outcome; `value` is None for a conversion.
    """

    metric: str
    value: float | None
    at: datetime
    of_unit: bool


class World(Protocol):
    """Units that visit and react; only simulators know its rates.

    All chance comes from the generator that is passed in. How much of it an answer uses does not depend on the
    variant, so two policies under one seed meet the same customers with the same luck.
    """

    def visits(self, n_customers: int, start: datetime, span: timedelta, rng: Generator) -> list[Visit]:
        """Return the visits of a number of customers, in the order of time, all within `span` of `start`."""

    def context(self, experiment: Experiment, visit: Visit) -> Context:
        """Return the fields that an experiment declares, as this visit has them."""

    def outcomes(self, experiment: Experiment, visit: Visit, variant: Variant, rng: Generator) -> Sequence[Happening]:
        """Return what comes of showing a variant to a visit, and is told."""

    def demand(self, experiments: Sequence[Experiment], visit: Visit, rng: Generator) -> Sequence[Happening]:
        """Return what a visit's unit does whatever it is shown, as far as one of these experiments declares it.

        It is told of the unit, once, also where no experiment answered the visit.
        """

    def candidates(self, experiment: Experiment, visit: Visit, rng: Generator) -> Sequence[Candidate]:
        """Return what a visit's request brings along; nothing where the experiment takes no candidates."""

    def expected_rewards(
        self, experiment: Experiment, visit: Visit, candidates: Sequence[Candidate] = ()
    ) -> Mapping[str, float]:
        """Return by name the expected reward, as the engine scales it, of each variant for this visit: the oracle's.

        Where the request brought candidates, it is theirs.
        """
