"""What of the log's rows an experiment understands as it is defined today."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from engine.experiments import ContextField, Experiment, FieldType
from engine.records import Assignment, Candidate, Context, ContextValue, Group, Reward


class Readable:
    """Leaves of contexts the values of declared fields that are of the declared type, and finite.

    >>> dict(Readable([ContextField("plan", FieldType.TEXT)]).of({"visits": "many", "plan": "pro", "old": 1.0}))
    {'plan': 'pro'}
    """

    def __init__(self, fields: Sequence[ContextField]) -> None:
        self._checks = {declared.name: _CHECKS[declared.type] for declared in fields}

    def of(self, context: Context) -> Context:
        """Return what is readable of a context."""
        checks = self._checks
        return {name: value for name, value in context.items() if name in checks and checks[name](value)}


class Understanding:
    """Turns rewards into those that an experiment can learn from today.

    Nothing is learned of answers that were no draws of the policy's group, of forgotten units, and of variants that are
    gone. The others that were eligible are narrowed to those that are left, at the weights that they had, so that the
    propensity stays that of the draw. Values that are not of the type declared today count as missing.

    >>> from datetime import UTC, datetime
    >>> from engine.experiments import Variant
    >>> from engine.metrics import Metric
    >>> from engine.records import Reason, Unit
    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> row = Assignment("hero", "a", Reason.DRAWN, Unit("customer", "7"), at, at, is_draw=True)
    >>> row = replace(row, eligible=("a", "gone"), distribution=(2**30, 3 * 2**30))
    >>> hero = Experiment("hero", (Variant("a"), Variant("b")), (Metric("click"),))
    >>> found = Understanding(hero).of(Reward(row, 1.0, at, 1))
    >>> (found.assignment.eligible, found.assignment.propensity) if found else None
    (('a',), 0.25)
    """

    def __init__(self, experiment: Experiment) -> None:
        self._context = Readable(experiment.context)
        self._features = None if experiment.candidates is None else Readable(experiment.candidates)
        self._declared = frozenset(variant.name for variant in experiment.variants)

    def of(self, reward: Reward) -> Reward | None:
        """Return a reward as it can be learned from, itself where nothing is lost, or None where nothing is left."""
        assignment = reward.assignment
        if not assignment.is_draw or assignment.group is not Group.POLICY or not assignment.unit.id:
            return None
        candidates = self._known(assignment.candidates) if assignment.candidates else ()
        names = self._declared.union([each.name for each in candidates]) if candidates else self._declared
        if assignment.variant not in names:
            return None
        context = self._context.of(assignment.context)
        if (
            context == assignment.context
            and candidates == assignment.candidates
            and names.issuperset(assignment.eligible)
        ):
            return reward
        return replace(reward, assignment=_narrowed(replace(assignment, context=context, candidates=candidates), names))

    def _known(self, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        """Return candidates with the features that are declared today; none where the experiment takes none."""
        if self._features is None:
            return ()
        return tuple([Candidate(each.name, self._features.of(each.features)) for each in candidates])


def _narrowed(assignment: Assignment, names: AbstractSet[str]) -> Assignment:
    """Return the row with those of its eligible variants that have one of the names, at the weights that they had."""
    left = [
        (name, weight)
        for name, weight in zip(assignment.eligible, assignment.distribution, strict=True)
        if name in names
    ]
    eligible, weights = zip(*left, strict=True)
    return replace(assignment, eligible=eligible, distribution=weights)


def _is_number(value: ContextValue) -> bool:
    # A flag is a number to Python, and is none.
    return isinstance(value, (float, int)) and not isinstance(value, bool) and abs(value) < math.inf


_CHECKS: Mapping[FieldType, Callable[[ContextValue], bool]] = {
    FieldType.NUMBER: _is_number,
    FieldType.TEXT: lambda value: isinstance(value, str),
    FieldType.FLAG: lambda value: isinstance(value, bool),
    FieldType.TEXTS: lambda value: isinstance(value, (tuple, list)),
}
