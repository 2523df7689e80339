"""Draws with all that is needed to say what another policy would have earned; every door into evaluation makes these.

A log is a `Logged`, or an iterable of them, which is read once. See `analysis.ope.checking` for what is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace

import numpy as np

from analysis.adaptive.drawn import Context
from analysis.arrays import Flags, Floats, Ints
from analysis.document import Count
from analysis.sequential.asymptotic import N_TIGHTEST
from analysis.texts import Name, Text, text
from engine.experiments import Variant
from engine.records import Context as Fields

BLOCK = 1 << 16
"""So many draws are looked at at once: a table of them by variant stays small."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a policy is asked about a draw: its context, and the variants that it was among."""

    context: Fields
    eligible: tuple[Variant, ...]


Ask = Callable[[Ints], Iterator[Question]]
"""Yields the questions of draws by their `row`, in that order."""


@dataclass(frozen=True, slots=True)
class Collection:
    """How a log was collected, known before its first draw.

    Where a policy learned while it was collected, or nobody knows, `is_adaptive`. `value_range` is the least and the
    most that one draw can bring, None where nothing is declared; `least` the least probability that a policy gave any
    eligible variant, None where no floor is declared. An answer has up to `n_slots` draws. Sequences are tightest after
    `n_planned` draws. `estimand` says what a reward is, `is_share` whether it is 0 or 1.
    """

    is_adaptive: bool = True
    value_range: tuple[float, float] | None = None
    least: float | None = None
    n_planned: int = N_TIGHTEST
    is_share: bool = False
    estimand: Text = field(default_factory=lambda: text("ope.reward"))
    n_slots: int = 1

    @property
    def of_answers(self) -> Collection:
        """How whole answers were collected: one brings what its draws bring together.

        >>> Collection(value_range=(0.0, 1.0), n_slots=3).of_answers.value_range
        (0.0, 3.0)
        """
        if self.n_slots == 1:
            return self
        bounds = None
        if self.value_range is not None:
            least, most = self.value_range
            bounds = min(least, self.n_slots * least), max(most, self.n_slots * most)
        estimand = text("ope.of_answer", reward=self.estimand)
        return replace(self, value_range=bounds, least=None, is_share=False, estimand=estimand)


