"""Journeys drawn at random, of units that have several each and differ in how likely they convert."""

import numpy as np

from analysis.attribution.journeys import Journeys


def drawn(random, n_units=300, p=4, rate=0.2, direct=0.2):
    """Journeys of about so many units (Poisson), one to three each; a share `direct` of them has no touch."""
    unit = np.repeat(np.arange(random.poisson(n_units)), 2)
    unit = unit[random.random(len(unit)) < 0.75]
    n = len(unit)
    lengths = np.where(random.random(n) < direct, 0, random.integers(1, 4, n))
    popularity = 1 / np.arange(1, p + 1)
    touchpoint = random.choice(p, lengths.sum(), p=popularity / popularity.sum())
    # The first touchpoints work, and some units convert anyway.
    eager = random.gamma(2, 0.5, unit.max(initial=0) + 1)[unit]
    works = np.bincount(np.repeat(np.arange(n), lengths), touchpoint < 2, n)
    won = (random.random(n) < np.minimum(rate * eager * (1 + works), 1)).astype(float)
    names = tuple(f"t{place}" for place in range(p))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    age_s = random.exponential(86_400 * 5, len(touchpoint))
    # Each process has units of its own, so that groups differ from one to the next.
    return Journeys(
        names, starts, touchpoint, won, won * random.lognormal(2, 0.5, n), unit + random.integers(1 << 40), age_s
    )
