"""The context of a frame's assignments, read from the log only if a report asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import LARGEST, Floats
from analysis.logs.sources import LogSource
from engine.columns import Coded
from engine.experiments import Experiment, FieldType


@dataclass(frozen=True, slots=True, eq=False)
class Contexts:
    """Declared fields of the first `n` assignments of an experiment.

    All of them are read at once when the first one is asked for: a context has to be taken out of each row's record.
    """

    source: LogSource
    experiment: Experiment
    n: int
    known: dict[str, Coded | Floats] = field(default_factory=dict)

    def of(self, name: str) -> Coded | Floats:
        """Return a field, (n,): a number, a flag as 0.0 or 1.0, or a text.

        A number is NaN where there is none, or one too large to compute with.

        Raises:
            InvalidRequest: it is not declared, or is a list of texts.
        """
        if name not in self.known:
            declared = [each.name for each in self.experiment.context if each.type is not FieldType.TEXTS]
            wanted = declared if name in declared else [name]
            found = self.source.contexts(self.experiment.experiment_id, wanted)
            # Rows that were added since the frame was read come after its own.
            self.known.update({each: _first(column, self.n) for each, column in found.items()})
        return self.known[name]


def _first(column: Coded | Floats, n: int) -> Coded | Floats:
    if isinstance(column, Coded):
        return Coded(column.codes[:n], column.words)
    return np.where(np.abs(column[:n]) <= LARGEST, column[:n], np.nan)
