"""What a rule credits in samples of units: groups of them drawn with replacement, and the credit shared anew."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.attribution.credits import Credit
from analysis.attribution.rules.base import Rule
from analysis.attribution.sums import JOURNEYS, N_GROUPS, Sums

N_SAMPLES = 400
"""So many samples are drawn: an end moves by chance by some 3 % of the interval."""


def times(n_samples: int, random: np.random.Generator) -> Ints:
    """Return how often each group of units is in each sample of as many groups, (n_samples, N_GROUPS)."""
    return random.multinomial(N_GROUPS, np.full(N_GROUPS, 1 / N_GROUPS), n_samples)


def samples(credit: Credit, drawn: Ints) -> Floats:
    """Return the credit by the rule of a credit in each sample, (n_samples, p, 2), of groups `drawn` so often.

    They say how far the credit moves, and not where it is: a rule that samples does so less often (`quick`), the same
    in all of them, so that the error of that is not in them.
    """
    p, rule = len(credit.amounts), credit.rule.quick
    return np.array([_credit(rule, *each, p) for each in _totals(credit.sums, drawn)])


def _credit(rule: Rule, keys: Ints, totals: Floats, p: int) -> Floats:
    occurs = totals[:, JOURNEYS] > 0
    return rule.credit(keys[occurs], totals[occurs], p)


def _totals(sums: Sums, drawn: Ints) -> Iterator[tuple[Ints, Floats]]:
    """Yield the keys and the sums of all journeys in each sample."""
    columns = [sums.by_group(column) for column in range(sums.columns.shape[1])]
    for each in drawn:
        yield sums.keys, np.stack([each @ column for column in columns], axis=1)
