"""A world so small that every log of one draw can be written down, each with its probability."""

import numpy as np

from analysis.ope.logged import Logged
from analysis.ope.weighed import weighed
from tests.analysis.ope.estimators.making import names

CONTEXTS = np.array([0.3, 0.7])
"""How often each of two contexts comes."""

LOGGED = np.array([[0.5, 0.2, 0.3], [0.1, 0.1, 0.8]])
TARGET = np.array([[0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])
MEAN = np.array([[0.2, 0.5, 0.9], [0.7, 0.1, 0.4]])
"""By context and variant, (2, 3): the two policies, and how often a reward of 1 comes."""

VALUE = float(CONTEXTS @ (TARGET * MEAN).sum(axis=1))


def every_draw(logged=LOGGED, mean=MEAN):
    """Return all draws (context, variant, reward) as one log, and the context and the probability of each."""
    context, variant, reward = (each.ravel() for each in np.meshgrid(range(2), range(3), range(2), indexing="ij"))
    chance = np.where(reward == 1, mean[context, variant], 1 - mean[context, variant])
    probability = CONTEXTS[context] * logged[context, variant] * chance
    possible = probability > 0
    context, variant, reward = context[possible], variant[possible].astype(np.int64), reward[possible].astype(float)
    whole = logged[context]
    log = Logged.of(names(3), variant, reward, logged[context, variant], probabilities=whole)
    return log, context, probability[possible]


def expected_and_variance(estimator, target=TARGET, predicted=MEAN, logged=LOGGED, mean=MEAN):
    """Return the expected value and the variance of the one term of an estimator."""
    log, context, probability = every_draw(logged, mean)
    (term,) = estimator.terms(weighed(log, target[context], predicted[context]))
    found = float(probability @ term)
    return found, float(probability @ (term - found) ** 2)
