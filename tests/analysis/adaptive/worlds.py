"""Logs of policies that learn, many at once: simulated as arrays, and put into frames as a log would be read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from analysis import adaptive
from analysis.logs import frames
from analysis.logs.frames import Frame
from analysis.logs.metrics import Sample
from engine.experiments import Experiment, Plan, Variant
from engine.metrics import Metric, RewardTerm
from engine.specs import ContextualSpec, ThompsonSpec
from tests.analysis.conftest import Log

SECOND = 1_000_000
CLICK = Metric("click")


@dataclass(frozen=True)
class Runs:
    """Runs of one experiment: `variant` and `values` (n_runs, n), `probabilities` (n_runs, n_batches, n_variants)."""

    variant: np.ndarray
    values: np.ndarray
    probabilities: np.ndarray
    batch: int

    def __len__(self):
        return len(self.variant)

    def scored(self, frame, run):
        pattern = np.arange(self.variant.shape[1]) // self.batch
        return scored(frame, self.variant[run], self.values[run], pattern, self.probabilities[run])


def thompson(rates, n_runs, n, *, floor, batch=100, seed=0, n_samples=200):
    """Runs of a policy that gives each variant the share of posterior samples in which it was best, mixed with a floor.

    `rates` is (n_variants,), or (n, n_variants) where they drift. The probabilities are those of the draw, exactly.
    """
    random = np.random.default_rng(seed)
    rates = np.broadcast_to(np.asarray(rates, float), (n, np.shape(rates)[-1]))
    k = rates.shape[1]
    counts = np.ones((2, n_runs, k))
    variant, values, probabilities = np.empty((n_runs, n), np.int64), np.empty((n_runs, n)), []
    for start in range(0, n, batch):
        best = random.beta(*counts[:, :, None], size=(n_runs, n_samples, k)).argmax(axis=2)
        share = np.stack([(best == place).mean(axis=1) for place in range(k)], axis=1)
        probabilities.append((1 - floor) * share + floor / k)
        rows = slice(start, start + batch)
        drawn = (random.random((n_runs, batch, 1)) > probabilities[-1].cumsum(axis=1)[:, None, :-1]).sum(axis=2)
        happened = random.random((n_runs, batch)) < rates[rows][np.arange(batch), drawn]
        variant[:, rows], values[:, rows] = drawn, happened
        for place in range(k):
            counts[0, :, place] += (happened & (drawn == place)).sum(axis=1)
            counts[1, :, place] += (~happened & (drawn == place)).sum(axis=1)
    return Runs(variant, values, np.stack(probabilities, axis=1), batch)


def contextual(base, slope, n_runs, n, *, floor, batch=100, seed=0):
    """Runs of a policy that learns lines of one number, between -1 and 1, and follows them as SquareCB does."""
    random = np.random.default_rng(seed)
    base, slope = np.asarray(base), np.asarray(slope)
    k = len(base)
    squares, products = np.tile(5 * np.eye(2), (n_runs, k, 1, 1)), np.zeros((n_runs, k, 2))
    variant, values, probabilities = np.empty((n_runs, n), np.int64), np.empty((n_runs, n)), np.empty((n_runs, n, k))
    for start in range(0, n, batch):
        rows = slice(start, start + batch)
        number = random.uniform(-1, 1, (n_runs, batch))
        columns = np.stack([np.ones_like(number), number], axis=2)
        lines = np.linalg.solve(squares, products[..., None])[..., 0]
        expected = np.einsum("rbf,rkf->rbk", columns, lines)
        share = 1 / (k + 200 * (expected.max(axis=2, keepdims=True) - expected))
        top = expected.argmax(axis=2)[..., None]
        np.put_along_axis(share, top, 0, 2)
        np.put_along_axis(share, top, 1 - share.sum(axis=2, keepdims=True), 2)
        probabilities[:, rows] = (1 - floor) * share + floor / k
        drawn = (random.random((n_runs, batch, 1)) > probabilities[:, rows].cumsum(axis=2)[..., :-1]).sum(axis=2)
        happened = random.random((n_runs, batch)) < base[drawn] + slope[drawn] * number
        variant[:, rows], values[:, rows] = drawn, happened
        for place in range(k):
            own = columns * (drawn == place)[..., None]
            squares[:, place] += np.einsum("rbf,rbg->rfg", own, columns)
            products[:, place] += np.einsum("rbf,rb->rf", own, happened.astype(float))
    return Runs(variant, values, probabilities, 1)


@cache
def empty(k, floor=0.1, plan=Plan(), kind=ThompsonSpec, metric=CLICK) -> Frame:  # noqa: B008 (frozen)
    """A frame of an experiment with k variants, read from a log in which one assignment was made."""
    variants = tuple(Variant(name) for name in "abcdefgh"[:k])
    reward, policy = (RewardTerm("learned", 1.0),), kind(floor=floor)
    log = Log(Experiment("e", variants, (metric, Metric("learned")), policy=policy, reward=reward, plan=plan))
    log.assign("someone")
    return frames.read(log.store, "e")


@cache
def reading_context(k, floor=0.1) -> Frame:
    return empty(k, floor, kind=ContextualSpec)


def scored(frame, variant, values, pattern, patterns, at=None):
    """The scores of draws that are put into a frame in this order, a second apart."""
    n = len(values)
    at = np.arange(n) * SECOND if at is None else at
    frame = replace(frame, assignments=replace(frame.assignments, at=at, pattern=pattern, patterns=patterns))
    none = np.zeros(n, np.int64)
    values = np.asarray(values, np.float64)
    sample = Sample(variant, none, at, none, np.arange(n), values, values, None, np.zeros((n, 0)), 0)
    return adaptive.scored(frame, sample, frame.experiment.metrics[0])
