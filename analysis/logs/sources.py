"""What a report needs of a log, so that other things than a store can stand in for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.columns import Columns, Ints
from engine.experiments import Change, Experiment, ExperimentState


class LogSource(Protocol):
    """A log to be read. Every `engine.ports.Reader` is one, and says there what these methods return."""

    def state(self, experiment_id: str) -> ExperimentState | None:
        """Return an experiment with its state, or None."""

    def states(self) -> list[ExperimentState]:
        """Return all experiments with their states, by id."""

    def definition(self, experiment_id: str, revision: int) -> Experiment | None:
        """Return a revision's definition, or None."""

    def history(self, experiment_id: str) -> list[Change]:
        """Return the changes of an experiment, oldest first."""

    def columns(self, table: str, names: Sequence[str], experiment_id: str = "") -> Columns:
        """Return typed columns of "assignments", "exposures" or "outcomes", in the order of seq."""

    def contexts(self, experiment_id: str, names: Sequence[str]) -> Columns:
        """Return declared fields of the context of the experiment's assignments, in the order of seq."""

    def shadows(self, experiment_id: str) -> Columns:
        """Return `seq`, `eligible` and `distribution` of what the shadow policy would have drawn from, by seq."""

    def voided(self) -> Ints:
        """Return the seqs of the outcomes that a later one took back, ascending."""

    def ended_at(self) -> int:
        """Return when the last entry of the log was received, in microseconds, or 0."""
