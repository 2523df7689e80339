"""Counts by variant and set: a whole log raises no alarm at any look, and a loss is found where it is, and soon."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.arrays import Flags, Floats, Ints
from analysis.checks.counting import LEVEL, Counts, Drawn, Part, compared, sets_of
from analysis.sequential.shifts import share_of

DEVICES = ("phone", "tablet", "desktop")


class Log:
    """Draws of a policy that learns: of each device and each 300 draws, which are a snapshot, another distribution."""

    def __init__(self, chance: np.random.Generator, n: int, k: int, share: float | None = None) -> None:
        self.device, self.snapshot = chance.integers(3, size=n), np.arange(n) // 300
        learned: Floats = 0.1 / k + 0.9 * chance.dirichlet(np.ones(k), size=3 * (n // 300 + 1))
        self.patterns = learned if share is None else np.tile([share, *[(1 - share) / (k - 1)] * (k - 1)], (3 * n, 1))
        self.pattern = 3 * self.snapshot + self.device
        below = chance.random(n)[:, None] > np.cumsum(self.patterns[self.pattern], axis=1)
        self.variant: Ints = np.minimum(below.sum(axis=1), k - 1)

    def found(self, kept: Flags | slice) -> Counts:
        names = tuple(f"v{place}" for place in range(self.patterns.shape[1]))
        drawn = Drawn(names, self.variant[kept], self.pattern[kept], self.patterns)
        snapshots = [f"s{number}" for number in range(self.snapshot.max() + 1)]
        parts: list[Part] = [(self.device[kept], DEVICES), (self.snapshot[kept], snapshots)]
        return compared(drawn, parts)


def test_whole_logs_raise_no_alarm_at_ten_looks() -> None:
    """By Ville's inequality at most LEVEL of them do, and at most a share x has a p-value of at most x at any look.

    Of 200 logs none may reach LEVEL, which chance explains in 82 % at the bound itself; and of p-values below 0.05, at
    most 18 are within 2.6 standard errors of the 10 that the bound allows.
    """
    chance = np.random.default_rng(8)
    least = []
    for number in range(200):
        log = Log(chance, 2_000, (2, 4, 10)[number % 3])
        p_values = [log.found(slice(look)).p_value for look in range(200, 2_001, 200)]
        least.append(min(p_value for p_value in p_values if p_value is not None))
    assert min(least) > LEVEL
    assert sum(p_value <= 0.05 for p_value in least) <= 18


@pytest.mark.parametrize(
    ("lost", "share", "where"), [(0.1, 0.5, "all"), (0.1, 0.25, "all"), (0.3, 0.25, "tablet"), (1.0, 0.25, "tablet")]
)
def test_a_loss_is_found_soon(lost: float, share: float, where: str) -> None:
    """Against theory: the evidence grows by KL(p', p) a draw that it is in, with p' what a loss leaves.

    It must reach log(1 / LEVEL) and what sets, variants and tilts share, some 17 nats in all. It does in at most twice
    the draws that take it there on average.
    """
    left = (1 - lost) * share / (1 - lost * share)
    grows = (left * np.log(left / share) if left else 0.0) + (1 - left) * np.log((1 - left) / (1 - share))
    within = round(2 * 17 / grows * (1 if where == "all" else len(DEVICES)))
    chance = np.random.default_rng(4)
    log = Log(chance, within, 4, share)
    is_hit = (log.variant == 0) & ((where == "all") | (log.device == 1)) & (chance.random(within) < lost)
    alarms = log.found(~is_hit).alarms
    strongest = next(alarm for alarm in alarms if alarm.variant == "v0")
    assert str(strongest.among) == ("all draws" if where == "all" else where)
    assert strongest.observed < strongest.expected


def test_what_comes_later_takes_nothing_from_what_came_before() -> None:
    """A set has the same number, and so the same share of the error, at a later look, whatever words came since."""
    first, second = np.array([0, 0, 1, 2, 3]), np.array([0, 1, 1, 1, 2])
    for n in range(1, 5):
        before, after = (sets_of([(first[:m], "abcd"), (second[:m], "xyz")]) for m in (n, 5))
        assert after.names[: len(before.names)] == before.names


def test_a_variant_that_comes_later_takes_nothing_from_the_others() -> None:
    """By itself: the evidence against two variants is the same, whether or not a third one joins them afterwards."""
    chance = np.random.default_rng(5)
    variant = np.concatenate([chance.choice(2, 600, p=[0.7, 0.3]), np.full(400, 2)])
    joined = Drawn(
        ("a", "b", "c"), variant, np.repeat([0, 1], [600, 400]), np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    )
    alone = Drawn(("a", "b"), variant[:600], np.zeros(600, np.int64), np.array([[0.5, 0.5]]))
    p_values = [compared(each, []).p_value for each in (joined, alone)]
    assert p_values[0] == pytest.approx(p_values[1])


def test_the_shares_of_all_sets_sum_to_one() -> None:
    assert share_of(np.arange(100_000)).sum() == pytest.approx(1.0, abs=2e-5)


def test_a_few_draws_are_not_tested() -> None:
    found = Log(np.random.default_rng(1), 99, 2).found(slice(None))
    assert (found.n, found.p_value, found.alarms) == (99, None, ())
    assert str(found) == "Counts were not checked: 99 draws can be, and 100 are needed."
