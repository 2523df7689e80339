from __future__ import annotations

import itertools

import pytest

from engine.experiments import Experiment, Variant
from engine.metrics import Metric
from engine.policies.fixed import FixedPolicy
from engine.specs import FixedSpec

A, B, C = Variant("a"), Variant("b"), Variant("c")


def policy(weights: dict[str, float]) -> FixedPolicy:
    return FixedPolicy(Experiment("hero", (A, B, C), (Metric("click"),), policy=FixedSpec(weights)))


def test_equal_weights_where_none_are_given():
    assert policy({}).distribution({}, (A, B, C)) == (1 / 3, 1 / 3, 1 / 3)
    assert policy({}).distribution({}, (A, C)) == (0.5, 0.5)


def test_weights_keep_their_ratios_among_the_eligible():
    fixed = policy({"a": 0.1, "b": 0.3, "c": 0.6})
    assert fixed.distribution({}, (A, B, C)) == pytest.approx((0.1, 0.3, 0.6), abs=1e-15)
    assert fixed.distribution({}, (A, B)) == pytest.approx((0.25, 0.75), abs=1e-15)
    assert fixed.distribution({}, (C,)) == (1.0,)


def test_the_context_is_not_read():
    assert policy({}).distribution({"age": 3.0}, (A, B)) == policy({}).distribution({}, (A, B))


def test_without_weights_the_variants_may_be_any():
    assert policy({}).distribution({}, [Variant(f"brought along {n}") for n in range(4)]) == (0.25,) * 4


def test_what_is_remembered_is_bounded():
    variants = tuple(Variant(str(i)) for i in range(60))
    spec = FixedSpec({variant.name: 1 / 60 for variant in variants})
    fixed = FixedPolicy(Experiment("hero", variants, (Metric("click"),), policy=spec))
    for pair in itertools.combinations(variants, 2):
        assert fixed.distribution({}, pair) == (0.5, 0.5)
    assert fixed._over.cache_info().currsize == 1024
