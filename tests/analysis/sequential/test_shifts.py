"""The e-process of a constant mean: against its definition, false alarms at any look, and how soon it sees a change."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.sequential import shifts
from analysis.sequential.shifts import RATES, Stream

ALPHA = 0.05


def stream(values, weight=None):
    """Return plain residuals from the mean so far; `weight` (n,) has the mean 1 and is known before each value."""
    n = len(values)
    weight = np.ones(n) if weight is None else weight
    predicted = (np.concatenate([[0.0], np.cumsum(values)[:-1]]) + 0.5) / (np.arange(n) + 1.0)
    return Stream(weight * (values - predicted), np.ones(n), predicted, np.full(n, weight.max()))


def log_e(values, weight=None):
    return shifts.shift(shifts.of_rows(stream(values, weight), shifts.places(len(values)))).log_e


def test_against_the_definition_read_aloud():
    """The least over a fine grid of means, of the mean over places, of the product of both sides' mean wealth."""
    chance = np.random.default_rng(3)
    values = chance.random(600) ** 2
    weight = chance.uniform(0.5, 1.5, 600)
    rows, places = stream(values, weight), shifts.places(600)
    found = shifts.shift(shifts.of_rows(rows, places))
    bets = [sign * rate / weight.max() for rate in RATES for sign in (1, -1)]

    def wealth(part, mean):
        each = [(1 + bet * rows.residual[part]) * np.exp(-bet * (mean - rows.predicted[part])) for bet in bets]
        return np.mean([factors.prod() for factors in each])

    def whole(mean):
        shares = [1 / ((number + 1) * (number + 2)) for number in range(len(places))]
        sides = [(slice(None, place), slice(place, None)) for place in places]
        return sum(share * wealth(a, mean) * wealth(b, mean) for share, (a, b) in zip(shares, sides, strict=True))

    assert found.log_e == pytest.approx(np.log(min(whole(mean) for mean in np.linspace(0.2, 0.5, 61))), abs=0.01)


def test_counts_by_part_come_to_what_their_rows_come_to():
    chance = np.random.default_rng(4)
    values = (chance.random(1000) < 0.3).astype(float)
    part = np.repeat(np.arange(5), 200)
    predicted = np.array([0.5, 0.3, 0.25, 0.28, 0.31])
    ones = np.ones(1000)
    rows = Stream(values - predicted[part], ones, predicted[part], ones)
    segment = np.array([0, 0, 1, 1, 2])
    counts = shifts.of_counts(np.bincount(part, values), np.full(5, 200.0), predicted, segment)
    by_row = shifts.of_rows(rows, np.array([400, 800]))
    for name in ("growth", "pull", "offset", "mass", "total"):
        assert getattr(counts, name) == pytest.approx(getattr(by_row, name))
    assert shifts.shift(counts).log_e == pytest.approx(shifts.shift(by_row).log_e)


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.9])
def test_a_constant_mean_seldom_alarms_at_any_of_many_looks(rate):
    """Of 200 streams at most ALPHA may ever alarm; the 0.999 quantile of a binomial of these is 21.

    Weights are as heavy as those of a policy that learns: 10 one time in ten.
    """
    chance = np.random.default_rng(5)
    alarms = 0
    for _ in range(200):
        values = (chance.random(3000) < rate).astype(float)
        weight = np.where(chance.random(3000) < 0.1, 10.0, 0.0)
        looks = range(400, 3001, 400)
        alarms += max(log_e(values[:n], weight[:n]) for n in looks) >= np.log(1 / ALPHA)
    assert alarms <= 21


def test_a_mean_that_falls_is_seen_and_placed():
    """From 0.3 to 0.1 after 4,000 rows: the evidence passes 1,000,000 within 600 rows, and points at the change."""
    chance = np.random.default_rng(6)
    values = np.concatenate([chance.random(4000) < 0.3, chance.random(600) < 0.1]).astype(float)
    assert log_e(values[:4000]) < 1
    found = shifts.shift(shifts.of_rows(stream(values), shifts.places(len(values))))
    assert found.log_e > np.log(1e6)
    assert abs(int(shifts.places(len(values))[found.place]) - 4000) < 300
    assert (round(found.before, 1), round(found.since, 1)) == (0.3, 0.1)


def test_shares_of_all_places_are_the_whole():
    assert shifts.share_of(np.arange(100_000)).sum() == pytest.approx(1, abs=1e-4)
