"""What Vowpal Wabbit 9.9.0 does when it is asked carelessly, and that our door stands between.

Where a trap is shown first, a version without it fails here, and the guard can go.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import vowpal_wabbit_next as vw

from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.policies.contextual import ContextualPolicy
from engine.policies.vowpal import Lesson, Workspace
from engine.randomness import quantise
from engine.specs import ContextualSpec, Explorer
from tests.engine.policies.vw_house import (
    ARGUMENTS,
    CONTEXT,
    EXPLORERS,
    NAMES,
    NOTHING,
    VARIANTS,
    each,
    encode,
    exploring,
    features,
    lessons,
    run,
    workspace,
)

QUIET = ["--quiet", "--log_level", "off"]
FIELDS = (ContextField("device: kind|x", FieldType.TEXT), ContextField("é\n", FieldType.NUMBER))


def raw(*arguments: str) -> vw.Workspace:
    return vw.Workspace(["--cb_explore_adf", *arguments, "-q", "UA", *QUIET])


def bare(label: vw.CBLabel, *indices: int) -> vw.Example:
    example = vw.Example()
    example.set_label(label)
    example["A"].truncate_to(0)
    example["A"].push_many_features(np.array(indices, np.uint64), np.ones(len(indices), np.float32))
    return example


def teach(model: vw.Workspace, position: int, cost: float, propensity: float) -> float:
    """Teach five times, and return the weight of the taught action."""
    actions = [bare(vw.CBLabel(), 100 + number) for number in range(3)]
    actions[position].set_label(vw.CBLabel(label=(0, cost, propensity)))
    for _ in range(5):
        model.learn_one([bare(vw.CBLabel(shared=True)), *actions])
    return float(model.weights()[100 + position, 0, 0])


def test_what_is_no_distribution_never_gets_out():
    actions = [bare(vw.CBLabel(), number) for number in range(3)]
    assert sum(p for _, p in raw("--regcbopt").predict_one(actions)) == 3.0
    for arguments in (["--regcbopt"], ["--regcb", "--regcbopt", "--cb_min_cost", "-1", "--cb_max_cost", "0"]):
        with pytest.raises(PolicyFailed, match="no distribution"):
            exploring(*arguments).predict(CONTEXT, VARIANTS)


@pytest.mark.parametrize(
    "arguments",
    [("--bag", "5"), ("--first", "10"), ("--regcb", "--cb_min_cost", "-1", "--cb_max_cost", "0")],
    ids=lambda each: each[0],
)
def test_explorers_that_give_zeros_still_leave_everybody_a_chance(arguments):
    ws = exploring(*arguments)
    ws.learn(lessons(600))
    answer = ws.predict(CONTEXT, VARIANTS)
    assert 0.0 in answer
    assert min(quantise(answer, 0.02)) >= int(0.02 / 3 * 2**32)


def test_its_own_direct_method_learns_propensity_times_reward():
    # That is why `dm` is its regression: this one tends to a half of the reward, which was always 1.
    model = raw("--epsilon", "0.1", "--cb_type", "dm")
    shared, one, other = bare(vw.CBLabel(shared=True)), bare(vw.CBLabel(), 1), bare(vw.CBLabel(), 2)
    for turn in range(2000):
        chosen, left = (one, other) if turn % 2 else (other, one)
        chosen.set_label(vw.CBLabel(label=(0, -1.0, 0.5)))
        left.set_label(vw.CBLabel())
        model.learn_one([shared, one, other])
    predicted = _tree(model.serialize(), shared, one, other)
    assert predicted == pytest.approx([-0.5, -0.5], abs=0.1)


def _tree(blob: bytes, shared: vw.Example, *actions: vw.Example) -> list[float]:
    for action in actions:
        action.set_label(vw.CBLabel())
    copy = vw.Workspace(QUIET, model_data=blob, enable_debug_tree=True)
    _, node = copy.predict_one([shared, *actions])
    while node.name != "cb_adf":
        (node,) = node.children
    return [cost for _, cost in sorted(node.output_prediction)]


def test_squarecb_and_regcb_forget_propensities_except_the_last_actions():
    # That is why they take no learner but `dm`, which tells none.
    for arguments in (["--squarecb"], ["--regcb", "--cb_min_cost", "-1", "--cb_max_cost", "0"]):
        ones, tenths = ([teach(raw(*arguments), k, -1.0, p) for k in range(3)] for p in (1.0, 0.1))
        assert ones[:2] == tenths[:2]
        assert ones[2] != tenths[2]


def test_asking_changes_the_bytes_of_a_bare_model_and_not_of_ours():
    ws = workspace()
    ws.learn(lessons(20))
    blob, before = ws.serialize(), ws._model.serialize()
    ws._model.predict_one([bare(vw.CBLabel(shared=True)), bare(vw.CBLabel(), 1)])
    assert ws._model.serialize() != before
    ws = workspace(blob)
    for _ in range(10):
        ws.predict(CONTEXT, VARIANTS)
        ws.predicted(CONTEXT, VARIANTS)
    assert ws.serialize() == blob


def test_arguments_are_baked_into_a_model_and_no_others_can_be_given_to_it():
    taught = exploring("--squarecb", "--gamma_scale", "1.0")
    taught.learn(lessons(300))
    with pytest.raises(SnapshotRefused):
        Workspace(ARGUMENTS, each(encode), "s", taught.serialize())
    # Restored without arguments it is what it was.
    model = taught.serialize()[16:]
    assert vw.Workspace(QUIET, model_data=model).serialize() == model


def test_what_can_be_written_as_an_empty_or_garbled_model_is_refused():
    for blob in (b"x", b"\0" * 16, b"\0" * 300, workspace().serialize()[:16]):
        with pytest.raises(SnapshotRefused):
            workspace(blob)


def test_the_labels_that_its_package_would_look_at_in_every_call_are_all_right():
    ws = workspace()
    ws.learn(lessons(5))
    # Once they are no longer looked at there, `_Model` can go.
    vw.Workspace._check_label(ws._model, [ws._asked, ws._taught, *ws._actions.of(VARIANTS)])
    with pytest.raises(ValueError, match="Label type mismatch"):
        vw.Workspace._check_label(ws._model, [vw.Example()])


def test_an_answer_of_one_variant_is_certain():
    for arguments in (["--squarecb"], ["--bag", "3"], ["--softmax", "--lambda", "10.0"], ["--rnd", "2"]):
        ws = exploring(*arguments)
        ws.learn([Lesson(CONTEXT, VARIANTS[:1], "a", 1.0, 1.0)])
        assert ws.predict(CONTEXT, VARIANTS[:1]) == [1.0]


def test_a_question_that_cannot_be_encoded_leaves_the_next_one_whole():
    def refuse(variant: Variant):
        if variant.name == "d":
            raise PolicyFailed("no")
        return encode(variant)

    ws = Workspace(ARGUMENTS, each(refuse), "s")
    expected = ws.predict(CONTEXT, VARIANTS)
    for _ in range(3):
        with pytest.raises(PolicyFailed, match="no"):
            ws.predict(CONTEXT, (*VARIANTS, Variant("d")))
        assert ws.predict(CONTEXT, VARIANTS) == expected


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_get_no_further_than_the_encoder(value):
    policy = ContextualPolicy(Experiment("hero", VARIANTS, (Metric("x"),), context=FIELDS, policy=ContextualSpec()))
    with pytest.raises(PolicyFailed):
        policy.distribution({"é\n": value}, VARIANTS)
    with pytest.raises(PolicyFailed):
        policy.distribution({}, [Variant("a", features={"price": value}), Variant("b")])
    assert policy.distribution({"é\n": 1e308}, VARIANTS) == pytest.approx([1 / 3] * 3, abs=1e-6)


@pytest.mark.parametrize(
    "value", [1.0, True, ("a",), "x" * 100_000, "a|b c:1", "|A x:1\n0:1:0.5 |U y", "ラップトップ\n", "shared"]
)
def test_a_field_that_changes_its_type_or_looks_like_vws_text_hurts_nobody(value):
    names = ("a|b", "a:1", "a\nb", "a b", "é", "shared |U x", "\x80")
    variants = tuple(Variant(name) for name in names)
    policy = ContextualPolicy(Experiment("hero", variants, (Metric("x"),), context=FIELDS, policy=ContextualSpec()))
    if isinstance(value, str):
        assert policy.distribution({"device: kind|x": value}, variants) == pytest.approx([1 / 7] * 7, abs=1e-6)
    else:
        with pytest.raises(PolicyFailed):
            policy.distribution({"device: kind|x": value}, variants)
    assert sum(policy.distribution({"device: kind|x": "phone"}, variants)) == pytest.approx(1)


def test_ten_thousand_features_and_none_at_all():
    fields = tuple(ContextField(f"f{number}", FieldType.TEXTS) for number in range(100))
    context = {field.name: tuple(f"item {number}" for number in range(100)) for field in fields}
    for explorer in (Explorer.SQUARECB, Explorer.BAG):
        spec = ContextualSpec(explorer=explorer)
        policy = ContextualPolicy(Experiment("hero", VARIANTS, (Metric("x"),), context=fields, policy=spec))
        assert policy.distribution(context, VARIANTS) == pytest.approx([1 / 3] * 3, abs=1e-6)
        assert policy.distribution({}, VARIANTS) == pytest.approx([1 / 3] * 3, abs=1e-6)
    ws = workspace()
    ws.learn(lessons(50, NOTHING))
    assert sum(ws.predict(NOTHING, VARIANTS)) == pytest.approx(1)


def test_every_explorer_gives_the_same_bytes_in_another_process():
    code = """
