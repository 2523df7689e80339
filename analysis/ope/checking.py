"""What is refused before anything is computed: draws that cannot have been made, and distributions that are none.

An error names the first rows by their `row` numbers, says what is wrong with them, and what to do. Doors leave broken
lines out and count them; what comes here is meant to be sound.
"""

from __future__ import annotations

import numpy as np

from analysis.arrays import LARGEST, Flags, Floats, Ints
from analysis.ope import columns
from analysis.ope.columns import refuse
from analysis.ope.logged import Collection, Logged
from analysis.ope.weighed import LEAST
from analysis.texts import Name
from engine.errors import InvalidRequest

MISSED = 1e-6
"""A distribution may miss 1, and a propensity what the distribution says, by so much: numbers of 32 bits do."""

_RELATIVE = 0.01
"""And a propensity may miss by no more than such a share of itself, which is what its weight misses by."""

_ROUNDING = 1e-9
"""A reward may lie outside of its range by such a share of it."""

_AT_ONCE = 1 << 13
"""So many distributions are looked at together."""

_CALLED = {"collection": "ways of being collected", "numbers": "fields of numbers", "texts": "fields of text"}


def check(log: Logged) -> None:
    """Check draws: their columns, propensities, distributions and rewards, and that each is there once.

    Of a log that is read in blocks each block is checked, and by `check_next` that it goes on from the one before.

    Raises:
        InvalidRequest: which rows are wrong, and what to do.

    >>> check(Logged.of(("a", "b"), np.array([0, 7]), np.array([1.0, 0.0]), np.array([0.5, 0.5])))
    Traceback (most recent call last):
        ...
    engine.errors.InvalidRequest: row 1: the drawn variant is 7; it must be a place among the 2 variants, from 0 to 1
    """
    columns.check(log)
    _check_collection(log.collection)
    _check_variants(log)
    _check_propensities(log)
    _check_distributions(log)
    _check_rewards(log)
    _check_once(log)


def check_next(before: Logged, block: Logged) -> None:
    """Check that a block goes on from the one before it: of the same experiment, and of later rows.

    Rows are told from earlier ones by their order alone, so that nothing has to be remembered.

    Raises:
        InvalidRequest: it has other variants, was collected otherwise, or has rows that were there before.
    """
    if not len(before) or not len(block):
        return
    for name in ("variants", "collection", "numbers", "texts"):
        if getattr(before, name) != getattr(block, name):
            other = f"from row {block.row[0]} on the log has other {_CALLED.get(name, name)} than before"
            raise InvalidRequest(f"{other}: give the draws of each experiment by themselves")
    if _ascends(before.row) and _ascends(block.row) and block.row[0] <= before.row[-1]:
        again = f"row {block.row[0]} comes after row {before.row[-1]}"
        raise InvalidRequest(f"{again}: give every draw once and in order, and number the rows of several files on")


def check_target(log: Logged, target: Floats, name: Name) -> None:
    """Check what a policy of a name answers for the draws of a log, (n, k): distributions over eligible variants.

    What was eligible and had no probability in the log is no error: the verdict says how much of it there is.

    Raises:
        InvalidRequest: it has another shape, or which rows are no distributions, or want what was not eligible.
    """
    columns.check_array(target, f"what {name} answers", (len(log), log.k))
    _check_table(log, target, _no_distribution(target), f"the distribution of {name}")
    if log.eligible is not None:
        share = np.where(log.could_be, 0.0, target).sum(axis=1)
        what = f"{name} wants variants that were not eligible, with a share of"
        refuse(log.row, share > MISSED, what, "it must give them 0: their draws could not have been made", share)


def _check_collection(collection: Collection) -> None:
    """Check that what is declared of a log can be."""
    if collection.value_range is not None:
        least, most = collection.value_range
        if not -LARGEST <= least <= most <= LARGEST:
            raise InvalidRequest(f"rewards are declared from {least} to {most}: name the least, then the most")
    if collection.least is not None and not 0 < collection.least <= 1:
        raise InvalidRequest(
            f"the least probability is declared as {collection.least}: it is above 0, at most 1, or None"
        )
    if collection.n_planned < 1:
        raise InvalidRequest(f"{collection.n_planned} draws are planned: plan one at least")


def _check_variants(log: Logged) -> None:
    todo = f"it must be a place among the {log.k} variants, from 0 to {log.k - 1}"
    refuse(log.row, (log.variant < 0) | (log.variant >= log.k), "the drawn variant is", todo, log.variant)


def _check_propensities(log: Logged) -> None:
    # What is compared with NaN is false.
    bad = ~((log.propensity >= LEAST) & (log.propensity <= 1))
    todo = f"it must be from {LEAST:g} to 1: log that of the draw, or leave the row out"
    refuse(log.row, bad, "the propensity is", todo, log.propensity)
    if log.collection.least is not None:
        least = log.collection.least
        todo = f"the log declares {least:g} as the least, and no weight is bounded if it is not: declare less, or None"
        refuse(log.row, log.propensity < least - MISSED * least, "the propensity is", todo, log.propensity)


