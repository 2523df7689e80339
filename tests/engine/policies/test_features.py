from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import PolicyFailed
from engine.experiments import ContextField, Experiment, ExposureRule, FieldType, Variant
from engine.metrics import Aggregation, Metric, MetricKind, RewardTerm, Role
from engine.policies.features import BITS, ContextEncoder, schema, squash, variant_features
from engine.randomness import feature_index
from engine.records import Context, ContextValue
from engine.understanding import Readable

FIELDS = (
    ContextField("visits", FieldType.NUMBER),
    ContextField("plan", FieldType.TEXT),
    ContextField("member", FieldType.FLAG),
    ContextField("likes", FieldType.TEXTS),
)


def encoded(context: Context, fields: tuple[ContextField, ...] = FIELDS) -> list[tuple[int, float]]:
    indices, values = ContextEncoder(fields).encode(context)
    assert indices.dtype == np.uint64
    assert values.dtype == np.float32
    return list(zip(indices.tolist(), values.tolist(), strict=True))


def one(type: FieldType, value: ContextValue, name: str = "field") -> list[tuple[int, float]]:
    return encoded({name: value}, (ContextField(name, type),))


def test_missing_false_zero_and_empty_all_differ():
    plain: Context = {"visits": 0.0, "plan": "", "member": False, "likes": ()}
    seen = [encoded(plain)]
    seen += [encoded({key: value for key, value in plain.items() if key != name}) for name in plain]
    seen.append(encoded({**plain, "member": True}))
    assert len({tuple(sorted(pair for pair in pairs if pair[1])) for pairs in seen}) == len(seen)


def test_what_is_not_declared_is_not_seen():
    assert encoded({"visits": 1.0, "secret": "x"}) == encoded({"visits": 1.0})
    assert encoded({"visits": 1.0}, ()) == []


def test_a_number_is_one_feature_whatever_its_value():
    (low,), (high,) = one(FieldType.NUMBER, 0.25), one(FieldType.NUMBER, 4.0)
    assert low[0] == high[0]
    assert low[1] == 0.25


def test_names_and_values_cannot_be_confused():
    assert one(FieldType.TEXT, "b=c", "a") != one(FieldType.TEXT, "c", "a=b")
    assert one(FieldType.TEXT, "b c", "a") != one(FieldType.TEXT, "c", "a b")
    assert one(FieldType.TEXT, "true") != one(FieldType.FLAG, True)
    assert one(FieldType.TEXT, "a") != one(FieldType.TEXTS, ("a",))
    assert variant_features(Variant("a"))[0].tolist() != [one(FieldType.TEXT, "a")[0][0]]


@pytest.mark.parametrize(
    "text", ["New York:1", "a b", "x |A id=1", "line\nline", "é", "東京", "🙂", "\0", " ", "", ":|"]
)
def test_any_text_is_one_feature(text):
    ((index, value),) = one(FieldType.TEXT, text)
    assert 0 <= index < 2**BITS
    assert value == 1.0


def test_a_list_is_one_feature_for_each_distinct_item():
    assert len(one(FieldType.TEXTS, ("a", "b", "a"))) == 2
    assert one(FieldType.TEXTS, ("a", "b")) == one(FieldType.TEXTS, ("a", "b", "a"))
    assert one(FieldType.TEXTS, ()) == []


def test_long_texts_differ_and_are_not_remembered_whole():
    before = feature_index.cache_info().currsize
    assert one(FieldType.TEXT, "x" * 10**6) != one(FieldType.TEXT, "x" * 10**6 + "y")
    assert feature_index.cache_info().currsize - before <= 4


@pytest.mark.parametrize(
    ("type", "value"),
    [
        (FieldType.NUMBER, math.nan),
        (FieldType.NUMBER, math.inf),
        (FieldType.NUMBER, -math.inf),
        (FieldType.NUMBER, "3"),
        (FieldType.NUMBER, True),
        (FieldType.TEXT, 3.0),
        (FieldType.TEXT, "\ud800"),
        (FieldType.FLAG, 1.0),
        (FieldType.TEXTS, "abc"),
        (FieldType.TEXTS, ("a", 3.0)),
    ],
)
def test_what_is_not_finite_or_of_another_type_is_refused(type, value):
    with pytest.raises(PolicyFailed, match="'context "):
        one(type, value)


def test_a_refusal_does_not_repeat_what_was_sent():
    with pytest.raises(PolicyFailed) as caught:
        one(FieldType.NUMBER, "my secret")
    assert "secret" not in str(caught.value)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_squashing_keeps_order_and_sign_and_bounds(x, y):
    low, high = sorted((x, y))
    assert squash(low) <= squash(high)
    assert squash(-x) == -squash(x)
    assert abs(squash(x)) < 711
    assert abs(x) > 1 or squash(x) == x


def test_squashing_is_smooth_where_it_begins():
    h = 1e-6
    assert (squash(1 + h) - squash(1 - h)) / (2 * h) == pytest.approx(1, abs=h)
    assert squash(10**400) == pytest.approx(1 + 400 * math.log(10))


def test_a_variant_is_its_name_its_features_and_its_levels():
    variant = Variant("a", features={"price": 0.5, "new": False, "tags": ("x", "y")}, levels={"image": "big"})
    indices, values = variant_features(variant)
    assert values.tolist() == [1.0, 1.0, 0.5, 1.0, 1.0, 1.0]
    assert len(set(indices.tolist())) == 6
    assert variant_features(Variant("b"))[0][0] != indices[0]