import tests.engine.policies.vw_house as t
from hashlib import sha256
for explorer, arguments in t.EXPLORERS.items():
    ws = t.exploring(*arguments)
    ws.learn(t.lessons(60))
    print(explorer, sha256(ws.serialize()).hexdigest(), repr(ws.predict(t.CONTEXT, t.VARIANTS)))
"""
    first, second = run(code), run(code)
    assert first == second
    assert len(set(first.splitlines())) == len(Explorer)


def test_what_is_predicted_is_told_for_each_model():
    for explorer, n_models in (("squarecb", 1), ("bag", 5), ("rnd", 4), ("cover", 1)):
        ws = exploring(*EXPLORERS[explorer])
        ws.learn(lessons(200))
        predicted = ws.predicted(CONTEXT, VARIANTS)
        assert predicted.rewards.shape == predicted.sums.shape == (n_models, len(NAMES))


def test_the_sums_are_those_of_vws_own_weights():
    ws = exploring("--epsilon", "0.1")
    ws.learn(lessons(200))
    # Without context there are no products: the sum is the variant's two weights and the constant's.
    (a, *_), (indices, values) = ws.predicted(NOTHING, VARIANTS).sums[0], encode(VARIANTS[0])
    weights = ws._model.weights()[:, 0, 0]
    constant = 11650396 % 2**18
    assert a == pytest.approx(-(weights[indices] @ values + weights[constant]), abs=1e-6)
    (with_context, *_) = ws.predicted(features(1, values=[1e-3]), VARIANTS).sums[0]
    (with_twice, *_) = ws.predicted(features(1, values=[2e-3]), VARIANTS).sums[0]
    assert with_twice - with_context == pytest.approx(with_context - a, abs=1e-6)
