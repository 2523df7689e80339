"""Logs with a known truth, for the tests of intervals."""

from dataclasses import dataclass

import numpy as np

from analysis.ope.logged import Collection, Logged
from analysis.ope.weighed import weighed

FIXED = Collection(is_adaptive=False, value_range=(0.0, 1.0))


@dataclass(frozen=True)
class World:
    """Probabilities, a target, chances of a reward of 1 and predictions, (k,) each; another target for a difference."""

    p: np.ndarray
    pi: np.ndarray
    rate: np.ndarray
    q: np.ndarray
    other: np.ndarray | None = None

    @property
    def asked(self):
        return self.pi if self.other is None else self.pi - self.other

    @property
    def truth(self):
        return float(self.asked @ self.rate)

    @property
    def deviation(self):
        """The true standard deviation of a score."""
        w = self.asked / self.p
        square = self.p @ (w**2 * (self.rate * (1 - self.rate) + (self.rate - self.q) ** 2))
        return float(np.sqrt(square - (self.asked @ (self.rate - self.q)) ** 2))

    def draw(self, n, random, collection=FIXED, *, is_whole=True):
        """Return what n draws say."""
        k = len(self.p)
        variant = random.choice(k, n, p=self.p)
        reward = (random.random(n) < self.rate[variant]).astype(float)
        probabilities = np.tile(self.p, (n, 1)) if is_whole else None
        names = tuple(map(str, range(k)))
        log = Logged.of(names, variant, reward, self.p[variant], probabilities=probabilities, collection=collection)
        return weighed(log, np.tile(self.asked, (n, 1)), np.tile(self.q, (n, 1)))


def always_one_of(k, rate, predicted=None):
    """Return a uniform logger of k variants and a target that always takes the first, all with one rate."""
    q = rate if predicted is None else predicted
    return World(np.full(k, 1 / k), np.eye(k)[0], np.full(k, rate), np.full(k, q))