def _check_distributions(log: Logged) -> None:
    """Check the logged distributions, and that they say what the propensities say."""
    if log.pattern is None or log.patterns is None:
        return
    # Blocks of a log share its distributions: all of them are only gone through where that is less than the draws'.
    table, of = (log.patterns, log.pattern) if len(log.patterns) <= len(log) else (log.patterns[log.pattern], None)
    bad = _no_distribution(table)
    _check_table(log, table, bad if of is None else bad[of], "the logged distribution", of)
    drawn = log.patterns[log.pattern, log.variant]
    apart = np.abs(drawn - log.propensity) > np.minimum(MISSED, _RELATIVE * log.propensity)
    todo = "log the one that was drawn from, and the probability in it"
    refuse(log.row, apart, "the logged distribution does not give the drawn variant its propensity, but", todo, drawn)
    if log.eligible is not None:
        eligible = log.eligible if of is not None else log.eligible[log.pattern]
        share = np.where(eligible, 0.0, table).sum(axis=1)[slice(None) if of is None else of]
        todo = "log what was eligible for the draw"
        refuse(log.row, share > MISSED, "the logged distribution gives variants that were not eligible", todo, share)
        outcast = ~log.eligible[log.pattern, log.variant]
        refuse(log.row, outcast, "the drawn variant was not eligible", todo)


def _check_table(log: Logged, table: Floats, bad: Flags, what: str, of: Ints | None = None) -> None:
    """Refuse draws (n,) whose distribution is bad; it is in the row of the table that `of` names, or in their own."""
    if not bad.any():
        return
    places = np.flatnonzero(bad)
    shown = table[(places if of is None else of[places])[: columns.SHOWN]]
    with np.errstate(all="ignore"):
        least, total = shown.min(axis=1), shown.sum(axis=1)
    values = [f"{low:.6g} at least and {whole:.6g} in all" for low, whole in zip(least, total, strict=True)]
    todo = "each probability must be 0 or more, and all must sum to 1"
    refuse(log.row[places], np.ones(len(places), np.bool_), f"{what} has", todo, values)


def _no_distribution(table: Floats) -> Flags:
    """Return which rows of (n, k) are not of probabilities that sum to 1, (n,)."""
    bad = np.empty(len(table), np.bool_)
    # What is gone through several times stays in the processor's cache.
    for start in range(0, len(table), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        bad[rows] = _is_none(table[rows])
    return bad


def _is_none(table: Floats) -> Flags:
    is_inside: Flags = np.ones(len(table), np.bool_)
    if not (table.min(initial=0.0) >= 0 and table.max(initial=0.0) <= 1 + MISSED):
        is_inside = np.asarray(((table >= 0) & (table <= 1 + MISSED)).all(axis=1))
        table = np.where(is_inside[:, None], table, 0.0)
    # A product is several times as fast as a sum over few columns.
    return np.asarray(~(is_inside & (np.abs(table @ np.ones(table.shape[1]) - 1) <= MISSED)))


def _check_rewards(log: Logged) -> None:
    """Check that rewards are numbers, and within what is declared of them."""
    todo = "give each draw a finite reward, or leave the row out"
    refuse(log.row, ~(np.abs(log.reward) <= LARGEST), "the reward is", todo, log.reward)
    if log.collection.value_range is not None:
        least, most = log.collection.value_range
        slack = _ROUNDING * (most - least)
        bad = (log.reward < least - slack) | (log.reward > most + slack)
        todo = f"the log declares rewards from {least:g} to {most:g}: declare the range that they can have"
        refuse(log.row, bad, "the reward is", todo, log.reward)
    if log.collection.is_share:
        todo = "the log declares that each is 0 or 1: leave that out if they are not"
        refuse(log.row, (log.reward != 0) & (log.reward != 1), "the reward is", todo, log.reward)


def _check_once(log: Logged) -> None:
    """Check that no draw is there twice: no slot of a row, and no slot of a slate, whose slots follow each other."""
    todo = "give every draw once"
    refuse(log.row, _again(log.row, log.slot), "there before, of the same number", todo)
    refuse(log.row, _again(log.slate, log.slot), "its slate has that slot already, which is", todo, log.slot)
    if not _ascends(log.slate):
        starts = np.flatnonzero(np.concatenate([[True], log.slate[1:] != log.slate[:-1]]))
        torn = starts[_again(log.slate[starts], np.zeros_like(starts))]
        what = "other draws stand between it and its slate"
        refuse(log.row[torn], np.ones(len(torn), np.bool_), what, "give the slots of a slate one after the other")


def _again(major: Ints, minor: Ints) -> Flags:
    """Return which rows have a pair that an earlier one has, (n,)."""
    bad = np.zeros(len(major), np.bool_)
    same = major[1:] == major[:-1]
    if not ((major[1:] > major[:-1]) | (same & (minor[1:] > minor[:-1]))).all():
        order = np.lexsort((minor, major))
        bad[order[1:]] = (major[order[1:]] == major[order[:-1]]) & (minor[order[1:]] == minor[order[:-1]])
    return bad


def _ascends(row: Ints) -> bool:
    return bool((row[1:] >= row[:-1]).all())
