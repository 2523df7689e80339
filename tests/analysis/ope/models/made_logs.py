"""Logs of which it is known what each variant brings in each context."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit

from analysis.adaptive.drawn import Context
from analysis.ope.logged import Logged, Question
from engine.experiments import Variant

N = 1500
K = 3
WORDS = ("phone", "desktop", "tablet")


def truth(log, k=K):
    """What each variant brings on average, (n, k): a number and a text decide, for every second variant in reverse."""
    number, code = log.context.numbers[:, 0], log.context.codes[:, 0]
    signs = np.where(np.arange(k) % 2, -1.0, 1.0)
    return expit(1.5 * number[:, None] * signs + np.arange(k) - 1.0 + (code == 1)[:, None])


def bare(n=N, k=K, seed=0):
    """Draws from even chances without rewards."""
    random = np.random.default_rng(seed)
    context = Context(random.normal(size=(n, 2)), random.integers(-1, len(WORDS), (n, 1)))
    names = tuple(f"variant {place}" for place in range(k))
    log = Logged.of(names, random.integers(0, k, n), np.zeros(n), np.full(n, 1 / k), context=context)
    log = replace(log, numbers=("visits", "age"), texts=("device",), words=(WORDS,))
    return replace(log, pattern=np.zeros(n, np.int64), patterns=np.full((1, k), 1 / k))


def clicks(n=N, k=K, seed=0):
    """Draws from even chances; rewards are 0 or 1."""
    log, random = bare(n, k, seed), np.random.default_rng([seed, 1])
    chance = truth(log, k)[np.arange(n), log.variant]
    return replace(log, reward=(random.random(n) < chance).astype(np.float64))


def baskets(n=N, k=K, seed=0):
    """Draws from even chances; rewards are amounts from 10 to 20 or so, around the truth."""
    log, random = bare(n, k, seed), np.random.default_rng([seed, 1])
    return replace(log, reward=10 + 10 * truth(log, k)[np.arange(n), log.variant] + random.normal(0, 0.5, n))


def without_context(log):
    """The same draws of which nothing else is known."""
    return replace(log, context=Context.none(len(log)), numbers=(), texts=(), words=())


def articles(n=3000, seed=0):
    """Each draw is among three articles of its own; a reader clicks on their own topic, on any other hardly ever."""
    random = np.random.default_rng(seed)
    topics = ("sports", "politics", "music")
    reader = random.integers(0, 3, n)
    offered = np.array([random.permutation(3) for _ in range(n)])
    log = without_context(clicks(n=n, seed=seed))
    chances = np.where(offered == reader[:, None], 0.8, 0.1)
    reward = (random.random(n) < chances[np.arange(n), log.variant]).astype(np.float64)

    def ask(rows):
        for row in rows:
            offers = tuple(
                Variant(f"article {row} {topic}", features={"topic": topics[topic]}) for topic in offered[row]
            )
            yield Question({"likes": topics[reader[row]], "seen": ("a", "b")}, offers)

    places = tuple(f"place {place}" for place in range(3))
    return replace(log, variants=places, reward=reward, ask=ask), chances


def with_reward(log, row, reward):
    """The same draws, one of which brought something else."""
    changed = log.reward.copy()
    changed[row] = reward
    return replace(log, reward=changed)


def ranged(log, low, high):
    """The same draws with a declared range of their rewards."""
    return replace(log, collection=replace(log.collection, value_range=(low, high)))


def streamed(predicts, blocks):
    """What is predicted of blocks that come one after the other, each learned after it was predicted."""
    found = []
    for block in blocks:
        found.append(np.array(predicts.predict(block)))
        predicts.learn(block)
    return np.concatenate(found)
