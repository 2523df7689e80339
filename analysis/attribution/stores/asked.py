"""What is asked of a log, held against what its experiments declare: an outcome, whose touches, and their channel."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Self

from analysis.logs.sources import LogSource
from engine.errors import InvalidRequest, UnknownExperiment
from engine.experiments import Experiment, ExposureRule, FieldType

CHANNEL_FIELD = "channel"
"""The field of the context that names a touch's channel, unless another one is asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """The experiments of a log by id, with what is asked of them: `chosen` are those whose answers are touches."""

    source: LogSource
    outcome: str
    channel_field: str
    known: dict[str, Experiment]
    chosen: frozenset[str]

    @classmethod
    def of(cls, source: LogSource, outcome: str, channel_field: str, experiments: Collection[str] | None) -> Self:
        """Return what is asked.

        Raises:
            UnknownExperiment: the log has no experiment of an id.
            InvalidRequest: no experiment declares the field of the channel.
        """
        known = {state.experiment.experiment_id: state.experiment for state in source.states()}
        for each in sorted(set(experiments or ()) - set(known)):
            raise UnknownExperiment(f"there is no experiment {each!r} in this log: there are {_listed(known)}")
        asked = cls(source, outcome, channel_field, known, frozenset(known if experiments is None else experiments))
        if channel_field != CHANNEL_FIELD and not any(map(asked.declares_channel, known)):
            raise InvalidRequest(f"no experiment of this log has a text {channel_field!r} in its context: name another")
        return asked

    @property
    def reported(self) -> frozenset[str]:
        """Those of the chosen experiments whose touches are at the first report of the answer."""
        return frozenset(each for each in self.chosen if self.known[each].exposure is ExposureRule.REPORTED)

    @property
    def of_other_units(self) -> frozenset[str]:
        """Those of the chosen experiments whose units have another type than any that the outcome is declared for."""
        types = {each.unit for each in self.known.values() if self.outcome in each.outcomes}
        return frozenset(each for each in self.chosen if types and self.known[each].unit not in types)

    def declares_channel(self, experiment_id: str) -> bool:
        """Whether the context of the experiment may name a channel."""
        declared = self.known[experiment_id].context
        return any((field.name, field.type) == (self.channel_field, FieldType.TEXT) for field in declared)

    def refuse_unknown(self, seen: Collection[str]) -> None:
        """Raise InvalidRequest where no experiment declares the outcome, and it is not among those that were seen."""
        declared = frozenset[str]().union(*(experiment.outcomes for experiment in self.known.values()))
        if self.outcome not in declared | set(seen):
            there = _listed((declared | set(seen)) - {""})
            raise InvalidRequest(f"there is no outcome {self.outcome!r} in this log: there are {there}")


class Blanks:
    """Which answers show nothing, by the definitions that decided them."""

    def __init__(self, source: LogSource) -> None:
        self._of = cache(lambda experiment_id, revision: _blanks(source.definition(experiment_id, revision)))

    def has(self, experiment_id: str, revision: int, variant: str) -> bool:
        """Whether a variant was blank in a revision of its experiment."""
        return variant in self._of(experiment_id, revision)


def _blanks(definition: Experiment | None) -> frozenset[str]:
    return frozenset(each.name for each in definition.variants if each.is_blank) if definition else frozenset()


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"
