"""Were variants drawn as often as a log says, whichever system it is from? `analysis.checks.counting` has the test."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.checks.counting import Counts, Drawn, Part, compared
from analysis.ope import checking
from analysis.ope.logged import Logged
from analysis.texts import count, text
from engine.errors import InvalidRequest

_FLAGS = ("0", "1")


def counts(log: Logged) -> Counts:
    """Return whether draws fit their logged distributions, of all, of segments, and of the policies that drew.

    Draws must be independent given those before: of a unit that is drawn once, the first answer alone.

    Raises:
        InvalidRequest: rows are no draws, or the log has propensities alone, from which no count can be expected.

    >>> even = Logged.of(("a", "b"), np.array([0] * 300 + [1] * 100), np.zeros(400), np.full(400, 0.5))
    >>> [(str(alarm.among), alarm.variant, alarm.observed) for alarm in counts(even).alarms]
    [('all draws', 'a', 300), ('all draws', 'b', 100)]
    """
    checking.check(log)
    pattern, patterns = _distributions(log)
    return compared(Drawn(log.variants, log.variant, pattern, patterns), list(_parts(log)))


def _distributions(log: Logged) -> tuple[Ints, Floats]:
    """Return which distribution each draw is of, (n,), and those; where all propensities are 1 / k, they are even."""
    if log.pattern is not None and log.patterns is not None:
        return log.pattern, log.patterns
    if (np.abs(log.propensity - 1 / log.k) > checking.MISSED).any():
        raise InvalidRequest(
            "the log has propensities alone, so that nobody knows how often variants should have been drawn: "
            "give whole distributions, or see the mean weight of an evaluation"
        )
    return np.zeros(len(log), np.int64), np.full((1, log.k), 1 / log.k)


def _parts(log: Logged) -> Iterator[Part]:
    """Yield the draws by texts and flags of the context, by logger, and by slot."""
    for place, (name, words) in enumerate(zip(log.texts, log.words, strict=True)):
        yield log.context.codes[:, place], [text("propensities.segment", field=name, value=word) for word in words]
    for place, name in enumerate(log.numbers):
        numbers = log.context.numbers[:, place]
        if (np.isin(numbers, (0.0, 1.0)) | np.isnan(numbers)).all():
            code = np.nan_to_num(numbers, nan=-1.0).astype(np.int64)
            yield code, [text("propensities.segment", field=name, value=flag) for flag in _FLAGS]
    for what, column in (("logger", log.logger), ("slot", log.slot)):
        if len(column) and (column != column[0]).any():
            different, code = np.unique(column, return_inverse=True)
            yield code, [text(f"propensities.{what}", n=count(each + 1)) for each in different.tolist()]
