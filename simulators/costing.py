"""What others would have lost on the visits that a policy met: a test that serves its winner then, and chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.planning import needs
from engine.experiments import Looking, Plan
from simulators.scoring import Floats, Tally

POWER = 0.8
"""Of the test that would find the best variant."""


@dataclass(frozen=True, slots=True)
class FairTest:
    """A test with even shares: how many draws it needs to tell the best variant from the next best one.

    `n_draws` is infinite where nothing would be enough: two variants are equally good for everybody.
    """

    best: str
    next_best: str
    n_draws: float


@dataclass(frozen=True, slots=True)
class Chooser:
    """Who chooses for all decisions, and the regret of that so far, decision by decision (n,)."""

    name: str
    curve: Floats


def fair_test(tallies: Sequence[Tally]) -> FairTest | None:
    """Return the test that the visits of one experiment, under several seeds, would have needed.

    It is planned as `armlift plan` plans, as if the reward were a share: no reward in [0, 1] of the same mean varies
    more. None where nothing was drawn, where requests bring the variants, or where a decision fills several slots.
    """
    experiment = tallies[0].experiment
    counted = [tally for tally in tallies if tally.n_decisions]
    if not counted or experiment.candidates is not None or experiment.slots > 1:
        return None
    means = np.concatenate([tally.expected() for tally in counted]).mean(axis=0)
    names = [variant.name for variant in experiment.variants]
    next_best, best = np.argsort(means, kind="stable")[-2:].tolist()
    n_draws = _needed(float(means[best]), float(means[next_best]), len(names))
    return FairTest(names[best], names[next_best], n_draws)


def choosers(tally: Tally, test: FairTest | None) -> list[Chooser]:
    """Return the policy and what could have been in its place, on the decisions that it made."""
    oracle = tally.oracle()
    found = [Chooser(f"this policy ({tally.experiment.policy.kind})", tally.regret_curve())]
    if test is not None:
        n_tested = length(test, tally.n_decisions)
        course = np.cumsum(oracle - _tested(tally, n_tested))
        found.append(Chooser(f"a test of {n_tested:,}, then its winner", course))
    found.append(Chooser("even chances", np.cumsum(oracle - tally.even())))
    if test is not None:
        best = tally.expected()[:, _place(tally, test.best)]
        found.append(Chooser(f"always {test.best} (best for all)", np.cumsum(oracle - best)))
    return found


def length(test: FairTest, n_decisions: int) -> int:
    """Return how many of the decisions the test takes: what it needs, and half of them at most."""
    return max(1, math.ceil(min(test.n_draws, n_decisions / 2)))


def _needed(best: float, next_best: float, n_variants: int) -> float:
    if not 0.0 < next_best < best:
        return math.inf
    even = needs.Split(1 / n_variants, 1 / n_variants, n_variants - 1)
    effect = best / next_best - 1.0
    baseline = needs.Baseline.of_share(next_best)
    return needs.units(baseline, effect, even, Plan(Looking.ONCE, power=POWER), n_variants - 1)


def _tested(tally: Tally, n_tested: int) -> Floats:
    """Return what each decision brings (n,): even chances as long as the test runs, and then what was best in it."""
    expected = tally.expected()
    winner = int(expected[:n_tested].mean(axis=0).argmax())
    return np.concatenate((tally.even()[:n_tested], expected[n_tested:, winner]))


def _place(tally: Tally, name: str) -> int:
    return [variant.name for variant in tally.experiment.variants].index(name)
