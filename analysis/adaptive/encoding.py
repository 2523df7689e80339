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

    def columns(self, context: Context) -> Floats:
        """Return a constant and the columns of a context, (n, 1 + k); what is missing is at the centre of a number."""
        standard = np.clip((_squashed(context.numbers) - self.centre) / self.scale, -_FURTHEST, _FURTHEST)
        texts = [codes[:, None] == levels for codes, levels in zip(context.codes.T, self.levels, strict=True)]
        return np.hstack([np.ones((len(standard), 1)), np.nan_to_num(standard), *texts])


def _squashed(numbers: Floats) -> Floats:
    """Return numbers up to 1 as they are and logarithms beyond, as `engine.policies.features.squash` does."""
    size = np.abs(numbers)
    return np.where(size > 1, np.sign(numbers) * (1 + np.log(np.maximum(size, 1))), numbers)


def _commonest(codes: Ints) -> Ints:
    """Return the commonest codes, at most MAX_LEVELS."""
    counts = np.bincount(codes[codes >= 0])
    order = np.argsort(-counts, kind="stable")[:MAX_LEVELS]
    return order[counts[order] > 0]
