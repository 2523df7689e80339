"""What randomisation proves of a set of experiments: how much of an outcome would not have come under their control."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.arrays import Floats
from analysis.estimate import Estimate
from analysis.texts import Name


@dataclass(frozen=True, eq=False)
class Effect:
    """What came on top of what would have come had all of `of` answered their control, for conversions and for value.

    `total` are both, for all units together, and `per_unit` of one; `relative` is the lift of conversions over what the
    control would have brought. `influence` (N_GROUPS, 2) is what each group of units (`sums.groups`) adds to the
    totals, centred on 0, or None where nothing can be said. `plain` are the totals by inverse propensities alone,
    without a model of what is known beforehand, or None where there is none.

    Units that got the control anyway are among all units: nothing came on top of theirs. So of a test whose halves get
    the control and something better by a fifth, the relative lift is a tenth. That of one variant is of those alone
    who got it, a fifth.
    """

    name: Name
    of: tuple[str, ...]
    total: tuple[Estimate, Estimate]
    per_unit: tuple[Estimate, Estimate]
    relative: Estimate
    n_units: int
    influence: Floats | None
    plain: tuple[Estimate, Estimate] | None = None
