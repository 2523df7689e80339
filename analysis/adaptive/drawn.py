"""The draws of a policy that learns, in the order of the log, with all that the log says of how they were drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Flags, Floats, Ints


@dataclass(frozen=True, slots=True)
class Context:
    """What was known of each draw beforehand: `numbers` (n, c), NaN where missing; `codes` (n, d), -1 where missing."""

    numbers: Floats
    codes: Ints

    @classmethod
    def none(cls, n: int) -> Context:
        """Return a context without fields."""
        return cls(np.zeros((n, 0)), np.zeros((n, 0), np.int64))

    def __getitem__(self, rows: slice | Ints | Flags) -> Context:
        return Context(self.numbers[rows], self.codes[rows])

    @property
    def n_fields(self) -> int:
        """How many fields there are."""
        return int(self.numbers.shape[1] + self.codes.shape[1])


@dataclass(frozen=True, slots=True)
class Drawn:
    """Draws whose value is known, in the order of the log; arrays are (n,), `patterns` is (n_patterns, n_variants).

    `pattern` is the row of `patterns` from which it was drawn: exact probabilities, 0 for what was not eligible.
    `propensity` is that of the variant that was drawn.
    """

    variant: Ints
    values: Floats
    pattern: Ints
    patterns: Floats
    propensity: Floats
    context: Context

    @classmethod
    def of(
        cls, variant: Ints, values: Floats, pattern: Ints, patterns: Floats, context: Context | None = None
    ) -> Drawn:
        """Return draws with their propensities; distributions that no draw is of are left out."""
        is_used = np.bincount(pattern, minlength=len(patterns)) > 0
        index = (np.cumsum(is_used) - 1)[pattern]
        used = patterns[is_used]
        return cls(variant, values, index, used, used[index, variant], context or Context.none(len(values)))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | Ints | Flags) -> Drawn:
        columns = self.variant[rows], self.values[rows], self.pattern[rows]
        return Drawn(*columns, self.patterns, self.propensity[rows], self.context[rows])

    @property
    def n_variants(self) -> int:
        """How many variants there are, drawn or not."""
        return int(self.patterns.shape[1])

    def could_be(self, variants: Sequence[int]) -> Flags | slice:
        """Return the draws that could have been each of the variants: which they are, (n,), or all of them."""
        possible = np.asarray((self.patterns[:, variants] > 0).all(axis=1))
        return slice(None) if possible.all() else possible[self.pattern]
