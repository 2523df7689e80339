"""The context of a frame's assignments, read from the log only if a report asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import LARGEST, Flags, Floats
from analysis.logs.sources import LogSource
from engine.columns import Coded
from engine.experiments import Experiment, FieldType


@dataclass(frozen=True, slots=True, eq=False)
class Contexts:
    """Declared fields of those assignments of an experiment that are `chosen` (n_read,) among the first.

    All fields are read at once when the first one is asked for: a context has to be taken out of each row's record.
    """

    source: LogSource
    experiment: Experiment
    chosen: Flags
    known: dict[str, Coded | Floats] = field(default_factory=dict)

    def of(self, name: str) -> Coded | Floats:
        """Return a field of the chosen, (n,): a number, a flag as 0.0 or 1.0, or a text.

        A number is NaN where there is none, or one too large to compute with.

        Raises:
            InvalidRequest: it is not declared, or is a list of texts.
        """
        if name not in self.known:
            declared = [each.name for each in self.experiment.context if each.type is not FieldType.TEXTS]
            wanted = declared if name in declared else [name]
            found = self.source.contexts(self.experiment.experiment_id, wanted)
            self.known.update({each: _of(column, self.chosen) for each, column in found.items()})
        return self.known[name]


def _of(column: Coded | Floats, chosen: Flags) -> Coded | Floats:
    # Rows that were added since the frame was read come after its own.
    n = len(chosen)
    if isinstance(column, Coded):
        return Coded(column.codes[:n][chosen], column.words)
    own = column[:n][chosen]
    return np.where(np.abs(own) <= LARGEST, own, np.nan)
