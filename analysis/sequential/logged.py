"""The logged probabilities of labels, by the strata within which they compare."""

from __future__ import annotations

import numpy as np

from analysis.arrays import Floats
from analysis.logs.frames import Assignments
from engine.randomness import ONE


def variants(rows: Assignments) -> Floats:
    """Return the probabilities of the variants in each of `rows.stratum`, (n_strata, n_variants).

    A stratum has one distribution; where nothing usable was drawn it is all 0, and nothing is bet on.
    """
    found = np.zeros((int(rows.stratum.max(initial=-1)) + 1, rows.patterns.shape[1]))
    drawn = rows.pattern >= 0
    found[rows.stratum[drawn]] = rows.patterns[rows.pattern[drawn]]
    return found


def groups(rows: Assignments) -> Floats | None:
    """Return the probabilities of the control's group and the policy's in each of `rows.epoch`, (n_epochs, 2).

    None where the size of the control's share changed within an epoch: then it has no one probability.
    """
    control = np.where(rows.is_control_group, rows.group_weight, ONE - rows.group_weight) / ONE
    share = np.zeros(int(rows.epoch.max(initial=-1)) + 1)
    share[rows.epoch] = control
    return np.stack([share, 1 - share], axis=1) if (share[rows.epoch] == control).all() else None
