"""Whatever is applied and whatever is asked: nothing is raised, and the answer is a variant and a reason."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import event, given, settings
from hypothesis import strategies as st

from engine.definition import define
from engine.errors import InvalidExperiment
from engine.experiments import ContextField, ExperimentState, FieldType, Status
from engine.explanation import Verdict
from engine.funnel import Cap, ForcedRule, Funnel, Layer, LayerRange, Population, RampStep, Rest, Sticky
from engine.neighbours import check
from engine.records import Group, Reason, Request, Unit
from engine.specs import FixedSpec, ThompsonSpec
from tests.engine.condition_strategies import clauses, logical, values
from tests.engine.funnel_strategies import segments_of
from tests.engine.house import NOW, House, days
from tests.engine.house import experiment as plain_experiment

VARIANTS = ("plain", "bold", "quiet")
DECLARED = (
    ContextField("a", FieldType.NUMBER),
    ContextField("b", FieldType.TEXT),
    ContextField("tags", FieldType.TEXTS),
    ContextField("consent", FieldType.FLAG, required=True),
)
POPULATION = Population(
    {"vip": {"a": {"$gte": 1.0}}, "deep": {"$or": [{"$segment": "vip"}, {"b": {"$inGroup": "g"}}]}},
    {"g": ("a", "1"), "h": (1.0, 2.5)},
    {"home": Layer(holdout=0.2, cap=Cap(2, days(1)))},
    0.1,
)
BASE = plain_experiment("base", context=DECLARED)
RUNNING_BASE = ExperimentState(BASE, Status.RUNNING, 1, 1, "2")

# --- what is applied -----------------------------------------------------------------------------------------------

named = st.sampled_from([{"$segment": "vip"}, {"$not": {"$segment": "deep"}}, {"b": {"$inGroup": "g"}}, {"a": 1.0}])
conditions = st.just({}) | named | clauses | logical
ruled = segments_of(VARIANTS, "plain", DECLARED, st.sampled_from([0.0, 0.1]))
priors = segments_of(VARIANTS, "plain", DECLARED, st.just(0.0))
policies = (
    st.just(FixedSpec())
    | st.just(FixedSpec({"plain": 0.999999, "bold": 0.0000005, "quiet": 0.0000005}))
    | ruled
    | st.builds(ThompsonSpec, prior=st.none() | priors, control_share=st.sampled_from([0.0, 0.3]))
)
ramp = (RampStep(0.3), RampStep(0.7, days(1)), RampStep(1.0))
funnels = st.builds(
    Funnel,
    prerequisites=st.just({}) | st.just({}) | st.just({"base": ("bold", "plain")}),
    audience=conditions,
    layer=st.sampled_from([None, LayerRange("home"), LayerRange("home", 0.25, 0.9)]),
    ramp=st.sampled_from([(), ramp]),
    starts_at=st.sampled_from([None, None, NOW]),
    ends_at=st.sampled_from([None, None, NOW + days(2)]),
    cap=st.none() | st.just(Cap(1, timedelta(hours=1))),
    rest=st.none() | st.just(Rest("click", timedelta(hours=1), days(1))),
)
stickiness = st.sampled_from(
    [{}, {"sticky": Sticky()}, {"sticky": Sticky(3, 2)}, {"sticky": Sticky(), "fallback_unit": "device"}]
)


@st.composite
def experiments(draw):
    """Return experiments that a server takes; a condition that it refuses stands in none of them."""
    experiment = plain_experiment(
        "hero",
        context=DECLARED,
        requires_consent=draw(st.sampled_from(["", "consent"])),
        policy=draw(policies),
        killed=draw(st.sampled_from([(), ("quiet",)])),
        **draw(stickiness),
    )
    rules = draw(st.lists(st.builds(ForcedRule, st.sampled_from(VARIANTS), conditions), max_size=2).map(tuple))
    funnel = draw(funnels)
    for bolder in ({"forced": rules}, {"funnel": replace(funnel, audience={})}, {"funnel": funnel}):
        experiment = if_taken(experiment, bolder)
    return experiment


def if_taken(experiment, changes):
    """Return the experiment with these changes, or as it was where a server refuses them."""
    try:
        changed = define(replace(experiment, **changes))
        check(changed, Status.RUNNING, [RUNNING_BASE], POPULATION)
    except InvalidExperiment:
        event("refused")
        return experiment
    return changed


# --- what is asked -------------------------------------------------------------------------------------------------

ids = st.sampled_from(["", "u1", "ä" * 200])
any_context = st.dictionaries(st.sampled_from(["a", "b", "tags", "consent", "else", ""]), values, max_size=5)
right_context = st.fixed_dictionaries(
    {"consent": st.sampled_from([True, True, False])},
    optional={
        "a": st.sampled_from([0.0, 1.0, 2.5]),
        "b": st.sampled_from(["a", "1", ""]),
        "tags": st.lists(st.text(max_size=3), max_size=2),
    },
)
whole_units = [{"customer": "u1"}, {"customer": "u2", "device": "d"}, {"device": "d"}]
odd_units = st.dictionaries(st.sampled_from(["customer", "device", "account", ""]), ids, max_size=3)
units = st.sampled_from([*whole_units * 4, None]).flatmap(lambda known: odd_units if known is None else st.just(known))
requests = st.builds(
    Request,
    st.sampled_from(["hero", "hero", "hero", "base"]),
    units,
    st.uuids().map(str),
    st.sampled_from([NOW, NOW, NOW, NOW + timedelta(minutes=30), NOW + days(1), NOW + days(9), NOW - days(1)]),
    right_context | any_context,
    excluded_variants=st.just(frozenset()) | st.frozensets(st.sampled_from([*VARIANTS, "bald"]), max_size=4),
    dry_run=st.sampled_from([False, False, False, True]),
    qa_variant=st.sampled_from([""] * 9 + [*VARIANTS]),
)


houses = st.sampled_from(
    [
        *[()] * 6,
        (lambda house: house.force("hero", Unit("customer", "u1"), "bold"),),
        (lambda house: house.move("hero", Status.PAUSED),),
        (lambda house: house.move("hero", Status.CONCLUDED), lambda house: house.move("hero", Status.ARCHIVED)),
        (lambda house: house.move("base", Status.PAUSED),),
        (lambda house: house.open(),),
    ]
)
"""What was done to a house since its experiments were started."""


@settings(max_examples=300, deadline=None)
@given(experiments(), st.lists(requests, min_size=1, max_size=8), houses, st.booleans())
def test_any_request_is_answered_by_a_variant_and_a_reason(experiment, asked, changes, walks):
    house = House()
    house.divide(POPULATION)
    house.run(BASE, experiment)
    for change in changes:
        change(house)
    walk = house.engine.walk() if walks else None
    for request in asked:
        row = house.engine.decide(request, walk)
        event(row.reason.value)
        check_answer(row, request)
        if not request.dry_run:
            house.keep([row])
            check_again(house, row)


def check_answer(row, request):
    assert row.variant in VARIANTS
    assert isinstance(row.reason, Reason)
    assert bool(row.assignment_id) == row.reason.is_logged
    assert row.is_draw == (row.reason is Reason.DRAWN) == bool(row.distribution)
    if row.is_draw:
        assert sum(row.distribution) == 2**32
        assert 0 < row.propensity <= 1
        assert row.variant not in request.excluded_variants
        assert request.qa_variant == ""
        assert row.group is Group.POLICY or row.variant == "plain"


def check_again(house, row):
    """What was drawn is drawn again from the log alone, and what was not says so."""
    if row.reason.is_logged:
        verdict = house.explain(row).verdict
        assert verdict is (Verdict.REPRODUCED if row.reason in (Reason.DRAWN, Reason.CACHED) else Verdict.NOT_DRAWN)
