"""A variant at a share of its own gets exactly that, whatever was learned; the others share the rest as they did."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.errors import PolicyFailed
from engine.explanation import Verdict
from engine.randomness import ONE, quantise, share_weight
from engine.records import Group, Reward
from engine.shares import held
from engine.specs import ContextualSpec, LearningSpec, Ucb1Spec
from tests.engine.house import NOW, House, experiment

NAMES = ("a", "b", "c", "d", "e")


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=5).filter(lambda raw: sum(raw) > 1e-3),
    st.dictionaries(st.sampled_from([*NAMES, "gone"]), st.floats(1e-9, 0.19), max_size=4),
    st.sampled_from([0.0, 0.02, 0.5]),
)
def test_shares_are_exact_and_the_others_keep_their_proportions(
    raw: list[float], shares: dict[str, float], floor: float
) -> None:
    """Against exact fractions: rounding moves a weight by at most 1 up or down, and lifting it to 1 by one more."""
    names = NAMES[: len(raw)]
    weights = quantise([value / sum(raw) for value in raw], floor)
    found = dict(zip(names, held(weights, names, shares), strict=True))
    fixed = {name: share_weight(share) for name, share in shares.items() if name in names}
    others = {name: weight for name, weight in zip(names, weights, strict=True) if name not in fixed}
    assume(others)
    assert sum(found.values()) == ONE
    assert {name: found[name] for name in fixed} == fixed
    rest, total = ONE - sum(fixed.values()), sum(others.values())
    for name, weight in others.items():
        assert found[name] >= 1
        assert abs(found[name] - rest * weight / total) <= 1 + len(names)


def test_where_all_have_a_share_they_are_filled_up_in_proportion() -> None:
    assert held((ONE // 2, ONE // 2), ("a", "b"), {"a": 0.125, "b": 0.375}) == (ONE // 4, 3 * ONE // 4)
    assert held((ONE,), ("a",), {"a": 0.1}) == (ONE,)


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(PolicyFailed, match="lower one of them"):
        held((ONE // 2, ONE // 2), ("a", "b"), {"a": 1 - 1e-12})


def test_shares_of_none_change_nothing() -> None:
    assert held((1, ONE - 1), ("a", "b"), {"c": 0.5}) == (1, ONE - 1)


@pytest.mark.parametrize("spec", [Ucb1Spec(), ContextualSpec(), ContextualSpec(control_share=0.3)])
def test_a_share_holds_whatever_was_learned(spec: LearningSpec) -> None:
    house = House()
    house.run(experiment(policy=replace(spec, shares={"quiet": 0.25})))
    asked = [house.ask(f"first {n}") for n in range(200)]
    house.teach("hero", [Reward(row, float(row.variant == "quiet"), NOW, 1) for row in asked if row.is_draw])
    rows = [*asked[:5], *(house.ask(f"then {n}", context={"visits": float(n)}) for n in range(20))]
    for row in rows:
        assert house.explain(row).verdict is Verdict.REPRODUCED
        if row.group is Group.POLICY:
            assert dict(zip(row.eligible, row.distribution, strict=True))["quiet"] == ONE // 4
    fewer = house.ask("fewer", excluded_variants=frozenset({"quiet"}))
    assert sum(fewer.distribution) == ONE
