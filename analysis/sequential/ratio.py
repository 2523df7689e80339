"""Sequential ratio test: are rows lost or added, by variant, since the log began? It may be asked after every row.

Each draw t had a distribution p_t, known before it. If a share of one variant's rows is lost, what is left looks drawn
from a tilt of it: q_t(a) = theta(a) p_t(a) / sum_b theta(b) p_t(b), with theta below 1 for that variant and 1 for the
others. The e-process is the mean over a declared set of tilts of prod_t q_t(a_t) / p_t(a_t): a martingale where the log
is whole, whatever the policy does, so that it ever reaches 1 / alpha with a probability of at most alpha (Ville 1939).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import sparse

from analysis.arrays import Floats, Ints
from analysis.document import Check, Share, Timeline
from analysis.logs import timeline
from analysis.texts import Name, Text, plain, probability, text

ALARM = 0.001
"""A log that is whole raises an alarm with at most this probability, at all looks together."""

KEPT = (0.3, 0.7, 0.9, 0.95, 0.98)
"""The shares of a variant's rows that are left, in the tilts; and their inverses, for rows that are added. With one
variant each, all have the same weight."""

_MAX_LOOKS = 1_000
"""The evidence is taken after every row, or at so many evenly spaced rows where there are more."""

_MIN_DRAWS = 100


def check(title: Text, names: Sequence[Name], variant: Ints, patterns: Floats, pattern: Ints) -> Check:
    """Return the verdict on draws in the order of seq: `variant` and `pattern` are (n,), `patterns` (d, k).

    Draws are independent given the past: of draws by unit only the first of a unit and distribution may be here.

    >>> chance = np.random.default_rng(1)
    >>> drawn = chance.choice(2, 20_000, p=[0.45, 0.55])
    >>> found = check(text("ratio.evidence"), ("a", "b"), drawn, np.array([[0.5, 0.5]]), np.zeros(20_000, np.int64))
    >>> found.holds, found.p_value < 1e-20
    (False, True)
    """
    n_draws = np.bincount(pattern, minlength=len(patterns))
    observed = np.bincount(variant, minlength=len(names)).tolist()
    shares = tuple(map(Share, names, observed, (n_draws @ patterns).tolist()))
    if reason := _nothing_to_check(patterns, n_draws):
        return Check(title, None, reason, None, text("method.none"), shares)
    log_e = float(log_evidence(variant, patterns, pattern, _looks(len(variant))).max(initial=0))
    p_value = float(np.exp(-log_e))
    holds = p_value >= ALARM
    sentence = text("ratio.fits" if holds else "ratio.does_not_fit", p=probability(p_value))
    return Check(title, holds, sentence, p_value, text("ratio.method", alarm=plain(ALARM)), shares)


def evidence(title: Text, at: Ints, variant: Ints, patterns: Floats, pattern: Ints) -> Timeline | None:
    """Return the strongest evidence so far over time, as a power of ten, with the line of the alarm.

    Arguments are as for `check`; `at` (n,) are the draws' times. None where there is nothing to check, or for a single
    stretch of time.
    """
    if not len(at) or _nothing_to_check(patterns, np.bincount(pattern, minlength=len(patterns))):
        return None
    spread = timeline.stretches(at)
    if len(spread) < 2:
        return None
    looks = _looks(len(at))
    strongest = np.maximum.accumulate(np.maximum(log_evidence(variant, patterns, pattern, looks), 0)) / np.log(10)
    stretch = np.maximum.accumulate(spread.index)[looks - 1]
    last = np.searchsorted(stretch, np.arange(len(spread)), side="right")
    values = np.concatenate([[0.0], strongest])[last]
    return Timeline(
        title,
        text("ratio.caption", alarm=plain(ALARM)),
        spread.starts,
        spread.step_s,
        (text("ratio.evidence"),),
        (tuple(values.tolist()),),
        is_share=False,
        alarm=-float(np.log10(ALARM)),
    )


def log_evidence(variant: Ints, patterns: Floats, pattern: Ints, looks: Ints) -> Floats:
    """Return the logarithm of the e-process after the first `looks` (n_looks,) draws, ascending and all above 0."""
    n, n_variants = int(looks[-1]), patterns.shape[1]
    starts = np.concatenate([[0], looks])
    # Each row of this matrix is a stretch of draws, and adds up what their distributions say of a tilt.
    by_look = sparse.csr_matrix((np.ones(n), pattern[:n], starts), shape=(len(looks), len(patterns)))
    of_look = np.repeat(np.arange(len(looks)), np.diff(starts))
    counts = np.bincount(of_look * n_variants + variant[:n], minlength=len(looks) * n_variants)
    seen = np.cumsum(counts.reshape(len(looks), n_variants), axis=0)
    tilted = log_tilted(seen, patterns, lambda norms: np.cumsum(by_look @ norms))
    return np.asarray(np.logaddexp.reduce(tilted, axis=1) - np.log(n_variants))


def log_tilted(seen: Ints, patterns: Floats, added: Callable[[Floats], Floats]) -> Floats:
    """Return the logarithm of each variant's e-value over all its tilts, for each of g sets of draws, (g, n_variants).

    `seen` (g, n_variants) is how often each was drawn; `added` adds up what each distribution says, (n_patterns,), over
    the draws of each set, (g,).
    """
    factors = (*KEPT, *(1 / kept for kept in KEPT))
    total = np.full(seen.shape, -np.inf)
    for place in range(seen.shape[1]):
        for factor in factors:
            norm = added(np.log1p((factor - 1) * patterns[:, place]))
            total[:, place] = np.logaddexp(total[:, place], np.log(factor) * seen[:, place] - norm)
    return np.asarray(total - np.log(len(factors)))


def _looks(n: int) -> Ints:
    """The numbers of rows after which the evidence is taken, ascending, the last one n."""
    return np.unique(np.linspace(1, n, min(n, _MAX_LOOKS)).astype(np.int64))


def _nothing_to_check(patterns: Floats, n_draws: Ints) -> Text | None:
    if n_draws.sum() < _MIN_DRAWS:
        return text("balance.too_few")
    return None if (patterns[n_draws > 0].max(axis=1) < 1).any() else text("balance.no_chance")
