"""The population changes: which experiments it moves, who says so, and that nothing else happens."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidPopulation, InvalidRequest, StaleEtag
from engine.experiments import Change, ContextField, Experiment, FieldType, Status, Variant
from engine.funnel import Cap, ForcedRule, Funnel, Layer, LayerRange, Population, PopulationChange, PopulationState
from engine.lifecycle import Author, create, update_population
from engine.metrics import Metric
from engine.population_rules import define_population
from engine.specs import Rule, SegmentsSpec, ThompsonSpec

NOW = datetime(2026, 1, 5, tzinfo=UTC)
ANNA = Author("anna", "a smaller group", NOW)
CAP = Cap(3, timedelta(days=7))
VIP = {"visits": {"$gte": 10.0}}
POPULATION = define_population(
    Population(
        {"vip": VIP, "far": {"$nor": [{"country": {"$inGroup": "nordic"}}]}},
        {"nordic": ("NO", "SE")},
        {"home": Layer(holdout=0.1, cap=CAP), "shop": Layer()},
        0.05,
    )
)
BEFORE = PopulationState(POPULATION, 7)
DECLARED = (
    ContextField("visits", FieldType.NUMBER),
    ContextField("country", FieldType.TEXT),
    ContextField("staff", FieldType.FLAG),
)
RULES = SegmentsSpec((Rule({"$segment": "vip"}, {"bold": 1.0}),))


def state(name="hero", status=Status.RUNNING, **fields):
    plain = Experiment(name, (Variant("plain"), Variant("bold")), (Metric("click"),), context=DECLARED)
    return replace(create(replace(plain, **fields), ANNA)[0], status=status, snapshot="abc")


EVERYBODY = state()
IN_HOME = state(funnel=Funnel(layer=LayerRange("home", 0.0, 0.5)))
FOR_VIPS = state(funnel=Funnel(audience={"$segment": "vip", "country": "NO"}))
FOR_NORDIC = state(funnel=Funnel(audience={"country": {"$inGroup": "nordic"}}))
FOR_FAR = state(funnel=Funnel(audience={"$segment": "far"}))
FORCING = state(forced=(ForcedRule("bold", {"$segment": "vip"}),))
RULED = state(policy=RULES)
LEARNING = state(policy=ThompsonSpec(prior=RULES))
ALL = (EVERYBODY, IN_HOME, FOR_VIPS, FOR_NORDIC, FOR_FAR, FORCING, RULED, LEARNING)


def changed(**parts):
    return replace(POPULATION, **parts)


def home(**fields):
    return {"layers": {**POPULATION.layers, "home": replace(POPULATION.layers["home"], **fields)}}


def segments(**conditions):
    return {"segments": {**POPULATION.segments, **conditions}}


def moved(population, *states):
    return [each for each, _ in update_population(BEFORE, population, "7", states, ANNA)[2]]


# --- who is moved --------------------------------------------------------------------------------------------------

NEAR = {"groups": {"nordic": ("NO", "SE", "DK")}}
MORE_VIPS = segments(vip={"$or": [VIP, {"staff": True}]})
FEWER_VIPS = segments(vip={**VIP, "staff": True})
MOVES = {
    "a higher holdout": ({"holdout": 0.06}, ALL),
    "a lower holdout": ({"holdout": 0.04}, ()),
    "no holdout": ({"holdout": 0.0, "seed": "new"}, ()),
    "another seed": ({"seed": "new"}, ALL),
    "a lower holdout with another seed": ({"seed": "new", "holdout": 0.01}, ALL),
    "a higher holdout of a layer": (home(holdout=0.2), (IN_HOME,)),
    "a lower holdout of a layer": (home(holdout=0.0), ()),
    "another seed of a layer": (home(seed="new"), (IN_HOME,)),
    "another cap of a layer": (home(cap=replace(CAP, n=4)), (IN_HOME,)),
    "no cap of a layer": (home(cap=None), (IN_HOME,)),
    "another layer": ({"layers": {**POPULATION.layers, "more": Layer()}}, ()),
    "a layer that nobody uses": ({"layers": {"home": POPULATION.layers["home"]}}, ()),
    "a group that grows": (NEAR, (FOR_FAR,)),
    "a group that shrinks": ({"groups": {"nordic": ("SE",)}}, (FOR_NORDIC,)),
    "a group in another order": ({"groups": {"nordic": ("SE", "NO")}}, ()),
    "a segment that grows": (MORE_VIPS, (FORCING, RULED, LEARNING)),
    "a segment that shrinks": (FEWER_VIPS, (FOR_VIPS, FORCING, RULED, LEARNING)),
    "another segment": (segments(staff={"staff": True}), ()),
}


@pytest.mark.parametrize("what", MOVES)
def test_an_epoch_opens_where_units_move(what):
    parts, those = MOVES[what]
    for status in (Status.RUNNING, Status.PAUSED):
        opened = [bool(moved(changed(**parts), replace(each, status=status))) for each in ALL]
        assert opened == [each in those for each in ALL]


@pytest.mark.parametrize("status", [Status.DRAFT, Status.CONCLUDED, Status.ARCHIVED])
def test_where_nobody_is_nobody_moves(status):
    assert not moved(changed(holdout=0.5), replace(IN_HOME, status=status))


def test_a_moved_experiment_begins_an_epoch_and_knows_why():
    after, change = update_population(BEFORE, changed(holdout=0.5), "7", [IN_HOME], ANNA)[2][0]
    assert after == replace(IN_HOME, epoch=2, etag="2")
    why = "revision 8 of the population changed its holdout: a smaller group"
    assert change == Change("hero", NOW, "anna", "population", why, Status.RUNNING, 1, 2)


# --- the population itself -----------------------------------------------------------------------------------------


def test_a_change_is_the_next_revision_and_says_what_changed():
    wished = Population(segments={"all": {}}, groups=POPULATION.groups, layers=POPULATION.layers, holdout=0.1)
    after, change, _ = update_population(BEFORE, wished, "7", [], ANNA)
    assert after == PopulationState(wished, 8)
    assert after.etag == "8"
    assert change == PopulationChange(8, NOW, "anna", "a smaller group", ("segments", "holdout"))


def test_the_first_population_follows_the_empty_one():
    after, change, _ = update_population(PopulationState(), Population(layers={"home": Layer()}), "0", [], ANNA)
    assert (after.revision, after.population.layers["home"].seed, change.fields) == (1, "home", ("layers",))


def test_a_population_that_is_the_same_is_no_change():
    for same in (POPULATION, changed(layers={**POPULATION.layers, "shop": Layer()})):
        with pytest.raises(InvalidRequest, match="nothing changes"):
            update_population(BEFORE, same, "7", [IN_HOME], ANNA)


def test_true_is_another_value_than_one():
    one = PopulationState(Population({"some": {"vip": 1.0}}), 1)
    assert update_population(one, Population({"some": {"vip": True}}), "1", [], ANNA)[1].fields == ("segments",)


@pytest.mark.parametrize("etag", ["", "6", "8"])
def test_a_stale_etag_changes_nothing(etag):
    with pytest.raises(StaleEtag, match="read it again"):
        update_population(BEFORE, changed(holdout=0.5), etag, [], ANNA)


def test_a_change_is_signed():
    with pytest.raises(InvalidRequest, match="`actor`"):
        update_population(BEFORE, changed(holdout=0.5), "7", [], replace(ANNA, actor=" "))


def test_what_is_wrong_or_in_use_changes_nothing():
    with pytest.raises(InvalidPopulation, match="the holdout is 2"):
        update_population(BEFORE, changed(holdout=2.0), "7", [], ANNA)
    with pytest.raises(InvalidPopulation, match="'home'"):
        update_population(BEFORE, changed(layers={}), "7", [IN_HOME], ANNA)


wishes = st.lists(st.sampled_from(sorted(MOVES)), max_size=6)


@given(wishes)
def test_revisions_rise_by_one_and_epochs_by_one_at_most(wishes):
    population, state = BEFORE, IN_HOME
    for wish in wishes:
        wished, earlier = changed(**MOVES[wish][0]), population
        if define_population(wished) == earlier.population:
            continue
        population, _, opened = update_population(earlier, wished, earlier.etag, [state], ANNA)
        assert population.revision == earlier.revision + 1
        for after, change in opened:
            assert (after.epoch, int(after.etag)) == (state.epoch + 1, int(state.etag) + 1)
            assert (change.epoch, change.revision) == (after.epoch, state.revision)
            state = after
