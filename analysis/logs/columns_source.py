"""A log of one experiment that is held in arrays: it comes in at the same door as a store's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Ints
from engine.columns import Columns, encoded
from engine.errors import InvalidRequest
from engine.experiments import Change, Experiment, ExperimentState


@dataclass(frozen=True, slots=True, eq=False)
class ColumnsSource:
    """An `analysis.logs.sources.LogSource` of one experiment; `tables` are columns by table and name."""

    experiment_state: ExperimentState
    tables: Mapping[str, Columns]
    fields: Columns
    end: int

    def state(self, experiment_id: str) -> ExperimentState | None:
        """Return the experiment with its state, or None for any other."""
        is_it = experiment_id == self.experiment_state.experiment.experiment_id
        return self.experiment_state if is_it else None

    def states(self) -> list[ExperimentState]:
        """Return the experiment with its state."""
        return [self.experiment_state]

    def definition(self, experiment_id: str, revision: int) -> Experiment | None:  # noqa: ARG002 there is one alone
        """Return the definition, or None for any other experiment."""
        state = self.state(experiment_id)
        return state.experiment if state else None

    def history(self, experiment_id: str) -> list[Change]:  # noqa: ARG002 nobody changed it
        """Return nothing."""
        return []

    def columns(self, table: str, names: Sequence[str], experiment_id: str = "") -> Columns:  # noqa: ARG002 all are its own
        """Return columns of a table."""
        return _found(self.tables[table], names)

    def contexts(self, experiment_id: str, names: Sequence[str]) -> Columns:  # noqa: ARG002 all are its own
        """Return fields of the context."""
        return _found(self.fields, names)

    def shadows(self, experiment_id: str) -> Columns:  # noqa: ARG002 there is no shadow
        """Return columns of nothing."""
        return {"seq": np.zeros(0, np.int64), "eligible": encoded([]), "distribution": encoded([])}

    def voided(self) -> Ints:
        """Return nothing: what is taken back need not be simulated."""
        return np.zeros(0, np.int64)

    def ended_at(self) -> int:
        """Return when the log ended, in microseconds."""
        return self.end


def _found(columns: Columns, names: Sequence[str]) -> Columns:
    missing = [name for name in names if name not in columns]
    if missing:
        raise InvalidRequest(f"this log has no column {missing[0]!r}: there are {', '.join(columns)}")
    return {name: columns[name] for name in names}
