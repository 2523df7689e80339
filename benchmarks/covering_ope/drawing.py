"""A log drawn from a world, with what is true of it: what the target earns, and how well that could be known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from covering_ope.worlds import Cell, Floats, Ints

from analysis import ope
from analysis.adaptive.drawn import Context
from analysis.ope.targets.base import Target

ESTIMANDS = ("value", "difference")
"""What is asked: of the target, and of how much more it earns than the logged policy."""


@dataclass(frozen=True)
class Made:
    """A log and its truth: of each draw the `context` and the `batch` (n,), and what it brings in the mean, (n, k).

    `patterns` (b, c, k) are the logger's distributions by batch and context; of a fixed one there is one batch. `waves`
    (b,) is what all means are multiplied by.
    """

    cell: Cell
    log: ope.Logged
    context: Ints
    batch: Ints
    means: Floats
    patterns: Floats
    waves: Floats

    def __len__(self) -> int:
        return len(self.context)

    @property
    def asked(self) -> Target:
        """The policy that is asked about."""
        return ope.as_logged() if self.cell.is_own else ope.given(self.target)

    @cached_property
    def logged(self) -> Floats:
        """The distribution of each draw, (n, k)."""
        return np.asarray(self.patterns[self.batch, self.context])

    @cached_property
    def target(self) -> Floats:
        """The target's, (n, k)."""
        return self.logged if self.cell.is_own else self.cell.world.target[self.context]

    def weights(self, estimand: str) -> Floats:
        """Return what multiplies means in the estimand, (n, k)."""
        return self.target if estimand == "value" else self.target - self.logged

    def truth(self, estimand: str) -> float:
        """Return the expected value over contexts: of all logs, or where the policy learns, of all that it learned so.

        The interval for one look is of this, so that it has to know that contexts come by chance.
        """
        world = self.cell.world
        target = self.patterns if self.cell.is_own else world.target[None]
        weights = target - (0.0 if estimand == "value" else 1.0) * self.patterns
        by_batch = np.einsum("c,bck,ck->b", world.shares, weights, world.means) * self.waves
        return float(by_batch.mean())

    def truths(self, estimand: str) -> Floats:
        """Return the mean over the draws so far, (n,), given their contexts: intervals for any look are of these."""
        each = np.einsum("nk,nk->n", self.weights(estimand), self.means)
        return np.cumsum(each) / np.arange(1, len(self) + 1)

    def oracle(self, estimand: str) -> float:
        """Return the standard error of the mean doubly robust score by who knows the true means of each context.

        It is the root of (the mean of sum_a w_a**2 / p_a var(r | a) + the variance of sum_a w_a q_a) / n, with w the
        target, or less the logged policy. Of a difference to an unknown distribution the latter sum is that of the
        target less q of what was drawn. Units that repeat differ beyond what the context says.
        """
        cell, weights = self.cell, self.weights(estimand)
        q = cell.world.means[self.context] * self.waves[self.batch, None]
        squares = np.divide(weights**2, self.logged, out=np.zeros_like(weights), where=self.logged > 0)
        noise = np.einsum("nk,nk->n", squares, cell.reward.variance(q)).mean()
        between = self._between(estimand, q)
        if cell.repeats is not None:
            within = cell.repeats.variance(weights[0], cell.world.means[0])
            between += (cell.repeats.n_draws - 1) * within
        return float(np.sqrt((noise + between) / len(self)))

    def _between(self, estimand: str, q: Floats) -> float:
        if estimand == "value" or self.cell.is_whole:
            return float(np.einsum("nk,nk->n", self.weights(estimand), q).var())
        off = np.einsum("nk,nk->n", self.target, q)[:, None] - q
        mean = np.einsum("nk,nk->", self.logged, off) / len(self)
        return float(np.einsum("nk,nk->", self.logged, off**2) / len(self) - mean**2)


def made(cell: Cell, rng: np.random.Generator) -> Made:
    """Return a log of a cell."""
    world, n = cell.world, cell.n
    context = rng.choice(len(world.shares), n, p=world.shares)
    batch = np.zeros(n, np.int64) if cell.learner is None else np.arange(n) // cell.learner.batch
    unit = np.arange(n) if cell.repeats is None else cell.repeats.units(n, rng)
    factors = 1.0 if cell.repeats is None else cell.repeats.factors(int(unit.max()) + 1, world.k, rng)[unit]
    waves = _waves(cell, int(batch[-1]) + 1)
    means = world.means[context] * factors * waves[batch, None]
    variant, reward, patterns = (
        _fixed(cell, context, means, rng) if cell.learner is None else _learned(cell, context, means, rng)
    )
    blank = Made(cell, _log(cell, context, variant, reward), context, batch, means, patterns, waves)
    return replace(blank, log=replace(_with_chances(blank), unit=unit))


def _waves(cell: Cell, n_batches: int) -> Floats:
    height = 0.0 if cell.learner is None else cell.learner.wave
    return np.asarray(1 + height * np.sin(np.linspace(0, 4 * np.pi, n_batches)))


_Drawn = tuple[Ints, Floats, Floats]


def _fixed(cell: Cell, context: Ints, means: Floats, rng: np.random.Generator) -> _Drawn:
    variant = _variants(cell.world.logged[context], rng)
    return variant, cell.reward.drawn(means[np.arange(len(context)), variant], rng), cell.world.logged[None]


def _learned(cell: Cell, context: Ints, means: Floats, rng: np.random.Generator) -> _Drawn:
    learner = cell.learner
    assert learner is not None
    n, patterns = len(context), []
    variant, reward = np.zeros(n, np.int64), np.zeros(n)
    won, lost = np.zeros((2, *cell.world.means.shape))
    for start in range(0, n, learner.batch):
        rows = np.arange(start, min(start + learner.batch, n))
        patterns.append(learner.probabilities(won, lost, rng))
        variant[rows] = _variants(patterns[-1][context[rows]], rng)
        reward[rows] = cell.reward.drawn(means[rows, variant[rows]], rng)
        np.add.at(won, (context[rows], variant[rows]), reward[rows])
        np.add.at(lost, (context[rows], variant[rows]), 1 - reward[rows])
    return variant, reward, np.stack(patterns)


def _variants(p: Floats, rng: np.random.Generator) -> Ints:
    """Return a draw from each distribution, (n,)."""
    ends = p.cumsum(axis=1)
    # Times the last end, so that rounding never leads beyond it, nor to what has no probability.
    return np.asarray((ends <= rng.random((len(p), 1)) * ends[:, -1:]).sum(axis=1))


def _log(cell: Cell, context: Ints, variant: Ints, reward: Floats) -> ope.Logged:
    """Return a log that does not say yet how it was drawn."""
    how = ope.Collection(
        is_adaptive=cell.learner is not None, value_range=cell.reward.value_range, is_share=cell.reward.is_share
    )
    known = Context(cell.world.numbers[context], np.zeros((len(context), 0), np.int64))
    names = tuple(f"v{place}" for place in range(cell.world.k))
    return ope.Logged.of(names, variant, reward, np.ones(len(context)), collection=how, context=known)


def _with_chances(made: Made) -> ope.Logged:
    """Return the log with propensities, and with whole distributions where the cell has them."""
    world, log = made.cell.world, made.log
    log = replace(log, propensity=made.patterns[made.batch, made.context, log.variant])
    if not made.cell.is_whole:
        return log
    eligible = None if world.eligible is None else np.tile(world.eligible, (len(made.patterns), 1))
    pattern = made.batch * len(world.shares) + made.context
    return replace(log, pattern=pattern, patterns=made.patterns.reshape(-1, world.k), eligible=eligible)
