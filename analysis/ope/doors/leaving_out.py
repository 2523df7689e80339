"""What a door cannot use is left out, counted by its reason, and named by its first lines; the rest is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from numbers import Integral, Real
from typing import TypeVar

import numpy as np

from analysis.arrays import LARGEST, Flags, Floats, Ints
from analysis.document import Count
from analysis.texts import plain, text

_SHOWN = 3
"""So many lines of each reason are named."""

MISSED = 1e-6
"""A distribution may miss 1 by that much: k numbers of 32 bits, each rounded by 6e-8 of itself at most."""

_ROUNDING = 1e-12
"""A sum that misses 1 by less is one of 64-bit numbers, and stands as it is."""

SAME = 1e-6
"""A propensity may miss that of its distribution by such a share: both may have been numbers of 32 bits."""

_LARGEST_WHOLE = 1 << 62

_Line = TypeVar("_Line")
_Read = TypeVar("_Read")


class Why(Enum):
    """Why a line was left out: the key of its words."""

    BROKEN = "broken"
    REPEATED = "repeated"
    DANGLING = "dangling"
    NOT_ACTIVATED = "not_activated"
    NOT_DRAWN = "not_drawn"
    NO_PROPENSITY = "no_propensity"
    PROPENSITY = "propensity"
    DISTRIBUTION = "distribution"
    VARIANT = "variant"
    REWARD = "reward"
    THINNED = "thinned"


class Unusable(Exception):
    """A line that is left out."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Lines that were left out, by reason: how many, and the first of them."""

    lines: dict[Why, list[int]] = field(default_factory=dict)
    n: dict[Why, int] = field(default_factory=dict)

    def add(self, why: Why, line: int) -> None:
        """Count a line."""
        self.n[why] = self.n.get(why, 0) + 1
        first = self.lines.setdefault(why, [])
        if len(first) < _SHOWN:
            first.append(line)

    def add_all(self, why: Why, is_left: Flags, lines: Ints) -> None:
        """Count those of some lines (n,) that are flagged (n,)."""
        for line in lines[is_left].tolist():
            self.add(why, line)

    def sift(self, wrong: Mapping[Why, Flags], lines: Ints) -> Flags:
        """Count rows (n,), each by the first reason against it, and return which of them stay, (n,)."""
        stays = np.ones(len(lines), np.bool_)
        for why, is_wrong in wrong.items():
            self.add_all(why, stays & is_wrong, lines)
            stays &= ~is_wrong
        return stays

    def counts(self) -> tuple[Count, ...]:
        """Return what was left out, in the order of the reasons.

        >>> left = LeftOut()
        >>> left.add(Why.BROKEN, 4)
        >>> [str(each.what) for each in left.counts()]
        ['lines that cannot be read (the first: 4)']
        """
        return tuple(
            Count(self.n[why], text(f"ope.door.{why.value}", lines=tuple(plain(line) for line in self.lines[why])))
            for why in Why
            if why in self.n
        )

    def said(self) -> str:
        """Return it as an end of a sentence, or that there was nothing."""
        each = [f"{count.what}: {count.n}" for count in self.counts()]
        return f"left out were {'; '.join(each)}" if each else "there are no lines"


def usable(
    lines: Iterable[tuple[int, _Line]], read: Callable[[int, _Line], Iterable[_Read]], left_out: LeftOut
) -> Iterator[_Read]:
    """Yield what is read of each numbered line, and count the lines that `read` finds `Unusable`."""
    for number, line in lines:
        try:
            yield from list(read(number, line))
        except Unusable as wrong:
            left_out.add(wrong.why, number)
        except RecursionError:
            left_out.add(Why.BROKEN, number)


def number_of(value: object, why: Why) -> float:
    """Return a number that can be computed with.

    Raises:
        Unusable: it is none, not finite or too large, for that reason.
    """
    if isinstance(value, bool) or not isinstance(value, float | int | Real):
        raise Unusable(why)
    with suppress(OverflowError):
        if abs(number := float(value)) <= LARGEST:
            return number
    raise Unusable(why)


def whole_of(value: object, why: Why = Why.BROKEN) -> int:
    """Return a whole number.

    Raises:
        Unusable: it is none, or too large to count with, for that reason.
    """
    if isinstance(value, bool) or not isinstance(value, int | Integral) or abs(int(value)) > _LARGEST_WHOLE:
        raise Unusable(why)
    return int(value)


def propensity_of(value: object) -> float:
    """Return a propensity.

    Raises:
        Unusable: it is missing, or not in (0, 1].
    """
    if value is None:
        raise Unusable(Why.NO_PROPENSITY)
    propensity = number_of(value, Why.PROPENSITY)
    if not 0 < propensity <= 1:
        raise Unusable(Why.PROPENSITY)
    return propensity


def distribution_of(values: object) -> tuple[float, ...]:
    """Return a distribution that sums to 1.

    One that was logged as 32-bit numbers misses 1 by some 1e-7, and is divided by its sum; others are not touched.

    Raises:
        Unusable: it has no numbers, one outside [0, 1], or another sum.

    >>> distribution_of([0.25, 0.75])
    (0.25, 0.75)
    """
    if not isinstance(values, list | Sequence) or isinstance(values, str) or not values:
        raise Unusable(Why.DISTRIBUTION)
    found = [number_of(value, Why.DISTRIBUTION) for value in values]
    total = math.fsum(found)
    if min(found) < 0 or abs(total - 1) > MISSED:
        raise Unusable(Why.DISTRIBUTION)
    return tuple(found if abs(total - 1) <= _ROUNDING else (value / total for value in found))


def are_wrong(propensity: Floats, p: Floats) -> Flags:
    """Return which propensities are not in (0, 1], or not what their distributions have, `p`; (n,) each."""
    is_one = (propensity > 0) & (propensity <= 1)
    with np.errstate(invalid="ignore"):
        return ~(is_one & (np.abs(p - propensity) <= SAME * propensity))


def divided(rows: Floats) -> tuple[Floats, Flags]:
    """Return distributions (n, k) as `distribution_of` does, and which of them are usable, (n,)."""
    total = rows.sum(axis=1)
    with np.errstate(invalid="ignore"):
        missed = np.abs(total - 1)
        is_one = (rows >= 0).all(axis=1) & (missed <= MISSED)
        whole = np.where((missed <= _ROUNDING)[:, None] | ~is_one[:, None], rows, rows / total[:, None])
    return whole, is_one
