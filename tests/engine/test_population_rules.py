"""What all experiments share: what is filled in, what is refused, and what must stay because somebody uses it."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.conditions import fits
from engine.errors import InvalidPopulation
from engine.expansion import expand
from engine.experiments import ContextField, Experiment, FieldType, Status, Variant
from engine.funnel import Cap, ForcedRule, Funnel, Layer, LayerRange, Population
from engine.lifecycle import Author, create
from engine.metrics import Metric
from engine.population_rules import check_population, define_population
from engine.specs import Rule, SegmentsSpec
from engine.targeting import compile_condition
from tests.engine.funnel_strategies import populations

ANNA = Author("anna", "why", datetime(2026, 1, 5, tzinfo=UTC))
VIP = {"visits": {"$gte": 10}}
POPULATION = Population({"vip": VIP}, {"nordic": ("NO", "SE")}, {"home": Layer()}, 0.05)


values = st.none() | st.booleans() | st.floats() | st.text(max_size=2)
clauses = st.sampled_from(["a", "$and", "$or", "$not", "$segment", "$in", "$inGroup", "$elemMatch", "$gt"])


def nested(inner):
    return st.lists(inner, max_size=3) | st.dictionaries(clauses, inner, max_size=3)


def state(status=Status.RUNNING, **fields):
    declared = (ContextField("visits", FieldType.NUMBER), ContextField("country", FieldType.TEXT))
    plain = Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),), context=declared)
    return replace(create(replace(plain, **fields), ANNA)[0], status=status)


def refused(**changes):
    with pytest.raises(InvalidPopulation) as error:
        define_population(replace(POPULATION, **changes))
    assert str(error.value).startswith("the population: ")
    return str(error.value)


# --- filled in -----------------------------------------------------------------------------------------------------


def test_a_layer_has_its_name_as_seed_unless_it_has_one():
    layers = {"home": Layer(), "shop": Layer(seed="old")}
    defined = define_population(Population(layers=layers, seed=""))
    assert {name: layer.seed for name, layer in defined.layers.items()} == {"home": "home", "shop": "old"}
    assert defined.seed == "holdout"


def test_however_it_is_written_it_is_the_same():
    one = define_population(Population({"some": {"a": {"$in": (1, 2)}}}, {"few": (1, 2)}))
    other = define_population(Population({"some": {"a": {"$in": [1.0, 2.0]}}}, {"few": (1.0, 2.0)}))
    assert (one, repr(one)) == (other, repr(other))


@given(populations)
def test_what_was_defined_stays_as_it_is(population):
    defined = define_population(population)
    assert define_population(defined) == defined


# --- refused -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [-0.01, 1.0, 1.5, math.nan, math.inf])
def test_a_holdout_is_a_share_of_less_than_all(share):
    assert "the holdout is" in refused(holdout=share)
    assert "the holdout of layer 'home' is" in refused(layers={"home": Layer(holdout=share)})


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\nb"])
@pytest.mark.parametrize(
    ("what", "value"), [("segment", VIP), ("group", ("NO",)), ("layer", Layer(seed="some"))], ids=str
)
def test_names_are_names(what, value, name):
    assert f"{what} {name!r} must have a name" in refused(**{f"{what}s": {name: value}})


def test_a_layer_divides_something_and_its_cap_counts_something():
    assert "`unit` of layer 'home'" in refused(layers={"home": Layer(unit=" ")})
    for cap in (Cap(0, timedelta(days=1)), Cap(3, timedelta(0)), Cap(3, -timedelta(days=1))):
        assert "of the cap of layer 'home'" in refused(layers={"home": Layer(cap=cap)})


@pytest.mark.parametrize(
    "layers", [{"home": Layer(), "shop": Layer(seed="home")}, {"holdout": Layer()}, {"home": Layer(seed="holdout")}]
)
def test_no_two_parts_of_the_population_have_one_seed(layers):
    assert "so they would part the units alike" in refused(layers=layers)


def test_a_group_has_values_of_one_type():
    assert "group 'few' is empty" in refused(groups={"few": ()})
    for mixed in (("1", 1.0), (True, 1.0), (True, "true")):
        assert "group 'few' has values of several types" in refused(groups={"few": mixed})


@pytest.mark.parametrize(
    "condition",
    [{"a": {"$equals": 1}}, {"$segment": "staff"}, {"a": {"$inGroup": "baltic"}}, {"$or": {"a": 1}}],
)
def test_the_condition_of_a_segment_is_one(condition):
    assert "segment 'some': " in refused(segments={"some": condition})


@pytest.mark.parametrize(
    "segments",
    [
        {"a": {"$segment": "a"}},
        {"a": {"$segment": "b"}, "b": {"$not": {"$segment": "c"}}, "c": {"$or": [{"x": 1.0}, {"$segment": "a"}]}},
    ],
)
def test_segments_that_name_themselves_are_refused(segments):
    assert "segment 'a': " in refused(segments=segments)


def a_chain(length):
    named = {f"s{n}": {"$not": {"$segment": f"s{n + 1}"}} for n in range(1, length)}
    return {**named, f"s{length}": VIP}


def test_a_chain_of_segments_has_an_end():
    define_population(Population(a_chain(10)))
    assert "segment 's1': it names another, and that one another, more than 10 in all" in refused(segments=a_chain(11))


def test_a_segment_that_could_not_be_sent_or_a_member_that_is_none_is_refused():
    for odd in ("\ud800", math.inf):
        assert "segment 'some': " in refused(segments={"some": {"a": odd}})
        assert "group 'few': " in refused(groups={"few": (odd,)})


@given(st.dictionaries(st.sampled_from("abc"), st.dictionaries(clauses, st.recursive(values, nested)), max_size=3))
def test_whatever_the_segments_are_it_is_said_or_they_can_be_used(segments):
    try:
        population = define_population(Population(segments))
    except InvalidPopulation:
        return
    for name in segments:
        assert fits(population.segments[name])
        compile_condition(expand({"$segment": name}, population))({"a": 1.0})


def test_all_that_is_wrong_is_said():
    said = refused(holdout=2.0, layers={"home": Layer(unit="")}, groups={"few": ()})
    assert said.count(";") == 2


# --- in use --------------------------------------------------------------------------------------------------------

USING = {
    "layers": {"funnel": Funnel(layer=LayerRange("home"))},
    "segments": {"funnel": Funnel(audience={"$or": [{"$segment": "vip"}, {"country": "NO"}]})},
    "groups": {"forced": (ForcedRule("bold", {"country": {"$inGroup": "nordic"}}),)},
}


@pytest.mark.parametrize("part", USING)
@pytest.mark.parametrize("status", Status)
def test_what_is_used_stays_until_the_experiment_is_over(part, status):
    states, gone = [state(status, **USING[part])], replace(POPULATION, **{part: {}})
    check_population(POPULATION, states)
    if status in (Status.CONCLUDED, Status.ARCHIVED):
        check_population(gone, states)
    else:
        with pytest.raises(InvalidPopulation, match="would not do for its experiments: experiment 'hero': "):
            check_population(gone, states)


def test_the_unit_of_a_layer_in_use_stays():
    carts = replace(POPULATION, layers={"home": Layer(unit="cart")})
    with pytest.raises(InvalidPopulation, match="its unit is 'customer' and that of layer 'home' is 'cart'"):
        check_population(carts, [state(**USING["layers"])])


def test_a_segment_that_a_rule_names_reads_declared_fields():
    rules = SegmentsSpec((Rule({"$segment": "vip"}, {"bold": 1.0}),))
    check_population(POPULATION, [state(policy=rules)])
    with pytest.raises(InvalidPopulation, match="rule 1: "):
        check_population(replace(POPULATION, segments={"vip": {"points": 3.0}}), [state(policy=rules)])


def test_what_is_too_large_with_its_segments_is_refused():
    wide = {"$or": [{"visits": float(number)} for number in range(300)]}
    asked = Funnel(audience={"$and": [{"$segment": "wide"}] * 4})
    check_population(Population({"wide": VIP}), [state(funnel=asked)])
    with pytest.raises(InvalidPopulation, match="the audience: with the segments that it names"):
        check_population(Population({"wide": wide}), [state(funnel=asked)])


def test_a_segment_asks_of_a_field_what_its_type_allows():
    asked = Funnel(audience={"$segment": "vip"})
    with pytest.raises(InvalidPopulation, match="segment 'vip', which it names: `visits` is a number"):
        check_population(Population({"vip": {"visits": {"$gte": "many"}}}), [state(funnel=asked)])
