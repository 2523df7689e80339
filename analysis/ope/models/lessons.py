"""Draws of a log as what the engine's policies learn from: assignments with their rewards, in the order of the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from analysis.ope.logged import Logged, Question
from analysis.ope.models.rows import thinned
from engine.clock import from_micros
from engine.errors import InvalidRequest
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric, RewardTerm
from engine.randomness import ONE
from engine.records import Assignment, Candidate, Reason, Reward, Unit
from engine.records import Context as Fields
from engine.specs import ContextualSpec, PolicySpec

_ID = "log"
_N_LOOKED_AT = 1_000
"""So many draws tell which fields there are."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The rewards that a policy is told as 0 and as 1; what lies outside is cut."""

    low: float
    high: float

    @classmethod
    def of(cls, log: Logged) -> Scale:
        """Return the declared range of a log's rewards, or [0, 1] where all are in it, or what they span.

        >>> log = Logged.of(("a",), np.zeros(2, np.int64), np.array([2.0, 6.0]), np.ones(2))
        >>> Scale.of(log)
        Scale(low=2.0, high=6.0)
        """
        if log.collection.value_range is not None:
            return cls(*log.collection.value_range)
        least, most = float(log.reward.min(initial=np.inf)), float(log.reward.max(initial=-np.inf))
        return cls(0.0, 1.0) if (least >= 0 and most <= 1) or not least < most else cls(least, most)

    def told(self, reward: float) -> float:
        """Return a reward as it is told."""
        return min(1.0, max(0.0, (reward - self.low) / (self.high - self.low)))


def lessons(log: Logged, experiment: Experiment, scale: Scale) -> Iterator[Reward]:
    """Yield the draws of a log as what an experiment learns from, in their order.

    A draw that the log's own question does not have among what was eligible teaches nothing.
    """
    for place, (question, places) in enumerate(log.placed()):
        variant = int(log.variant[place])
        if variant in places:
            assignment = _assignment(log[place : place + 1], experiment, question, places.index(variant))
            yield Reward(assignment, scale.told(float(log.reward[place])), assignment.assigned_at, 1)


def _assignment(draw: Logged, experiment: Experiment, question: Question, drawn: int) -> Assignment:
    at = from_micros(int(draw.at[0]))
    # Of a distribution no policy reads more than the propensity of what was drawn.
    weights = [0] * len(question.eligible)
    weights[drawn] = max(1, round(float(draw.propensity[0]) * ONE))
    return Assignment(
        experiment_id=experiment.experiment_id,
        variant=question.eligible[drawn].name,
        reason=Reason.DRAWN,
        unit=Unit(experiment.unit, str(draw.unit[0])),
        assigned_at=at,
        received_at=at,
        is_draw=True,
        eligible=tuple([variant.name for variant in question.eligible]),
        distribution=tuple(weights),
        context=question.context,
        candidates=_candidates(question) if experiment.candidates is not None else (),
        seq=int(draw.row[0]),
    )


def _candidates(question: Question) -> tuple[Candidate, ...]:
    return tuple([Candidate(variant.name, variant.features) for variant in question.eligible])


def definition_of(log: Logged, spec: PolicySpec) -> Experiment:
    """Return an experiment with the variants and fields that a log shows, for a policy to learn from it.

    Where requests bring their variants along, or these have features, they are candidates.

    Raises:
        InvalidRequest: they are candidates, and the policy knows none.

    >>> log = Logged.of(("a", "b"), np.array([0]), np.ones(1), np.array([0.5]))
    >>> [variant.name for variant in definition_of(log, ContextualSpec()).variants]
    ['a', 'b']
    """
    names = [str(name) for name in log.variants]
    questions = [question for question, _ in thinned(log, _N_LOOKED_AT).placed()]
    brought = [variant for question in questions for variant in question.eligible]
    has_candidates = any(variant.features or variant.name not in names for variant in brought)
    if has_candidates and not isinstance(spec, ContextualSpec):
        raise InvalidRequest(f"the log's variants have features, of which {spec.kind} knows nothing: take contextual")
    return Experiment(
        experiment_id=_ID,
        variants=tuple(map(Variant, names)),
        metrics=(Metric(_ID),),
        context=_fields(question.context for question in questions),
        policy=spec,
        reward=(RewardTerm(_ID, 1.0),),
        control=names[0],
        default=names[0],
        seed=_ID,
        candidates=_fields(variant.features for variant in brought) if has_candidates else None,
    )


def _fields(contexts: Iterable[Fields]) -> tuple[ContextField, ...]:
    """Return the fields of some contexts, each of the type that it has first."""
    types: dict[str, FieldType] = {}
    for context in contexts:
        for name, value in context.items():
            types.setdefault(name, _TYPES[type(value)])
    return tuple([ContextField(name, found) for name, found in types.items()])


_TYPES = {
    bool: FieldType.FLAG,
    int: FieldType.NUMBER,
    float: FieldType.NUMBER,
    str: FieldType.TEXT,
    tuple: FieldType.TEXTS,
    list: FieldType.TEXTS,
}
