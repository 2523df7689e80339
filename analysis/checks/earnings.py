"""What variants earn over all visits, whoever got them: weighted residuals of draws, row by row.

A policy that learns changes whom a variant is shown to, so the mean reward of a variant's draws can move while the
world stands still. What is followed here is therefore the mean over visits of the reward under a fixed target, as one
variant, or an even mix of all of them. A draw t counts with the weight h_t q(a_t) / p_t(a_t), where q is the target,
p_t(a_t) the logged probability of the draw, and h_t was known before the visit. Given the past, its residual
h_t q(a_t) / p_t(a_t) (y_t - m_t) has the expected value h_t (mu - m_t), whatever the policy does with the visit's
context: p_t cancels. h_t is the harmonic mean of the last few hundred visits' 1 / sum_a q(a)^2 / p_t(a), which is how
much a draw says, and at which the weights are about 1.

The probabilities of a policy that reads no context are the same for all visits at a time. So there the weights of one
variant are 1, and its draws compare as they come; as do those of the control group, which has a constant share.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import signal

from analysis.arrays import Floats, Ints
from analysis.logs.frames import Frame
from analysis.logs.labels import Answers
from analysis.sequential.shifts import Stream
from analysis.texts import Name, text
from engine.specs import ContextFreeSpec

_MEMORY = 500.0
"""So many visits ago, what a draw said counts 1/e of what the last one does."""


def streams(frame: Frame, row: Ints, rewards: Floats) -> Iterator[tuple[Name, Stream]]:
    """Yield what is followed with its residuals, for draws (n,) by their places among the frame's rows, and rewards.

    Those are the variants, in visits that could have got them; an even mix of them, where the policy reads the context;
    and the control group, where there is one. Candidates are told apart by their place in the request's order, and
    those far behind are not followed.
    """
    rows = frame.assignments
    policy = np.flatnonzero(~rows.is_control_group[row])
    n_followed = len(frame.variants) - (frame.answers is Answers.CANDIDATES)
    chances, drawn = rows.patterns[rows.pattern[row[policy]]][:, :n_followed], rows.variant[row[policy]]
    for variant, name in enumerate(frame.variants[:n_followed]):
        target = np.eye(n_followed)[variant]
        could = np.flatnonzero(chances[:, variant] > 0)
        if len(could):
            followed = _weighted if _reads_context(frame) else _as_they_come
            found = followed(chances[could], drawn[could], rewards[policy[could]], target)
            yield name, _among(len(row), policy[could], found)
    could = np.flatnonzero((chances > 0).all(axis=1))
    if _reads_context(frame) and len(could):
        mix = np.full(n_followed, 1 / n_followed)
        found = _weighted(chances[could], drawn[could], rewards[policy[could]], mix)
        yield text("drift.even_mix"), _among(len(row), policy[could], found)
    control = np.flatnonzero(rows.is_control_group[row])
    if len(control):
        yield (
            text("group.control"),
            _among(len(row), control, _residuals(rewards[control], *np.ones((3, len(control))))),
        )


def _reads_context(frame: Frame) -> bool:
    policy = frame.experiment.policy
    return not isinstance(policy, ContextFreeSpec) or policy.prior is not None


def _as_they_come(chances: Floats, drawn: Ints, rewards: Floats, target: Floats) -> Stream:
    """Return the residuals of one variant's draws, each with the weight 1."""
    variant = int(target.argmax())
    return _residuals(rewards, (drawn == variant).astype(np.float64), chances[:, variant], np.ones(len(rewards)))


def _weighted(chances: Floats, drawn: Ints, rewards: Floats, target: Floats) -> Stream:
    """Return the residuals of draws from `chances` (n, k), weighted so that they are as if drawn from the target."""
    ratio = np.divide(target, chances, out=np.zeros_like(chances), where=target > 0)
    mass = _harmonic(ratio @ target)
    # The floor keeps probabilities from falling lower, whatever is learned.
    bound = mass * ratio.max()
    return _residuals(rewards, mass * _of_drawn(ratio, drawn), mass, bound)


def _of_drawn(ratio: Floats, drawn: Ints) -> Floats:
    """Return each draw's own ratio, (n,), 0 for what is not followed."""
    followed = drawn < ratio.shape[1]
    return np.where(followed, ratio[np.arange(len(drawn)), np.where(followed, drawn, 0)], 0.0)


def _residuals(rewards: Floats, weight: Floats, mass: Floats, bound: Floats) -> Stream:
    """Return weighted residuals from the mean of the draws before."""
    predicted = (_before(weight * rewards) + 0.5) / (_before(weight) + 1)
    return Stream(weight * (rewards - predicted), mass, predicted, bound)


def _among(n: int, places: Ints, found: Stream) -> Stream:
    """Return a stream in its places among n rows, of which the others say nothing."""
    columns = np.zeros((4, n))
    columns[:, places] = found.residual, found.mass, found.predicted, found.bound
    columns[3] = np.where(columns[3] > 0, columns[3], 1.0)
    return Stream(*columns)


def _harmonic(inverse: Floats) -> Floats:
    """Return one by the mean of the last numbers before each, (n,), as if they had been 1 before the first."""
    keep = math.exp(-1 / _MEMORY)
    mean, _ = signal.lfilter([1 - keep], [1, -keep], inverse, zi=[keep])
    return np.asarray(1 / np.concatenate([[1.0], mean[:-1]]))


def _before(values: Floats) -> Floats:
    """Return the sum of all values before each row, (n,)."""
    return np.concatenate([[0.0], np.cumsum(values)[:-1]])
