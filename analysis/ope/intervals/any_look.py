"""The doubly robust value, or difference of two policies, with an interval that holds at any look.

The rule, of what is declared alone: where rewards have a declared range and the log has whole distributions, bets
(`by_betting`), which hold at any n; otherwise an asymptotic sequence (`by_limit`), silent until enough effective
rewarded draws on either side. Neither a floor nor the planned number decides. Where the asymptotic one speaks, bets
were 1.05 to 1.2 times as wide, and up to three times where a policy that learns had starved what the target asks for,
which is where a central limit is least to be trusted.

Both hold whatever the policy learned, as long as the model has seen earlier rows alone, for the mean of what the target
would have earned in these very draws: their contexts are taken as they came. Take everything as given but the number
of draw t: what each variant would have brought in every row, and all earlier draws. The score less what the target
would have earned is then a martingale difference (`adaptive.scoring`). So units that repeat need no clustering where
each of their draws has a number of its own. Where draws are keyed by unit, a unit's later rows are no draws and do not
belong here.

Where the target goes and the log has no support, nothing is learned: both ends move outwards by the mean of that share
times the declared range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.estimate import LEVEL, Estimate, Holds, Scale, error_rate, not_evaluable
from analysis.ope.intervals import by_betting
from analysis.ope.intervals.by_betting import Bet, ByBetting
from analysis.ope.intervals.by_limit import ByLimit, Limit
from analysis.ope.logged import Collection
from analysis.ope.weighed import Weighed
from analysis.texts import Text, count, plain, text


@dataclass(frozen=True, slots=True)
class Looks:
    """At the end of each block so far: how many draws, the value, and low and high, NaN where silent; (n_looks,)."""

    n: Ints
    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class _Seen:
    """What there is at a look: bets as far as they are allowed, the limit, and the mean share without support."""

    bet: Bet | None
    limit: Limit
    unsupported: float

    @property
    def n(self) -> int:
        """How many draws there are."""
        return self.limit.spread.n

    @property
    def mean(self) -> float:
        """Their mean score."""
        return self.limit.spread.mean


class AnyLook:
    """What draws said so far, fed block by block in the order of the log; where a log is cut changes nothing.

    >>> from analysis.ope.logged import Logged
    >>> from analysis.ope.weighed import weighed
    >>> variant, half = np.arange(200) % 2, np.full((200, 2), 0.5)
    >>> how = Collection(value_range=(0, 1), n_planned=200)
    >>> log = Logged.of(("a", "b"), variant, 1.0 - variant, half[:, 0], probabilities=half, collection=how)
    >>> found = AnyLook(how, is_difference=False)
    >>> found.add(weighed(log, np.tile([1.0, 0.0], (200, 1)), np.full((200, 2), 0.5)))
    >>> estimate = found.estimate(text("ope.reward"), Scale.SHARE)
    >>> estimate.value, round(estimate.low, 2), estimate.high, estimate.holds.value
    (1.0, 0.86, 1.0, 'always')
    """

    def __init__(self, collection: Collection, *, is_difference: bool) -> None:
        self._range = collection.value_range
        self._limits = _limits(collection.value_range, is_difference=is_difference)
        self._n_planned = collection.n_planned
        self._is_difference = is_difference
        self._bets = None if self._limits is None else ByBetting(self._limits, collection.n_planned)
        self._limit = ByLimit(is_share=collection.is_share, is_difference=is_difference)
        self._unsupported = 0.0
        self._departs = False
        self._seen: list[_Seen] = []

    def add(self, part: Weighed) -> None:
        """See a block of draws."""
        self._departs |= _departs(part, self._range)
        # Once there is a draw that cannot be bet on, there is nothing to bet on any more.
        self._bets = self._bets if not self._departs and by_betting.is_bounded(part) else None
        if self._bets is not None:
            self._bets.add(part)
        self._limit.add(part)
        self._unsupported += float(np.nan_to_num(part.unsupported).sum())
        self._seen.append(self._now)

    def looks(self, level: float = LEVEL, family: int = 1) -> Looks:
        """Return the sequence at the end of each block, by the same rule at all of them."""
        rows = self._numbers(self._seen, error_rate(level, family))
        n = [each.n for each in self._seen]
        return Looks(np.array(n, np.int64), *np.array(rows, np.float64).reshape(-1, 3).T)

    def estimate(self, estimand: Text, scale: Scale, level: float = LEVEL, family: int = 1) -> Estimate:
        """Return the value with its interval; all `family` of them hold together at `level`. Without one it says why.

        The p-value is that of a difference at this look, 1 / the wealth at 0: it is below the error just when the
        interval leaves 0 out. There is none of a value, and none where some of the target has no support.
        """
        seen, alpha = self._now, error_rate(level, family)
        value, low, high = self._numbers([seen], alpha)[0]
        if np.isnan(low):
            return not_evaluable(self._why_silent(seen), estimand, seen.n, value if seen.n else None, scale)
        is_bet = self._is_bet(seen)
        return Estimate(
            value,
            low,
            high,
            seen.n,
            _method(seen.bet if is_bet else None),
            estimand,
            scale,
            note=self._note,
            level=level,
            family=family,
            holds=Holds.ALWAYS if is_bet else Holds.ALWAYS_IN_THE_LIMIT,
            p_value=self._p_value(seen, alpha) if self._is_difference and not seen.unsupported else None,
        )

    @property
    def _now(self) -> _Seen:
        limit = self._limit.look
        bet = None if self._bets is None else self._bets.look
        return _Seen(bet, limit, self._unsupported / max(limit.spread.n, 1))

    @property
    def _note(self) -> Text | None:
        if not self._departs or self._range is None:
            return None
        return text("sequence.departs", low=plain(self._range[0]), high=plain(self._range[1]))

    def _is_bet(self, seen: _Seen) -> bool:
        """Whether a look is answered by bets: also an earlier one, only if all later draws could be bet on."""
        return self._bets is not None and seen.bet is not None

    def _numbers(self, looks: Sequence[_Seen], alpha: float) -> list[tuple[float, float, float]]:
        """Return value, low and high at each look; the latter two are NaN where nothing is said."""
        found = zip(looks, self._ends(looks, alpha), strict=True)
        return [
            (each.mean, np.nan, np.nan) if ends is None else (_clipped(each.mean, ends), *ends) for each, ends in found
        ]

    def _ends(self, looks: Sequence[_Seen], alpha: float) -> list[tuple[float, float] | None]:
        """Return low and high at each look, or None where nothing is said, or no more than what is declared."""
        told = [each for each in looks if self._speaks(each)]
        inner = iter(self._inner(told, alpha))
        return [self._within(next(inner), each.unsupported) if self._speaks(each) else None for each in looks]

    def _speaks(self, seen: _Seen) -> bool:
        return seen.n > 0 and (self._is_bet(seen) or not seen.limit.is_silent)

    def _inner(self, looks: Sequence[_Seen], alpha: float) -> list[tuple[float, float]]:
        """Return low and high at looks that speak, of what has support."""
        bets = [each.bet for each in looks if each.bet is not None]
        if self._bets is not None and self._limits is not None:
            return by_betting.intervals(bets, self._limits, alpha)
        return [each.limit.interval(self._n_planned, alpha) for each in looks]

    def _within(self, ends: tuple[float, float], unsupported: float) -> tuple[float, float] | None:
        """Return the ends moved outwards by what is not supported, as far as the declared range goes."""
        if self._range is None or self._limits is None:
            return ends
        (least, most), more = self._limits, unsupported * (self._range[1] - self._range[0])
        low, high = ends[0] - more, ends[1] + more
        if self._departs:
            return low, high
        return (max(low, least), min(high, most)) if low > least or high < most else None

    def _p_value(self, seen: _Seen, alpha: float) -> float:
        if self._is_bet(seen) and seen.bet is not None:
            return seen.bet.p_value
        return seen.limit.p_value(self._n_planned, alpha)

    def _why_silent(self, seen: _Seen) -> Text:
        if not seen.n:
            return text("ope.sequence.nothing")
        if self._is_bet(seen) or not seen.limit.is_silent:
            return text("sequence.whole_range")
        if seen.limit.has_enough:
            return text("ope.sequence.alike")
        return text("ope.sequence.silent", n=count(int(seen.limit.effective)), enough=count(seen.limit.enough))


def _limits(value_range: tuple[float, float] | None, *, is_difference: bool) -> tuple[float, float] | None:
    """Return what a value, or a difference of two, lies between by declaration."""
    if value_range is None or not is_difference:
        return value_range
    reach = value_range[1] - value_range[0]
    return -reach, reach


def _clipped(value: float, ends: tuple[float, float]) -> float:
    return min(max(value, ends[0]), ends[1])


def _departs(part: Weighed, value_range: tuple[float, float] | None) -> bool:
    if value_range is None:
        return False
    return bool(((part.reward < value_range[0]) | (part.reward > value_range[1])).any())


def _method(bet: Bet | None) -> Text:
    estimator = text("ope.estimator.dr")
    if bet is None:
        return text("sequence.asymptotic", method=estimator)
    return text("ope.sequence.exact" if bet.offered is None else "ope.sequence.betting", method=estimator)
