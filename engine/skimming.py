"""Reading a log for some experiments: what a reward can depend on, and of all other entries, only when they came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from engine.experiments import Experiment, ExposureRule
from engine.records import Assignment, Entry, Erasure, Exposure, Outcome


@dataclass(frozen=True, slots=True)
class Passed:
    """An entry that was passed over: it moves the log's time on, and nothing else is known of it."""

    seq: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are read: assignments and outcomes by name, exposures or not; voids and erasures always.

    Of assignments comes the `outline`, and the others come in full.
    """

    experiments: frozenset[str]
    outcomes: frozenset[str]
    exposures: bool

    @classmethod
    def by(cls, experiments: Iterable[Experiment]) -> Self:
        """Return what can change a reward of these experiments.

        >>> from engine.experiments import Variant
        >>> from engine.metrics import Metric, RewardTerm
        >>> metrics = (Metric("paid", of="order"), Metric("visit"))
        >>> hero = Experiment("hero", (Variant("a"), Variant("b")), metrics, reward=(RewardTerm("paid", 1.0),))
        >>> Wanted.by([hero])
        Wanted(experiments=frozenset({'hero'}), outcomes=frozenset({'order'}), exposures=False)
        """
        known = list(experiments)
        metrics = [each.metric(term.metric) for each in known for term in each.reward]
        return cls(
            frozenset(each.experiment_id for each in known),
            frozenset(metric.outcome for metric in metrics if metric is not None),
            any(each.exposure is ExposureRule.REPORTED for each in known),
        )

    def has(self, entry: Entry) -> bool:
        """Whether an entry is read."""
        match entry:
            case Assignment():
                return entry.experiment_id in self.experiments
            case Exposure():
                return self.exposures
            case Outcome():
                return entry.metric in self.outcomes or bool(entry.void_of)
            case Erasure():
                return True


def outline(row: Entry) -> Entry:
    """Return of an assignment what a reward can depend on, and any other entry as it is.

    All else is left out, because a learner reads every row.
    """
    if not isinstance(row, Assignment):
        return row
    return Assignment(
        experiment_id=row.experiment_id,
        variant=row.variant,
        reason=row.reason,
        unit=row.unit,
        assigned_at=row.assigned_at,
        received_at=row.received_at,
        assignment_id=row.assignment_id,
        slot=row.slot,
        is_draw=row.is_draw,
        group=row.group,
        eligible=row.eligible,
        distribution=row.distribution,
        context=row.context,
        candidates=row.candidates,
        kept_from=row.kept_from,
        node_id=row.node_id,
        seq=row.seq,
        unit_key=row.unit_key,
    )
