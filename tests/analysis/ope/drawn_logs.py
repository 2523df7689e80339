"""Logs that were drawn from known distributions, for what they say of a target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.adaptive.drawn import Context
from analysis.arrays import Floats, Ints
from analysis.ope.logged import Collection, Logged
from analysis.ope.support import Evidence
from analysis.ope.weighed import weighed

NAMES = tuple("abcdefghijklmnop")
CLICKS = Collection(is_adaptive=False, value_range=(0.0, 1.0), is_share=True)


def drawn(
    probabilities: Floats,
    rates: Floats | float,
    seed: int = 0,
    collection: Collection = CLICKS,
    *,
    with_all: bool = True,
) -> Logged:
    """Return clicks of draws from distributions (n, k), at rates by variant (k,), with whole distributions or not."""
    rng = np.random.default_rng([7, seed])
    n, k = probabilities.shape
    variant = (probabilities.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    reward = (rng.random(n) < np.broadcast_to(rates, k)[variant]).astype(float)
    propensity = probabilities[np.arange(n), variant]
    known = probabilities if with_all else None
    return Logged.of(NAMES[:k], variant, reward, propensity, probabilities=known, collection=collection)


def with_texts(log: Logged, codes: Ints, words: tuple[str, ...], name: str = "device") -> Logged:
    """Return the log with one field of text."""
    context = Context(np.zeros((len(log), 0)), codes[:, None])
    return replace(log, context=context, texts=(name,), words=(words,))


def with_numbers(log: Logged, numbers: Floats, name: str = "flag") -> Logged:
    """Return the log with one field of numbers."""
    context = Context(numbers[:, None], np.zeros((len(log), 0), np.int64))
    return replace(log, context=context, numbers=(name,))


def evidence(log: Logged, target: Floats, n: int = 1 << 16) -> Evidence:
    """Return what a log says of a target, a distribution (k,) or one of each draw, gathered block by block."""
    whole = np.broadcast_to(target, (len(log), log.k))
    found, start = Evidence(log.collection), 0
    for block in log.blocks(n):
        found.add(block, weighed(block, np.ascontiguousarray(whole[start : start + len(block)])))
        start += len(block)
    return found


def even(n: int, k: int) -> Floats:
    """Return even distributions, (n, k)."""
    return np.full((n, k), 1 / k)


def always(place: int, k: int) -> Floats:
    """Return the distribution of always the same variant, (k,)."""
    return np.eye(k)[place]


def said(found: Evidence) -> str:
    """Return all reasons of the verdict in English."""
    return "; ".join(map(str, found.verdict().reasons))
