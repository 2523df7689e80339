"""What randomisation proves of experiments: how much of an outcome would not have come under their control."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.arrays import Floats
from analysis.estimate import Estimate
from analysis.texts import Name


@dataclass(frozen=True, eq=False)
class Effect:
    """What came on top of what would have come had `of` answered their control, for conversions and for value.

    That is all of them at once; of a sum each by itself, with the others as they were. The estimands say which.

    `total` are both, for all units together, and `per_unit` of one; `relative` is the lift of conversions over what the
    control would have brought. `influence` (N_GROUPS, 2) is what each group of units (`sums.groups`) adds to the
    totals, centred on 0, or None where nothing can be said. `plain` are the totals by inverse propensities alone,
    without a model of what is known beforehand, or None where there is none. `left_out` are experiments that were asked
    for as well and are not in it, or not all of their units: a note of the estimates says why.

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
    left_out: tuple[str, ...] = ()
    once: Effect | None = None

    @property
    def at_one_look(self) -> Effect:
        """The same as at one look that was planned."""
        return self.once or self
