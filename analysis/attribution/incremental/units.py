"""Units with what was drawn for them: in which experiments, with which chances, and what they did afterwards."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np

from analysis.arrays import Flags, Floats, Ints, places
from analysis.attribution.incremental.did import Did
from analysis.document import Count
from analysis.texts import Name, Text
from engine.experiments import Brief


@dataclass(frozen=True, eq=False)
class Draws:
    """The first draw of each of u units in one experiment, in the order of time; arrays are (u,).

    What was drawn is a variant in a test, and the group of a unit in a bandit: the control's share or the policy's.
    `drawn` are places among `names`, `control` is the place of the control (or the control's share), and
    `chances` (u, k) the logged probabilities with which each could have been drawn. `at` is in microseconds.
    `n_planned` is for how many units it is planned where it may be read at any time, and None where it is read once.
    `n_without` units are not here: they came only while nobody could have got the control.
    """

    experiment_id: str
    brief: Brief
    names: tuple[Name, ...]
    control: int
    unit: Ints
    at: Ints
    drawn: Ints
    chances: Floats
    n_planned: int | None = None
    n_without: int = 0

    @cached_property
    def order(self) -> Ints:
        """The places of units, (u,), by key."""
        return np.argsort(self.unit)

    def places(self, unit: Ints) -> Ints:
        """Return the place of each of some units (n,), or -1 where it was not drawn."""
        # Place -1, none, finds the -1 at the end.
        return np.append(self.order, -1)[places(unit, self.unit[self.order])]

    @property
    def is_control(self) -> Flags:
        """Who drew the control, (u,)."""
        return np.asarray(self.drawn == self.control)

    @property
    def chance(self) -> Floats:
        """The probability of the control, (u,)."""
        return self.chances[:, self.control]


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """All experiments of a log with an outcome.

    `draws` are of those that compare by unit, and `refused` says why others do not.

    Only what a unit did `within` so long of its first draw counts, or until the log's `end`, in microseconds. Units
    that a population's holdout keeps out leave no rows and are not here: with these units, control means the controls
    of experiments, and not a product without any of them. `holdout` compares with that one.

    `kept` is what was found of sets of experiments: a page asks for the same by several names and in several families.
    """

    outcome: str
    draws: tuple[Draws, ...]
    did: Did
    refused: dict[str, Text]
    end: int
    within: timedelta | None = None
    left_out: tuple[Count, ...] = ()
    kept: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)
