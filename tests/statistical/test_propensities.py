"""The shares that were drawn equal the propensities that were logged, for every policy, while it learns.

Let p_t(a) be the logged probability of variant a at draw t, given everything before. The draws' surprises
1{A_t = a} - p_t(a) are then a martingale's steps with variance p_t(a) (1 - p_t(a)), also when p_t depends on earlier
draws. By the martingale central limit theorem their sum S(a) satisfies

    |S(a)| <= z sqrt(sum_t p_t(a) (1 - p_t(a)))

but for a chance of 2 (1 - Phi(z)): 6.3e-5 for z = 4. A test looks at four variants and two groups, so a right policy
fails one seed in 2600; and the seed is fixed. A wrong share is found where n |error| exceeds the bound: with n = 4000
draws at p = 1/4, an error of 2.8 points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.randomness import ONE
from engine.records import Assignment, Group
from engine.specs import FixedSpec, PolicySpec
from engine.storage.memory import MemorySnapshots, MemoryStore

N_VISITS = 4000
SEED = 20240229
Z = 4.0


@pytest.fixture(scope="module")
def rows(local: Callable[..., Any], spec: PolicySpec) -> list[Assignment]:
    store, snapshots = MemoryStore(), MemorySnapshots()
    service = local(store, store, snapshots, snapshots.snapshot)
    service.start(spec)
    return service.traffic(N_VISITS, SEED)


def surprise(happened: Sequence[bool], probabilities: Sequence[float]) -> float:
    """Return the sum of surprises in standard deviations; 0 where nothing was open."""
    total = sum(happened) - math.fsum(probabilities)
    variance = math.fsum(probability * (1.0 - probability) for probability in probabilities)
    return total / math.sqrt(variance) if variance else total


def of_variant(rows: Sequence[Assignment], variant: str) -> float:
    open_to_it = [row for row in rows if variant in row.eligible]
    shares = [row.distribution[row.eligible.index(variant)] / ONE for row in open_to_it]
    return surprise([row.variant == variant for row in open_to_it], shares)


def of_group(rows: Sequence[Assignment], group: Group) -> float:
    shares = [row.group_weight / ONE if row.group is group else 1.0 - row.group_weight / ONE for row in rows]
    return surprise([row.group is group for row in rows], shares)


def test_shares_equal_the_logged_propensities(rows: list[Assignment], spec: PolicySpec) -> None:
    assert all(row.is_draw and sum(row.distribution) == ONE for row in rows)
    assert len({row.snapshot for row in rows}) > 10 or not spec.learns
    for variant in ("plain", "bold", "loud", "rare"):
        assert abs(of_variant(rows, variant)) <= Z, variant


def test_groups_have_their_declared_share(rows: list[Assignment], spec: PolicySpec) -> None:
    assert {row.group for row in rows} == ({Group.POLICY, Group.CONTROL} if spec.control_share else {Group.POLICY})
    for group in Group:
        assert abs(of_group(rows, group)) <= Z, group
    if spec.control_share:
        weights = {row.group: row.group_weight / ONE for row in rows}
        assert weights[Group.CONTROL] == pytest.approx(spec.control_share, abs=1 / ONE)
        assert weights[Group.CONTROL] + weights[Group.POLICY] == 1.0


def test_a_wrong_propensity_is_found(rows: list[Assignment], spec: PolicySpec) -> None:
    """The bound is tight enough: had the log said that all variants are as likely, it would not hold."""
    if spec == FixedSpec():
        pytest.skip("here all variants are as likely")
    claimed = [
        replace(row, distribution=(ONE // len(row.eligible),) * len(row.eligible))
        for row in rows
        if row.group is Group.POLICY
    ]
    assert max(abs(of_variant(claimed, variant)) for variant in ("plain", "bold", "loud", "rare")) > Z
