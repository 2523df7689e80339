"""Variants that come and go: their examples are remembered, forgotten and filled anew without a trace."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import PolicyFailed
from engine.experiments import Variant
from engine.policies import vowpal
from engine.policies.vowpal import Lesson, Workspace
from tests.engine.policies.vw_house import ARGUMENTS, CONTEXT, VARIANTS, each, features, lessons, workspace


def encode_number(variant: Variant):
    return features(1000 + int(variant.name), 500, values=[1.0, variant.features.get("x", 0.0)])


def named(*numbers: int, x: float = 0.5) -> tuple[Variant, ...]:
    return tuple(Variant(str(number), features={"x": x}) for number in numbers)


def taught() -> Workspace:
    """Return a model by which the number x is worth its own value."""
    ws = Workspace(ARGUMENTS, each(encode_number), "s")
    rng = np.random.default_rng(1)
    for turn in range(300):
        eligible = tuple(Variant(str(3 * turn + k), features={"x": float(x)}) for k, x in enumerate(rng.random(3)))
        chosen = eligible[int(rng.integers(3))]
        ws.learn([Lesson(CONTEXT, eligible, chosen.name, chosen.features["x"], 1.0)])
    return ws


def test_candidates_that_were_never_seen_are_judged_by_their_features():
    answer = taught().predict(CONTEXT, (*named(5000, x=0.1), *named(5001, x=0.9)))
    assert answer[1] > 0.8


def test_a_variant_is_known_by_its_features_and_not_by_the_object():
    ws = taught()
    expected = ws.predict(CONTEXT, named(1, 2, 3))
    assert ws.predict(CONTEXT, named(1, 2, 3)) == ws.predict(CONTEXT, list(named(1, 2, 3))) == expected


def test_the_same_name_with_other_features_is_another_candidate():
    ws = taught()
    one, dear = named(1, 2), (*named(1), *named(2, x=0.9))
    expected = [ws.predict(CONTEXT, one), ws.predict(CONTEXT, dear)]
    assert expected[0] != expected[1]
    for _ in range(3):
        assert [ws.predict(CONTEXT, one), ws.predict(CONTEXT, dear)] == expected
        # A list that may change is not taken for the one before.
        assert [ws.predict(CONTEXT, one), ws.predict(CONTEXT, list(dear)), ws.predict(CONTEXT, one)] == [
            *expected,
            expected[0],
        ]


def test_a_flag_is_not_taken_for_the_number_that_it_equals():
    def encode_type(variant: Variant):
        return features(1 if variant.features["x"] is True else 2)

    ws = Workspace(ARGUMENTS, each(encode_type), "s")
    ws.learn([Lesson(CONTEXT, (Variant("a", features={"x": 1.0}), Variant("b", features={"x": True})), "a", 1.0, 1.0)])
    number, flag = (
        ws.predict(CONTEXT, (Variant("b", features={"x": 0.0}), Variant("c", features={"x": x}))) for x in (1.0, True)
    )
    assert ws.predict(CONTEXT, (Variant("b", features={"x": 0.0}), Variant("c", features={"x": 1.0}))) == number != flag


def test_two_candidates_of_equal_features_are_two():
    ws = Workspace(ARGUMENTS, each(lambda _: features(7)), "s")
    assert ws.predict(CONTEXT, named(1, 2, 3, 4)) == pytest.approx([0.25] * 4, abs=1e-6)
    with pytest.raises(PolicyFailed, match="different names"):
        ws.predict(CONTEXT, named(1, 2, 1))


def test_forgotten_candidates_come_back_as_they_were(monkeypatch):
    monkeypatch.setattr(vowpal, "_N_EXAMPLES", 20)
    ws, fresh = taught(), taught()
    expected = {start: fresh.predict(CONTEXT, named(*range(start, start + 15))) for start in range(0, 150, 15)}
    for start in (*range(0, 150, 15), *range(0, 150, 15), *reversed(range(0, 150, 15))):
        assert ws.predict(CONTEXT, named(*range(start, start + 15))) == expected[start]
    assert len(ws._actions._known) <= 20


def test_what_was_asked_for_is_not_forgotten_for_what_is_new_in_the_same_list(monkeypatch):
    monkeypatch.setattr(vowpal, "_N_EXAMPLES", 20)
    ws, fresh = taught(), taught()
    for start in range(0, 60, 5):
        # Ten that were in the list before, five new ones, and in no order of age.
        asked = named(*range(start + 10, start + 15), *range(start, start + 10))
        assert ws.predict(CONTEXT, asked) == fresh.predict(CONTEXT, asked)
        assert len(ws._actions._known) <= 20


def test_examples_are_filled_anew_and_no_more_are_made(monkeypatch):
    monkeypatch.setattr(vowpal, "_N_EXAMPLES", 20)
    ws = taught()
    ws.predict(CONTEXT, named(*range(20)))
    before = {id(example) for _, example, _ in ws._actions._known.values()}
    for start in range(20, 200, 20):
        ws.predict(CONTEXT, named(*range(start, start + 20)))
        assert {id(example) for _, example, _ in ws._actions._known.values()} == before


def test_a_list_longer_than_what_is_remembered_is_answered_whole(monkeypatch):
    monkeypatch.setattr(vowpal, "_N_EXAMPLES", 20)
    ws = taught()
    long = named(*range(300))
    answer = ws.predict(CONTEXT, long)
    assert len(answer) == 300
    assert ws.predict(CONTEXT, named(*range(300))) == answer
    ws.learn([Lesson(CONTEXT, named(*range(number, number + 50)), str(number), 1.0, 0.5) for number in range(40)])
    assert sum(ws.predict(CONTEXT, long)) == pytest.approx(1)


def test_lessons_of_many_candidates_teach_the_same_whatever_is_remembered(monkeypatch):
    batch = [Lesson(CONTEXT, named(*range(n, n + 30)), str(n + 1), n % 2, 0.5) for n in range(0, 600, 7)]
    ample = taught()
    ample.learn(batch)
    monkeypatch.setattr(vowpal, "_N_EXAMPLES", 10)
    scarce = taught()
    scarce.learn(batch)
    assert scarce.serialize() == ample.serialize()


def test_features_that_cannot_be_read_leave_the_lessons_before():
    ws = workspace()
    with pytest.raises(PolicyFailed):
        ws.learn([*lessons(5), Lesson(CONTEXT, (*VARIANTS, Variant("d")), "d", 1.0, 0.5), _unreadable()])
    expected = workspace()
    expected.learn([*lessons(5), Lesson(CONTEXT, (*VARIANTS, Variant("d")), "d", 1.0, 0.5)])
    assert ws.serialize() == expected.serialize()


def _unreadable() -> Lesson:
    class Unreadable(dict):
        def get(self, *_):
            raise PolicyFailed("no")

    return Lesson(CONTEXT, (Variant("e", features=Unreadable()),), "e", 1.0, 0.5)


def test_a_thousand_candidates_are_a_distribution():
    ws = Workspace(ARGUMENTS, each(encode_number), "s")
    answer = ws.predict(CONTEXT, named(*range(1000)))
    # SquareCB gives the best what the others leave, and a thousand sums of 32 bits are off by up to 1000 * 2**-24.
    assert answer == pytest.approx([1e-3] * 1000, abs=6e-5)
    assert ws.predict(features(*range(100)), named(*range(1000, 2000)))[0] == pytest.approx(1e-3, abs=6e-5)