@dataclass(frozen=True, slots=True)
class Logged:
    """Draws in the order in which they were made, of `variants` (k,); arrays are (n,) unless it is said.

    `variant` is a place among the variants, or where a request brings candidates, in the order of what was eligible.
    `propensity` is that of the drawn one. `patterns` (n_patterns, k) are whole distributions and `pattern` which one a
    draw is of; None where the log has the propensity alone. `eligible` (n_patterns, k) says what could be drawn,
    whether it has a probability or not; None where everything could. `logger` numbers the policies that drew, where
    there were several.

    `context` has columns: numbers and flags called `numbers`, texts called `texts`, whose codes are places in `words`.
    `ask` yields the questions themselves. `unit` says which draws are of one unit, `at` when they were made, in
    microseconds, `row` where they are in what was read: a place, a line, or a seq. `slate` says which draws fill one
    answer, one after the other, and `slot` the position of each; a draw alone is a slate by itself.

    `left_out` are draws that could not be used, and why; `n_open` are not here because their windows were still open.
    `beside` is what the log has beside draws to be evaluated.
    """

    variants: tuple[Name, ...]
    variant: Ints
    reward: Floats
    propensity: Floats
    unit: Ints
    at: Ints
    row: Ints
    slate: Ints
    slot: Ints
    logger: Ints
    collection: Collection
    context: Context
    numbers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()
    pattern: Ints | None = None
    patterns: Floats | None = None
    eligible: Flags | None = None
    ask: Ask | None = None
    left_out: tuple[Count, ...] = ()
    beside: tuple[Count, ...] = ()
    n_open: int = 0

    @classmethod
    def of(
        cls,
        variants: tuple[Name, ...],
        variant: Ints,
        reward: Floats,
        propensity: Floats,
        *,
        probabilities: Floats | None = None,
        collection: Collection | None = None,
        context: Context | None = None,
    ) -> Logged:
        """Return draws of different units, one after the other; `probabilities` (n, k) are whole distributions.

        >>> log = Logged.of(("a", "b"), np.array([0, 1]), np.array([1.0, 0.0]), np.array([0.5, 0.5]))
        >>> len(log), log[1:].variant.tolist()
        (2, [1])
        """
        n = len(variant)
        index, known = np.arange(n), context or Context.none(n)
        return cls(
            variants=variants,
            variant=variant,
            reward=reward,
            propensity=propensity,
            unit=index,
            at=index,
            row=index,
            slate=index,
            slot=np.zeros(n, np.int64),
            logger=np.zeros(n, np.int64),
            collection=collection or Collection(),
            context=known,
            numbers=tuple(f"x{place}" for place in range(1, known.numbers.shape[1] + 1)),
            texts=tuple(f"t{place}" for place in range(1, known.codes.shape[1] + 1)),
            words=tuple(tuple(map(str, range(int(codes.max(initial=-1)) + 1))) for codes in known.codes.T),
            pattern=None if probabilities is None else index,
            patterns=probabilities,
        )

    def __len__(self) -> int:
        return len(self.variant)

    def __getitem__(self, rows: slice | Ints | Flags) -> Logged:
        chosen = {name: getattr(self, name)[rows] for name in _BY_DRAW}
        pattern = None if self.pattern is None else self.pattern[rows]
        return replace(self, **chosen, pattern=pattern, left_out=(), beside=(), n_open=0)

    def blocks(self, n: int = BLOCK) -> Iterator[Logged]:
        """Yield the draws in their order, some `n` at once; a slate stays in one piece."""
        start = 0
        while start < len(self):
            end = min(start + n, len(self))
            while end < len(self) and self.slate[end] == self.slate[end - 1]:
                end += 1
            yield self[start:end]
            start = end

    @property
    def longest_slate(self) -> int:
        """How many draws fill the answer that has most of them."""
        starts = np.flatnonzero(np.diff(self.slate, prepend=-1, append=-1))
        return int(np.diff(starts).max(initial=1))

    @property
    def k(self) -> int:
        """How many variants there are, drawn or not."""
        return len(self.variants)

    @property
    def probabilities(self) -> Floats | None:
        """The logged distributions, (n, k), 0 for what was not eligible; None where the log has propensities alone."""
        if self.patterns is None or self.pattern is None:
            return None
        return np.asarray(self.patterns[self.pattern])

    @property
    def could_be(self) -> Flags:
        """Which variants were eligible, (n, k): all where nothing else is said, also those of probability 0.

        A policy may then put weight where the log has none, and the verdict says how much.
        """
        if self.pattern is None or self.eligible is None:
            return np.ones((len(self), self.k), np.bool_)
        return np.asarray(self.eligible[self.pattern])

    def questions(self) -> Iterator[Question]:
        """Yield what a policy is asked about each draw: as the log has it, or the columns of the context by name."""
        return self.ask(self.row) if self.ask is not None else _from_columns(self)

    def placed(self) -> Iterator[tuple[Question, list[int]]]:
        """Yield the question of each draw, with the place of each of its eligible variants among those of the log.

        They are found by name, or where a request brings candidates, they stand in the order of what was eligible.

        >>> log = Logged.of(("a", "b"), np.array([0]), np.ones(1), np.array([0.5]))
        >>> [places for _, places in log.placed()]
        [[0, 1]]
        """
        known = {str(name): place for place, name in enumerate(self.variants)}
        last: tuple[Variant, ...] = ()
        places: list[int] = []
        for question, could_be in zip(self.questions(), self.could_be, strict=True):
            if question.eligible is not last:
                last = question.eligible
                places = [known.get(variant.name, -1) for variant in last]
            yield question, np.flatnonzero(could_be)[: len(last)].tolist() if -1 in places else places


_BY_DRAW = tuple(
    each.name
    for each in fields(Logged)
    if each.name in ("variant", "reward", "propensity", "unit", "at", "row", "slate", "slot", "logger", "context")
)


def _from_columns(log: Logged) -> Iterator[Question]:
    variants = [Variant(str(name)) for name in log.variants]
    known: dict[bytes, tuple[Variant, ...]] = {}
    for place, could_be in enumerate(log.could_be):
        which = could_be.tobytes()
        if which not in known:
            known[which] = tuple(variant for variant, can in zip(variants, could_be, strict=True) if can)
        yield Question(_fields(log, place), known[which])


def _fields(log: Logged, place: int) -> Fields:
    """Return a draw's context by name, without what is missing."""
    numbers = zip(log.numbers, log.context.numbers[place].tolist(), strict=True)
    texts = zip(log.texts, log.words, log.context.codes[place].tolist(), strict=True)
    return {
        **{name: number for name, number in numbers if not math.isnan(number)},
        **{name: words[code] for name, words, code in texts if code >= 0},
    }
