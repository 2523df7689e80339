"""Answers that fill several slots: what their slots say, put together as one draw of an answer.

The slots of a slate are drawn one after the other, each from a distribution that is conditional on the slots before it.
With w_l the weight of slot l, r_l its reward and W_l = w_1 ... w_l, an answer's reward is the sum of its slots', and:

- standard slate IPS is the mean of W_L r, with W_L the weight of the whole slate: it assumes nothing of how a slot's
  reward depends on the others, and its weights are the largest (Ips, Snips and the others that need no model);
- reward-interaction IPS is the mean of sum_l W_l r_l (McInerney, Brost, Chandar, Mehrotra and Carterette 2020, KDD 26):
  it assumes that people look from the first slot on, so that a reward depends on the slots up to its own;
- the cascade doubly robust score is sum_l W_(l-1) E_pi[q_l] + W_l (r_l - q_l(a_l)) (Kiyohara, Saito, Matsuhiro, Narita,
  Shimizu and Yamamoto 2022, WSDM 15, equation 6), under the same assumption: what `score` is, and so Dr.

The last is the sum of W_(l-1) times what slot l says by itself. Whatever q_l is, its two terms cancel in expectation
given the slots before, so that it may predict the slot's own reward, as our models do that are fitted to rows of slots,
or the rewards from that slot on, as in the paper, which is narrower.

Independent IPS (Li et al. 2018) and the pseudo-inverse (Swaminathan et al. 2017) are left out: they need the marginal
probability of each slot's variant, over all that could have stood in the slots before, and conditional distributions
say it only for the slates that were drawn.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.arrays import Flags, Floats
from analysis.ope.weighed import Weighed


def whole(part: Weighed) -> Weighed:
    """Return one row for each slate, (n_slates,), from rows of slots in their order, each slate in one piece.

    `weight` is that of the slate, `reward` the sum, `score` the cascade doubly robust one, `predicted` the sum over the
    slots, and `expected` the part of the score that is the model's. `unsupported` is how much of the target leaves the
    log's support at some slot. What depends on all slates that could have been drawn is not known: `largest`, `noise`,
    `below` and `above` are NaN. A log without slates is returned as it is.

    A target alone, not a difference of two: take `weighed.less` of two wholes. `ope.evaluate` and `ope.point` do all
    this to a log whose rows share a `slate`.

    >>> from analysis.ope.logged import Logged
    >>> from analysis.ope.weighed import weighed
    >>> rows = Logged.of(("a", "b"), np.array([0, 1]), np.array([1.0, 0.5]), np.array([0.5, 0.25]))
    >>> part = weighed(replace(rows, slate=np.array([7, 7]), slot=np.arange(2)), np.tile([0.75, 0.5], (2, 1)))
    >>> found = whole(part)
    >>> found.weight.tolist(), found.reward.tolist(), found.score.tolist()  # 1.5 * 2; 1 + .5; 1.5 * 1 + 1.5 * 2 * .5
    ([3.0], [1.5], [3.0])
    """
    starts = _starts(part)
    if starts.all():
        return part
    first = np.flatnonzero(starts)
    before = _before(part.weight, starts)
    last = np.append(first[1:], len(part)) - 1
    unknown = np.full(len(first), np.nan)
    return replace(
        part[first],
        weight=before[last] * part.weight[last],
        reward=np.add.reduceat(part.reward, first),
        predicted=np.add.reduceat(part.predicted, first),
        expected=np.add.reduceat(before * part.expected, first),
        score=np.add.reduceat(before * part.score, first),
        unsupported=np.add.reduceat(before * part.unsupported, first),
        largest=unknown,
        noise=unknown,
        below=unknown,
        above=unknown,
    )


def reward_interaction(part: Weighed) -> Weighed:
    """Return one row for each slate whose `score` is sum_l W_l r_l, the mean of which is reward-interaction IPS.

    Its value is then that by `Dr`, and its standard error as well.
    """
    nothing = np.zeros(len(part))
    return whole(replace(part, predicted=nothing, expected=nothing, score=part.weight * part.reward))


def _starts(part: Weighed) -> Flags:
    """Return which rows are the first of their slates, (n,)."""
    starts = np.ones(len(part), np.bool_)
    starts[1:] = part.slate[1:] != part.slate[:-1]
    return starts


def _before(weight: Floats, starts: Flags) -> Floats:
    """Return the product of the weights of the slots before each one, (n,), and 1 before the first."""
    index = np.arange(len(weight))
    place = index - np.maximum.accumulate(np.where(starts, index, 0))
    found = np.ones(len(weight))
    # Quotients of cumulative products would be wrong where a weight is 0.
    for step in range(1, int(place.max(initial=0)) + 1):
        rows = np.flatnonzero(place == step)
        found[rows] = found[rows - 1] * weight[rows - 1]
    return found
