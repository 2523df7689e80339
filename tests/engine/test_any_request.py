"""Whatever is applied and whatever is asked: nothing is raised, and the answer is a variant and a reason."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import event, given, settings
from hypothesis import strategies as st

from engine.definition import define
from engine.errors import InvalidExperiment, InvalidRequest
from engine.experiments import ContextField, ExperimentState, FieldType, Status
from engine.explanation import Verdict
from engine.funnel import Cap, ForcedRule, Funnel, Layer, LayerRange, Population, RampStep, Rest, Sticky
from engine.neighbours import check
from engine.records import Candidate, Group, Reason, Request, Unit
from engine.specs import ContextualSpec, EpsilonGreedySpec, FixedSpec, ThompsonSpec
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


FEATURES = (ContextField("a", FieldType.NUMBER), ContextField("b", FieldType.TEXT, required=True))
shadows = st.sampled_from([None, None, FixedSpec(), EpsilonGreedySpec()])
takers = st.builds(
    dict,
    candidates=st.sampled_from([(), FEATURES]),
    policy=st.sampled_from([FixedSpec(), ContextualSpec(), ContextualSpec(control_share=0.3)]),
    shadow=st.sampled_from([None, FixedSpec()]),
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
    bold = {"shadow": draw(shadows)}, {"slots": draw(st.integers(1, 3))}, draw(st.just({}) | st.just({}) | takers)
    for bolder in ({"forced": rules}, {"funnel": replace(funnel, audience={})}, {"funnel": funnel}, *bold):
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
any_features = st.dictionaries(st.sampled_from(["a", "b", "else"]), values, max_size=3)
right_features = st.builds(dict, a=st.sampled_from([0.0, 2.5]), b=st.text(max_size=2))
candidates = st.lists(
    st.builds(Candidate, st.sampled_from(["c1", "c2", "c3", "c4"]), right_features | any_features),
    max_size=4,
    unique_by=lambda each: each.name,
)
odd_candidates = st.sampled_from([(Candidate(""),), (Candidate("plain"),), (Candidate("c"), Candidate("c"))])


def requests_to(experiment):
    """Return requests of which most ask for what there is."""
    slots = [*range(experiment.slots + 1)]
    brought = st.just(()) if experiment.candidates is None else candidates.map(tuple)
    return st.builds(
        Request,
        st.just(experiment.experiment_id),
        units,
        st.uuids().map(str),
        st.sampled_from([NOW, NOW, NOW, NOW + timedelta(minutes=30), NOW + days(1), NOW + days(9), NOW - days(1)]),
        right_context | any_context,
        excluded_variants=st.just(frozenset()) | st.frozensets(st.sampled_from([*VARIANTS, "bald", "c1"]), max_size=4),
        candidates=st.sampled_from([*[brought] * 9, odd_candidates]).flatmap(lambda chosen: chosen),
        n_slots=st.sampled_from([*slots * 5, -1, 4]),
        dry_run=st.sampled_from([False, False, False, True]),
        qa_variant=st.sampled_from([""] * 9 + [*VARIANTS, "c1"]),
    )


@st.composite
def worlds(draw):
    """Return an experiment, and what is asked of it and of the one beside it."""
    experiment = draw(experiments())
    asked = st.sampled_from([experiment, experiment, experiment, BASE]).flatmap(requests_to)
    return experiment, draw(st.lists(asked, min_size=1, max_size=8))


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
@given(worlds(), houses, st.booleans())
def test_any_request_is_answered_by_a_variant_and_a_reason(world, changes, walks):
    experiment, asked = world
    house = House()
    house.divide(POPULATION)
    house.run(BASE, experiment)
    for change in changes:
        change(house)
    walk = house.engine.walk() if walks else None
    for request in asked:
        try:
            rows = house.engine.fill(request, walk)
        except InvalidRequest:
            event("a wrong call")
            assert is_wrong(house, request) or wants_what_is_not(request)
            continue
        assert not is_wrong(house, request)
        check_slots(rows, request)
        for row in rows:
            event(row.reason.value)
            check_answer(row, request)
        if not request.dry_run:
            house.keep(rows)
            check_again(house, rows)


def is_wrong(house, request):
    """Whether a request asks for more slots than there are, or brings what could not be told apart."""
    experiment = house.engine.catalog.find(request.experiment_id).experiment
    names = [candidate.name for candidate in request.candidates]
    is_odd = "" in names or len({*names, *VARIANTS}) < len(names) + len(VARIANTS)
    is_refused = bool(names) and (experiment.candidates is None or is_odd)
    return is_refused or not 0 <= request.n_slots <= max(1, experiment.slots)


def wants_what_is_not(request):
    """Whether the variant that somebody wants to see is none, which is noticed where anything is served at all."""
    names = [candidate.name for candidate in request.candidates]
    return request.qa_variant not in ("", *VARIANTS, *names)


def check_slots(rows, request):
    """Slots are filled from the first on, by a variant each."""
    assert [row.slot for row in rows] == list(range(len(rows)))
    assert 1 <= len(rows) <= max(1, request.n_slots)
    assert len({row.variant for row in rows}) == len(rows)
    assert len(rows) == 1 or rows[0].reason.is_logged
    assert not any(row.is_remembered for row in rows[1:])


def check_answer(row, request):
    assert row.variant in {*VARIANTS, *(candidate.name for candidate in request.candidates)}
    assert isinstance(row.reason, Reason)
    assert bool(row.assignment_id) == row.reason.is_logged
    assert row.is_draw == (row.reason is Reason.DRAWN) == bool(row.distribution)
    assert not row.shadow_distribution or (row.is_draw and row.group is Group.POLICY)
    if row.is_draw:
        assert sum(row.distribution) == 2**32
        assert 0 < row.propensity <= 1
        assert row.variant not in request.excluded_variants
        assert request.qa_variant == ""
        assert row.group is Group.POLICY or len(row.eligible) == 1


def check_again(house, rows):
    """What was drawn is drawn again from the log alone, and what was not says so."""
    for row in rows:
        if row.reason.is_logged:
            again = (Reason.DRAWN, Reason.CACHED)
            assert house.explain(row).verdict is (Verdict.REPRODUCED if row.reason in again else Verdict.NOT_DRAWN)
