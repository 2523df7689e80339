"""Experiments beside each other: layers that are shared, prerequisites, seeds, and what all of them have in common."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.definition import define
from engine.errors import InvalidExperiment, InvalidTransition
from engine.experiments import ContextField, Experiment, ExperimentState, FieldType, Status, Variant
from engine.funnel import ForcedRule, Funnel, Layer, LayerRange, Population, Sticky
from engine.lifecycle import Author, create
from engine.metrics import Metric
from engine.neighbours import check, check_leaving
from engine.population_rules import define_population
from engine.specs import Rule, SegmentsSpec, ThompsonSpec

ANNA = Author("anna", "why", datetime(2026, 1, 5, tzinfo=UTC))
POPULATION = define_population(
    Population(
        segments={"vip": {"visits": {"$gte": 10}}},
        groups={"nordic": ("NO", "SE")},
        layers={"home": Layer(), "carts": Layer(unit="session")},
    )
)


def experiment(name="hero", *, funnel=None, **fields):
    plain = Experiment(
        name,
        (Variant("plain"), Variant("bold")),
        (Metric("click"),),
        context=(ContextField("visits", FieldType.NUMBER), ContextField("country", FieldType.TEXT)),
    )
    return define(replace(plain, funnel=funnel or Funnel(), **fields))


def state(status=Status.RUNNING, name="other", **fields):
    return replace(create(experiment(name, **fields), ANNA)[0], status=status)


def requiring(*variants, of="other"):
    return Funnel(prerequisites={of: variants or ("bold",)})


def in_layer(start, end=1.0, layer="home"):
    return Funnel(layer=LayerRange(layer, start, end))


def refused(mine, *others: ExperimentState, status=Status.RUNNING, population=POPULATION):
    """Return what is said of an experiment beside others, in which it may be itself."""
    with pytest.raises(InvalidExperiment) as error:
        check(mine, status, others, population)
    return str(error.value)


def test_an_experiment_alone_is_fine_and_so_it_is_beside_itself():
    for status in Status:
        check(experiment(), status, (), Population())
        check(experiment(funnel=in_layer(0)), status, [state(name="hero", funnel=in_layer(0))], POPULATION)


def test_all_that_is_wrong_is_said_in_one_sentence():
    said = refused(experiment(funnel=Funnel(layer=LayerRange("top"), prerequisites={"none": ("bold",)})))
    assert said == (
        "experiment 'hero': `layer` names 'top', which is no layer of the population: there are carts, home; "
        "prerequisite 'none' is no experiment: there is none"
    )


# --- layers --------------------------------------------------------------------------------------------------------


def test_a_layer_divides_the_units_of_its_experiments():
    said = refused(experiment(funnel=in_layer(0, layer="carts")), status=Status.DRAFT)
    assert "its unit is 'customer' and that of layer 'carts' is 'session'" in said
    check(experiment(unit="session", funnel=in_layer(0, layer="carts")), Status.DRAFT, (), POPULATION)


@pytest.mark.parametrize("status", [Status.RUNNING, Status.PAUSED])
def test_ranges_of_what_has_units_do_not_overlap(status):
    others = [
        state(status, "one", funnel=in_layer(0.1, 0.3)),
        state(Status.RUNNING, "two", funnel=in_layer(0.5, 0.6)),
        state(Status.RUNNING, "three", funnel=in_layer(0, 1, "carts"), unit="session"),
    ]
    said = refused(experiment(funnel=in_layer(0.2, 0.55)), *others, status=status)
    assert "its range 0.2 to 0.55 of layer 'home' overlaps with that of 'one' and 'two'" in said
    assert said.endswith("free is 0 to 0.1 and 0.3 to 0.5 and 0.6 to 1")
    check(experiment(funnel=in_layer(0.3, 0.5)), status, others, POPULATION)
    assert "nothing of it is free" in refused(experiment(funnel=in_layer(0.9)), state(funnel=in_layer(0)))


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [(Status.DRAFT, Status.RUNNING), (Status.RUNNING, Status.DRAFT), (Status.RUNNING, Status.CONCLUDED)],
)
def test_what_has_no_units_takes_no_room(mine, theirs):
    check(experiment(funnel=in_layer(0)), mine, [state(theirs, funnel=in_layer(0))], POPULATION)


cuts = st.integers(0, 20).map(lambda n: n / 20)
ranges = st.lists(cuts, min_size=2, max_size=2, unique=True).map(sorted).map(lambda cut: in_layer(*cut))


@given(st.lists(ranges, max_size=8))
def test_whatever_is_started_nobody_is_in_two_of_a_layer(wishes):
    inside: list[ExperimentState] = []
    for number, funnel in enumerate(wishes):
        wish = state(name=f"e{number}", funnel=funnel)
        try:
            check(wish.experiment, Status.RUNNING, inside, POPULATION)
        except InvalidExperiment:
            continue
        inside.append(wish)
    parts = sorted((each.experiment.funnel.layer.start, each.experiment.funnel.layer.end) for each in inside)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(parts))
    assert not wishes or inside


# --- prerequisites -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.DRAFT, Status.RUNNING, Status.PAUSED])
def test_a_test_that_is_not_over_can_be_required(status):
    check(experiment(funnel=requiring()), Status.RUNNING, [state(status)], POPULATION)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (state(Status.CONCLUDED), "prerequisite 'other' is concluded: take it out"),
        (state(Status.ARCHIVED), "prerequisite 'other' is archived"),
        (state(name="another"), "prerequisite 'other' is no experiment: there is another"),
        (state(policy=ThompsonSpec()), "does not draw by unit alone"),
        (state(sticky=Sticky()), "does not draw by unit alone"),
        (state(unit="session"), "has the unit 'session' where 'hero' has 'customer'"),
        (state(variants=(Variant("a"), Variant("b"))), "has no variant 'bold': there are a, b"),
    ],
)
def test_what_cannot_be_required(other, why):
    assert why in refused(experiment(funnel=requiring()), other, status=Status.DRAFT)


def test_nobody_is_in_two_experiments_of_a_layer():
    mine = experiment(funnel=replace(in_layer(0, 0.5), prerequisites={"other": ("bold",)}))
    assert "is in layer 'home' too" in refused(mine, state(funnel=in_layer(0.5)))
    check(mine, Status.RUNNING, [state()], POPULATION)


def test_what_is_required_stays_what_it_has_to_be():
    dependent = state(Status.DRAFT, "dependent", funnel=requiring(of="hero"))
    assert "it is a prerequisite of 'dependent', and does not draw" in refused(experiment(sticky=Sticky()), dependent)
    renamed = experiment(variants=(Variant("plain"), Variant("loud")))
    assert "'dependent', and has no variant 'bold': there are loud, plain" in refused(renamed, dependent)
    check(experiment(sticky=Sticky()), Status.RUNNING, [replace(dependent, status=Status.ARCHIVED)], POPULATION)


def test_prerequisites_that_lead_back_are_refused():
    first, second = (state(name=name, funnel=requiring(of=of)) for name, of in (("b", "c"), ("c", "a")))
    said = refused(experiment("a", funnel=requiring(of="b")), first, second, status=Status.DRAFT)
    assert "its prerequisites lead back to itself (a -> b -> c -> a)" in said


graphs = st.dictionaries(st.sampled_from("abcde"), st.sets(st.sampled_from("abcde")), max_size=5)


@given(graphs, st.sets(st.sampled_from("abcde")))
def test_a_cycle_is_found_where_there_is_one(edges, mine):
    others = [
        state(name=name, funnel=Funnel(prerequisites=dict.fromkeys(sorted(to - {name}), ("bold",))))
        for name, to in sorted(edges.items())
        if name != "a"
    ]
    reach, ahead = set(), sorted(mine - {"a"})
    while ahead:
        here = ahead.pop()
        if here not in reach:
            reach.add(here)
            ahead += [name for name in edges.get(here, ()) if name != here and here != "a"]
    wish = experiment("a", funnel=Funnel(prerequisites=dict.fromkeys(sorted(mine - {"a"}), ("bold",))))
    try:
        check(wish, Status.DRAFT, others, POPULATION)
        said = ""
    except InvalidExperiment as error:
        said = str(error)
    assert ("lead back" in said) == ("a" in reach)


@pytest.mark.parametrize("to", [Status.CONCLUDED, Status.ARCHIVED])
def test_what_is_required_does_not_leave(to):
    for status in (Status.DRAFT, Status.RUNNING, Status.PAUSED):
        with pytest.raises(InvalidTransition, match=f"'hero' cannot become {to.value}, .* prerequisite of 'other'"):
            check_leaving("hero", to, [state(status, funnel=requiring(of="hero"))])
    check_leaving("hero", to, [state(Status.CONCLUDED, funnel=requiring(of="hero")), state(name="third")])


def test_pausing_what_is_required_is_allowed():
    check_leaving("hero", Status.PAUSED, [state(funnel=requiring(of="hero"))])


# --- seeds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", Status)
def test_a_copy_that_keeps_its_seed_is_refused(status):
    said = refused(experiment(seed="spring"), state(status, seed="spring"), status=Status.DRAFT)
    assert "`seed` 'spring' is that of experiment 'other'" in said
    assert "leave it out" in said
    assert "`seed` 'hero'" in refused(experiment(), state(status, seed="hero"), status=Status.DRAFT)


# --- what all experiments share ------------------------------------------------------------------------------------

ASKING = {
    "the audience": lambda asked: experiment(funnel=Funnel(audience=asked)),
    "forced rule 1": lambda asked: experiment(forced=(ForcedRule("bold", asked),)),
    "rule 1": lambda asked: experiment(policy=SegmentsSpec((Rule(asked, {"bold": 1.0}),))),
    "rule 1 of the prior": lambda asked: experiment(
        policy=ThompsonSpec(prior=SegmentsSpec((Rule(asked, {"bold": 1.0}),)))
    ),
}


@pytest.mark.parametrize("where", ASKING)
def test_segments_and_groups_that_are_there_can_be_named(where):
    for asked in ({"$segment": "vip"}, {"country": {"$inGroup": "nordic"}}):
        check(ASKING[where](asked), Status.DRAFT, (), POPULATION)


@pytest.mark.parametrize("where", ASKING)
@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"$segment": "staff"}, "staff"),
        ({"$or": [{"country": "NO"}, {"$segment": "staff"}]}, "staff"),
        ({"country": {"$inGroup": "baltic"}}, "baltic"),
        ({"$not": {"country": {"$notInGroup": "baltic"}}}, "baltic"),
    ],
)
def test_segments_and_groups_that_are_not_are_refused(where, asked, name):
    said = refused(ASKING[where](asked), status=Status.DRAFT)
    assert f"experiment 'hero': {where}: " in said
    assert name in said


def test_a_rule_asks_for_declared_fields_alone_also_through_a_segment():
    population = define_population(Population(segments={"mobile": {"device": "phone"}}))
    check(ASKING["the audience"]({"$segment": "mobile"}), Status.DRAFT, (), population)
    assert "device" in refused(ASKING["rule 1"]({"$segment": "mobile"}), population=population)
