"""Contexts as columns of numbers, by what earlier rows held: standardised numbers, flags, and the commonest texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.adaptive.drawn import Context
from analysis.arrays import Floats, Ints

MAX_LEVELS = 16
"""Of each text the commonest values have a column of their own; all others are one level."""

_FURTHEST = 4.0
"""Standard deviations at which a number is cut, so that no wild one bends the model."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How contexts become columns: the centre and scale of each number, (c,), and the values of each text."""

    centre: Floats
    scale: Floats
    levels: tuple[Ints, ...]

    @classmethod
    def of(cls, earlier: Context) -> Encoding:
        """Return the encoding that some rows suggest.

        >>> Encoding.of(Context(np.array([[0.], [1.]]), np.array([[0], [-1]]))).columns(
        ...     Context(np.array([[1.], [np.nan]]), np.array([[0], [7]]))
        ... ).tolist()
        [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
        """
        numbers = _squashed(earlier.numbers)
        known = ~np.isnan(numbers)
        n = np.maximum(known.sum(axis=0), 1)
        centre = np.where(known, numbers, 0).sum(axis=0) / n
        square = (np.where(known, numbers - centre, 0) ** 2).sum(axis=0) / n
        scale = np.where(square > 0, np.sqrt(square), 1.0)
        return cls(centre, scale, tuple(_commonest(codes) for codes in earlier.codes.T))

    @property
    def n_columns(self) -> int:
        """How many columns there are, with the constant."""
        return 1 + len(self.centre) + sum(map(len, self.levels))

    def columns(self, context: Context) -> Floats:
        """Return a constant and the columns of a context, (n, 1 + k); what is missing is at the centre of a number."""
        found = np.empty((len(context.numbers), self.n_columns))
        found[:, 0] = 1.0
        end = 1 + len(self.centre)
        # In place: a table of many rows takes longer to fetch than to compute.
        standard = np.subtract(_squashed(context.numbers), self.centre, out=found[:, 1:end])
        standard /= self.scale
        np.clip(standard, -_FURTHEST, _FURTHEST, out=standard)
        np.copyto(standard, 0.0, where=np.isnan(standard))
        for codes, levels in zip(context.codes.T, self.levels, strict=True):
            np.equal(codes[:, None], levels, out=found[:, end : end + len(levels)], casting="unsafe")
            end += len(levels)
        return found


def _squashed(numbers: Floats) -> Floats:
    """Return numbers up to 1 as they are and logarithms beyond, as `engine.policies.features.squash` does."""
    is_large = np.abs(numbers) > 1
    large = numbers[is_large]
    found = numbers.copy()
    found[is_large] = np.copysign(1 + np.log(np.abs(large)), large)
    return found


def _commonest(codes: Ints) -> Ints:
    """Return the commonest codes, at most MAX_LEVELS."""
    counts = np.bincount(codes[codes >= 0])
    order = np.argsort(-counts, kind="stable")[:MAX_LEVELS]
    return order[counts[order] > 0]