def test_the_order_in_which_features_were_given_does_not_count():
    given = {"price": 0.5, "new": False}
    one, other = (
        variant_features(Variant("a", features=dict(each))) for each in (given.items(), [*given.items()][::-1])
    )
    assert one[0].tolist() == other[0].tolist()
    assert one[1].tolist() == other[1].tolist()


def test_variants_share_what_they_have_in_common():
    first = variant_features(Variant("a", features={"price": 0.5}, levels={"image": "big"}))[0]
    second = variant_features(Variant("b", features={"price": 0.7}, levels={"image": "big"}))[0]
    assert (first == second).tolist() == [False, True, True]


def test_what_a_candidate_ought_to_have_and_has_not_is_a_feature():
    whole, without = (
        variant_features(Variant("a", features=given), ("price", "topic"))[0].tolist()
        for given in ({"price": 0.5, "topic": "x"}, {"price": 0.5})
    )
    assert whole[:2] == without[:2]
    assert whole[2] != without[2]
    assert variant_features(Variant("a", features={"price": 0.5}))[0].tolist() == without[:2]


@pytest.mark.parametrize("value", [math.nan, math.inf, None, {"a": 1}])
def test_a_feature_of_a_variant_that_cannot_be_read_is_refused(value):
    with pytest.raises(PolicyFailed):
        variant_features(Variant("a", features={"price": value}))


EXPERIMENT = Experiment("hero", (Variant("a"), Variant("b")), (Metric("click"),), context=FIELDS)


def test_the_schema_depends_on_fields_and_variants():
    others = [
        replace(EXPERIMENT, context=FIELDS[:3]),
        replace(EXPERIMENT, context=(*FIELDS[:3], ContextField("likes", FieldType.TEXT))),
        replace(EXPERIMENT, variants=(Variant("a"), Variant("c"))),
        replace(EXPERIMENT, variants=(Variant("b"), Variant("a"))),
        replace(EXPERIMENT, variants=(Variant("a"), Variant("b", features={"price": 1.0}))),
        replace(EXPERIMENT, variants=(Variant("a"), Variant("b", levels={"image": "big"}))),
    ]
    assert len({schema(experiment) for experiment in (EXPERIMENT, *others)}) == 7


def test_the_schema_depends_on_what_is_rewarded_and_when():
    clicked, bought = Metric("click"), Metric("basket", MetricKind.REVENUE, cap=100.0)
    rewarded = replace(
        EXPERIMENT, metrics=(clicked, bought), reward=(RewardTerm("click", 0.2), RewardTerm("basket", 0.8))
    )
    click, basket = rewarded.reward

    def where(metric: Metric) -> Experiment:
        return replace(rewarded, metrics=(clicked, metric))

    others = [
        EXPERIMENT,
        replace(rewarded, reward=(click,)),
        replace(rewarded, reward=(click, replace(basket, weight=0.7))),
        replace(rewarded, reward=(click, replace(basket, aggregation=Aggregation.MAX))),
        replace(rewarded, reward_scale=(-1.0, 1.0)),
        replace(rewarded, reward_default=0.1),
        replace(rewarded, grace=timedelta(hours=1)),
        replace(rewarded, exposure=ExposureRule.REPORTED),
        replace(rewarded, candidates=()),
        replace(rewarded, candidates=(ContextField("price", FieldType.NUMBER),)),
        where(replace(bought, cap=200.0)),
        where(replace(bought, window=timedelta(days=1))),
        where(replace(bought, after=timedelta(days=1))),
        where(replace(bought, range=(0.0, 100.0))),
        where(replace(bought, of="order")),
        where(replace(bought, kind=MetricKind.COUNT)),
    ]
    assert len({schema(experiment) for experiment in (rewarded, *others)}) == 17
    report = replace(bought, role=Role.GOAL, effect=0.1, winsor=0.9)
    assert schema(where(report)) == schema(rewarded)
    assert schema(replace(rewarded, metrics=(bought, clicked, Metric("other")))) == schema(rewarded)


def test_the_schema_depends_on_nothing_that_a_policy_does_not_see():
    same = replace(
        EXPERIMENT,
        experiment_id="other",
        metrics=(Metric("buy"),),
        variants=(Variant("a", "1"), Variant("b", is_blank=True)),
    )
    assert schema(same) == schema(EXPERIMENT)
    assert len(bytes.fromhex(schema(same))) == 16


def test_indices_are_pinned():
    # Another index makes every snapshot meaningless: then _ENCODING_VERSION must change too.
    context: Context = {"visits": 3.0, "plan": "pro", "member": True, "likes": ("a",)}
    assert [index for index, _ in encoded(context)] == [230969, 193538, 226165, 231520]
    assert [index for index, _ in encoded({})] == [3405, 229056, 124946, 148586]
    assert variant_features(Variant("a", levels={"image": "big"}))[0].tolist() == [89430, 219382]


def test_whatever_is_readable_can_be_encoded():
    values = [1, 1.5, True, "x", ("a",), ["a"], math.nan, math.inf, None, {"a": 1}, np.float64(0.5), 10**400]
    for field in FIELDS:
        for value in values:
            kept = Readable(FIELDS).of({field.name: value})
            if kept:
                encoded(kept)
            else:
                with pytest.raises(PolicyFailed):
                    one(field.type, value if value is not None else {})
    assert Readable(FIELDS).of({"visits": np.float64(0.5), "member": 1.0, "old": 1.0}) == {"visits": 0.5}
