"""Where a log must be answered, counted from its draws alone: so that to refuse buys nothing.

The law of the verdict (`analysis.ope.judging`): 50 effective draws, of those seen and of those that the logged
distributions promise, and where some weight may be above n / 50, 200 of them; 5 effective rewarded draws; no more than
1 % of the target without support. Units that repeat count as what their draws sum to. Intervals for one look then need
nothing more where a range is declared, else 40 effective rewarded draws, of a difference for and against. Those for any
look need nothing more where there are bets, else 20 of a share and 80 of an amount, of each kind that there must be.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from covering_ope.drawing import Made
from covering_ope.worlds import Floats

FEWEST, SURE = 50, 200
FEWEST_REWARDED = 5
WITHOUT_RANGE = 40
IN_THE_LIMIT = {True: 20, False: 80}
"""By whether rewards are shares."""
SUPPORT = 0.01


def once(made: Made, estimand: str) -> bool:
    """Whether an estimand must be told at the one look at a log."""
    n, has_range = len(made), made.cell.reward.value_range is not None
    rewarded = [side * np.abs(made.log.reward) for side in _sides(made, estimand, n)]
    return can_say(made, n) and (has_range or min(map(effective, rewarded)) >= WITHOUT_RANGE)


def at_look(made: Made, estimand: str, n: int) -> bool:
    """Whether an estimand must be told at a look at the first n draws, which is one of several."""
    if not can_say(made, n):
        return False
    if made.cell.is_whole and made.cell.reward.value_range is not None:
        return True
    enough = IN_THE_LIMIT[made.cell.reward.is_share]
    return least_effective(made, estimand, n) >= enough


def can_say(made: Made, n: int) -> bool:
    """Whether the first n draws can say what the target earns, by the law of the verdict."""
    weight, reward = _drawn(made, n)
    unit = made.log.unit[:n]
    seen, rewarded = (
        effective(np.bincount(unit, each).astype(np.float64)) for each in (weight, weight * np.abs(reward))
    )
    largest, promised, unsupported = _promised(made, n) if made.cell.is_whole else (np.inf, np.inf, 0.0)
    enough = FEWEST if largest * FEWEST <= n else SURE
    return min(seen, promised) >= enough and rewarded >= FEWEST_REWARDED and unsupported <= SUPPORT


def least_effective(made: Made, estimand: str, n: int) -> float:
    """Return how many effective draws there are among the first n, of the kind that has fewest."""
    return min(map(effective, _kinds(made, estimand, n)))


def effective(sizes: Floats) -> float:
    """Return how many of equal size say as much as some sizes, (m,).

    >>> effective(np.array([2.0, 2.0, 0.0]))
    2.0
    """
    square = float((sizes**2).sum())
    # A millionth more, so that rounding takes none away.
    return float(sizes.sum()) ** 2 / square * (1 + 1e-6) if square else 0.0


def _drawn(made: Made, n: int) -> tuple[Floats, Floats]:
    """Return the weights of what was drawn and the rewards, (n,) each."""
    drawn = np.arange(n), made.log.variant[:n]
    return made.target[drawn] / made.logged[drawn], made.log.reward[:n]


def _promised(made: Made, n: int) -> tuple[float, float, float]:
    """Return the largest weight that any draw could have had, the effective draws, and the share without support."""
    target, logged = made.target[:n], made.logged[:n]
    ratio = np.divide(target, logged, out=np.zeros_like(target), where=logged > 0)
    return float(ratio.max()), n**2 / float((ratio * target).sum()), float(target[logged == 0].sum()) / n


def _sides(made: Made, estimand: str, n: int) -> list[Floats]:
    """Return the weights of draws for the target and, of a difference, of those against it, (n,) each."""
    weight, _ = _drawn(made, n)
    return [weight] if estimand == "value" else [(weight - 1).clip(min=0), (1 - weight).clip(min=0)]


def _kinds(made: Made, estimand: str, n: int) -> Iterator[Floats]:
    """Yield the weighed sizes of each kind of draws, (n,): of both sides, and of a share also those of no reward."""
    reward = made.log.reward[:n]
    for side in _sides(made, estimand, n):
        yield side * np.abs(reward)
        if made.cell.reward.is_share:
            yield side * (1 - reward)
