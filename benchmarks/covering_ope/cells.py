"""The kinds of logs that are looked at."""

from __future__ import annotations

import numpy as np
from covering_ope.worlds import Amounts, Cell, Floats, Learner, Ratings, Repeats, Spending, World, leaning


def cells() -> list[Cell]:
    """Return all cells: plain ones, rare clicks, amounts, policies that learn, contexts, and logs that say less."""
    return [*_plain(), *_rare(), *_amounts(), *_learned(), *_in_context(), *_poor()]


def _plain() -> list[Cell]:
    even = World.plain(np.array([0.10, 0.12]), np.full(2, 0.5), np.array([0.0, 1.0]))
    tenth = np.array([0.10, 0.09, 0.13, 0.10, 0.11])
    often, high = np.array([0.3, 0.2, 0.4, 0.3, 0.25]), np.array([0.93, 0.90, 0.97, 0.92, 0.95])
    many = np.linspace(0.04, 0.06, 10)
    return [
        Cell("two variants, 2,000 draws", 2_000, even),
        Cell("weights up to 20, 2,000 draws", 2_000, World.plain(often, leaning(5, 0, 0.8), leaning(5, 2, 0.97))),
        Cell("weights up to 20, rates of 10 %", 10_000, World.plain(tenth, leaning(5, 0, 0.8), leaning(5, 2, 0.97))),
        Cell("weights up to 100", 10_000, World.plain(often, leaning(5, 0, 0.96), leaning(5, 2, 0.97))),
        Cell("high rewards, weights up to 20", 5_000, World.plain(high, leaning(5, 0, 0.8), leaning(5, 2, 0.97))),
        Cell("ten variants, 50,000 draws", 50_000, World.plain(many, np.full(10, 0.1), leaning(10, 9, 0.91))),
    ]


def _rare() -> list[Cell]:
    rates = np.full(10, 0.009)
    rates[3] = 0.012
    even, target = np.full(10, 0.1), leaning(10, 3, 0.97)
    return [
        Cell("rare, even", 20_000, World.plain(rates, even, leaning(10, 3, 0.82))),
        Cell("rare, always one of ten", 50_000, World.plain(rates, even, np.eye(10)[3])),
        Cell("rare, weights up to 20", 20_000, World.plain(rates, leaning(10, 0, 0.55), target)),
        Cell("rare, weights up to 100", 50_000, World.plain(rates, leaning(10, 0, 0.91), target)),
    ]


def _amounts() -> list[Cell]:
    logged, target = leaning(4, 0, 0.7), leaning(4, 2, 0.85)
    spent, rated = np.array([2.0, 1.8, 2.6, 2.2]), np.array([0.5, 0.4, 0.7, 0.6])
    return [
        Cell("amounts in a range", 5_000, World.plain(spent, logged, target), Amounts()),
        Cell("ratings in a range", 2_000, World.plain(rated, logged, target), Ratings()),
        Cell("amounts without a range", 10_000, World.plain(spent, logged, target), Spending()),
    ]


def _learned() -> list[Cell]:
    rates, rare = np.array([0.08, 0.10, 0.10, 0.12]), np.array([0.009, 0.009, 0.009, 0.013])
    nothing, slow = np.full(4, 0.25), Learner(0.2, 200)
    quick = Learner(0.1, 100)
    return [
        Cell("Thompson, its best", 10_000, World.plain(rates, nothing, leaning(4, 3, 0.91)), learner=quick),
        Cell("Thompson, its worst", 10_000, World.plain(rates, nothing, np.eye(4)[0]), learner=quick),
        Cell("Thompson, rare", 20_000, World.plain(rare, nothing, leaning(4, 3, 0.91)), learner=slow),
        Cell("Thompson by context, drift", 10_000, _four_contexts(), learner=Learner(0.1, 100, wave=0.5)),
    ]


def _in_context() -> list[Cell]:
    return [
        Cell("context matters", 10_000, _surface()),
        Cell("candidates that vary", 10_000, _candidates()),
        Cell("units that repeat", 10_000, _plainly(np.array([0.2, 0.25, 0.3])), repeats=Repeats(5)),
    ]


def _poor() -> list[Cell]:
    rates = np.array([0.15, 0.10, 0.20])
    bare = World.plain(rates, np.array([0.6, 0.395, 0.0]) / 0.995, np.array([0.3, 0.695, 0.005]))
    return [
        Cell("the logged policy itself", 5_000, _plainly(rates), is_own=True),
        Cell("propensities alone", 10_000, _plainly(rates), is_whole=False),
        Cell("half a percent without support", 10_000, bare),
    ]


def _plainly(rates: Floats) -> World:
    return World.plain(rates, leaning(3, 0, 0.8), leaning(3, 2, 0.9))


def _four_contexts() -> World:
    """Return a world in which each of four contexts has its own best variant, and the target knows it."""
    means = np.full((4, 4), 0.10) + 0.06 * np.eye(4)
    target = np.stack([leaning(4, place, 0.91) for place in range(4)])
    return World(np.array([0.4, 0.3, 0.2, 0.1]), means, np.full((4, 4), 0.25), target, np.eye(4)[:, 1:])


def _surface() -> World:
    """Return a world of two numbers on which all depends: what variants bring, who draws, and who is asked about."""
    first, second = (each.ravel() for each in np.meshgrid(np.linspace(-1, 1, 8), np.linspace(-1, 1, 8)))
    pull = np.stack([first, second, -first, first * second, np.zeros(64)], axis=1)
    means = 0.7 / (1 + np.exp(1.2 - 2 * pull))
    logged = _floored(_softmax(2 * np.roll(pull, 1, axis=1)), 0.3)
    target = _floored(_softmax(8 * pull), 0.05)
    return World(np.full(64, 1 / 64), means, logged, target, np.stack([first, second], axis=1))


def _candidates() -> World:
    """Return a world of a hundred requests with two to eight candidates each, by a liking that the log has not."""
    rng = np.random.default_rng(6)
    eligible = np.arange(8) < rng.integers(2, 9, 100)[:, None]
    liking = rng.standard_normal((100, 8))
    means = 0.3 / (1 + np.exp(1.0 - liking - 0.1 * np.arange(8)))
    logged = _floored(_softmax(liking + rng.standard_normal((100, 8)), eligible), 0.4, eligible)
    target = _floored(_softmax(3 * liking, eligible), 0.05, eligible)
    numbers = np.stack([eligible.sum(axis=1), liking[:, 0]], axis=1)
    return World(np.full(100, 0.01), means, logged, target, numbers.astype(np.float64), eligible)


def _softmax(pull: Floats, eligible: np.ndarray | None = None) -> Floats:
    kept = np.exp(pull) * (1.0 if eligible is None else eligible)
    return np.asarray(kept / kept.sum(axis=1, keepdims=True))


def _floored(p: Floats, floor: float, eligible: np.ndarray | None = None) -> Floats:
    could_be = np.ones(p.shape) if eligible is None else eligible
    return np.asarray((1 - floor) * p + floor * could_be / could_be.sum(axis=1, keepdims=True))
