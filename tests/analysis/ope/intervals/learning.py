"""Logs of a policy that learns, in a world that drifts, with what the target would have earned in each draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.ope.logged import Collection, Logged
from analysis.ope.weighed import Weighed, weighed

BATCHES = 20


@dataclass(frozen=True)
class Run:
    """What draws say of a target, and its true mean after each of them, (n,)."""

    part: Weighed
    truth: Floats


def run(rng, n, rates, *, floor=0.1, wave=0.0, is_difference=False, collection=None, is_whole=True):
    """Return draws of a softmax policy over earlier means with a floor, asked about the last variant.

    Rates (k,) go up and down by the share `wave`; a difference is that from drawing all alike.
    """
    k = len(rates)
    p, q, variant, reward = np.empty((n, k)), np.empty((n, k)), np.empty(n, np.int64), np.empty(n)
    chance = np.clip(np.outer(1 + wave * np.sin(np.linspace(0, 6 * np.pi, n)), rates), 0, 1)
    total, number = np.full(k, float(np.mean(rates))), np.ones(k)
    for rows in np.array_split(np.arange(n), BATCHES):
        mean = total / number
        liking = np.exp((mean - mean.max()) / (mean.std() + 1e-9))
        p[rows], q[rows] = floor / k + (1 - floor) * liking / liking.sum(), mean
        variant[rows] = (p[rows].cumsum(axis=1) > rng.random((len(rows), 1))).argmax(axis=1)
        reward[rows] = rng.random(len(rows)) < chance[rows, variant[rows]]
        total += np.bincount(variant[rows], reward[rows], k)
        number += np.bincount(variant[rows], minlength=k)
    pi = np.tile(np.eye(k)[-1] - (1 / k if is_difference else 0.0), (n, 1))
    log = Logged.of(
        tuple(map(str, range(k))),
        variant,
        reward,
        p[np.arange(n), variant],
        probabilities=p if is_whole else None,
        collection=collection or Collection(value_range=(0.0, 1.0), n_planned=n, is_share=True),
    )
    return Run(weighed(log, pi, q), np.cumsum((pi * chance).sum(axis=1)) / np.arange(1, n + 1))
