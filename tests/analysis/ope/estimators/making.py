"""Logs, targets and predictions that the tests of estimators share."""

from pathlib import Path

import numpy as np

from analysis.ope.estimators.clipped import Clipped
from analysis.ope.estimators.clipped_dr import ClippedDr
from analysis.ope.estimators.cressie_read import CressieRead
from analysis.ope.estimators.dm import Dm
from analysis.ope.estimators.dr import Dr
from analysis.ope.estimators.dros import DrOs
from analysis.ope.estimators.ips import Ips
from analysis.ope.estimators.sndr import Sndr
from analysis.ope.estimators.snips import Snips
from analysis.ope.estimators.sub_gaussian import SubGaussian
from analysis.ope.estimators.sub_gaussian_dr import SubGaussianDr
from analysis.ope.estimators.switch_dr import SwitchDr
from analysis.ope.logged import Logged
from analysis.ope.weighed import weighed

DATA = Path(__file__).parents[5] / "shared" / "data" / "obd"
"""The Open Bandit sample, where it is beside the repository."""

EVERY = [
    Ips(),
    Snips(),
    Clipped(1.5),
    SubGaussian(0.3),
    ClippedDr(1.5),
    SubGaussianDr(0.3),
    Dm(),
    Dr(),
    Sndr(),
    SwitchDr(1.5),
    DrOs(2.0),
    CressieRead(),
    CressieRead(largest=40.0, n=200),
    CressieRead(n=200),
]
NAMES = [f"{each.name}_{number}" for number, each in enumerate(EVERY)]


def distributions(rng, n, k, least=0.05):
    found = rng.dirichlet(np.ones(k), n)
    return found * (1 - k * least) + least


def drawn(rng, probabilities):
    chosen = (probabilities.cumsum(axis=1) > rng.random((len(probabilities), 1))).argmax(axis=1)
    return chosen.astype(np.int64)


def case(seed, n=200, k=4):
    """Return a log with whole distributions, a target (n, k) and predictions (n, k)."""
    rng = np.random.default_rng(seed)
    p = distributions(rng, n, k)
    variant = drawn(rng, p)
    reward = rng.random(n) * (rng.random(n) < 0.5)
    log = Logged.of(names(k), variant, reward, p[np.arange(n), variant], probabilities=p)
    return log, rng.dirichlet(np.ones(k), n), rng.random((n, k))


def names(k):
    return tuple(f"v{place}" for place in range(k))


def part_of(seed, n=200, k=4):
    log, target, predicted = case(seed, n, k)
    return weighed(log, target, predicted)


def estimate(estimator, part):
    return estimator.value(np.array([term.mean() for term in estimator.terms(part)]))
