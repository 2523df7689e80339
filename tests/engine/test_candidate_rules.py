"""Candidates and slots: what goes with them, and what is refused."""

from dataclasses import replace

import pytest

from engine.candidate_rules import MAX_SLOTS
from engine.definition import define
from engine.errors import InvalidExperiment
from engine.experiments import ContextField, Experiment, ExperimentState, Factor, FieldType, Status, Variant
from engine.files import dump, load
from engine.funnel import Funnel, Population, Sticky
from engine.metrics import Metric
from engine.neighbours import check
from engine.specs import ContextualSpec, FixedSpec, Rule, SegmentsSpec, ThompsonSpec

PRICE = ContextField("price", FieldType.NUMBER)
HERO = Experiment("hero", (Variant("plain"), Variant("bold"), Variant("loud")), (Metric("click"),))
FEED = replace(HERO, experiment_id="feed", variants=(Variant("house"),), candidates=(PRICE,), policy=ContextualSpec())
RULE = Rule({}, {"plain": 1.0})


def complaint(experiment: Experiment) -> str:
    with pytest.raises(InvalidExperiment) as refused:
        define(experiment)
    return str(refused.value)


@pytest.mark.parametrize("policy", [FixedSpec(), ContextualSpec()])
@pytest.mark.parametrize("slots", [1, MAX_SLOTS])
def test_a_policy_that_can_choose_among_candidates_may_fill_any_number_of_slots(policy, slots):
    defined = define(replace(FEED, policy=policy, slots=slots, shadow=ContextualSpec()))
    assert (defined.control, defined.default, defined.slots) == ("house", "house", slots)


def test_a_slate_of_declared_variants_may_have_as_many_slots_as_there_are_variants():
    for policy in (FixedSpec({"plain": 0.5, "bold": 0.25, "loud": 0.25}), ThompsonSpec()):
        asked = replace(HERO, slots=3, policy=policy)
        assert define(asked).slots == 3
        assert "each fills one at most" in complaint(replace(asked, slots=4))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"slots": 0}, "`slots` is 0 and must be from 1 to 100"),
        ({"slots": MAX_SLOTS + 1}, "`slots` is 101 and must be from 1 to 100"),
        ({"slots": 2, "sticky": Sticky()}, "`slots` are filled by several"),
        ({"sticky": Sticky()}, "a sticky unit keeps a declared variant"),
        ({"policy": ThompsonSpec()}, "the policy is thompson, which knows no candidates: take contextual"),
        ({"shadow": ThompsonSpec()}, "the shadow is thompson, which knows no candidates"),
        ({"policy": FixedSpec({"house": 1.0})}, "the policy has weights, which name no candidate"),
        ({"policy": ContextualSpec(prior=SegmentsSpec((RULE,)))}, "the policy has a prior, which names no candidate"),
        ({"policy": ContextualSpec(shares={"house": 0.1})}, "the policy has `shares`, which do not go with"),
        ({"candidates": (PRICE, PRICE)}, "candidate field 'price' is there 2 times"),
        ({"candidates": (ContextField("a\nb", FieldType.TEXT),)}, "candidate field 'a\\nb' must have a name"),
        ({"candidates": None}, "it needs 2 to 1000 variants and has 1"),
        ({"variants": ()}, "it needs 1 to 1000 variants and has 0"),
    ],
)
def test_what_does_not_go_with_candidates_is_refused(changes, told):
    assert told in complaint(replace(FEED, **changes))


def test_factors_bring_all_variants_themselves():
    factors = (Factor("size", ("s", "l")),)
    assert "`factors` generate every variant" in complaint(replace(FEED, variants=(), factors=factors))


def test_shares_do_not_go_with_several_slots():
    asked = replace(HERO, policy=ThompsonSpec(shares={"bold": 0.1}))
    assert define(asked).policy.shares == {"bold": 0.1}
    assert "the policy has `shares`" in complaint(replace(asked, slots=2))
    assert "the shadow has `shares`" in complaint(replace(HERO, shadow=asked.policy, slots=2))


@pytest.mark.parametrize("changes", [{"slots": 2}, {"candidates": ()}])
def test_nothing_can_require_what_is_not_one_variant(changes):
    required = define(HERO)
    dependent = define(replace(HERO, experiment_id="after", funnel=Funnel(prerequisites={"hero": ("bold",)})))
    for experiment, fits in ((required, True), (define(replace(required, **changes)), False)):
        others = [ExperimentState(experiment, Status.RUNNING, 1, 1, "1")]
        if fits:
            check(dependent, Status.RUNNING, others, Population())
            continue
        with pytest.raises(InvalidExperiment, match="takes candidates or fills several slots"):
            check(dependent, Status.RUNNING, others, Population())


@pytest.mark.parametrize("declared", [(), (PRICE,), (PRICE, ContextField("topic", FieldType.TEXT, required=True))])
def test_declared_candidates_come_back_from_a_file_also_where_nothing_of_them_is_known(declared):
    feed = define(replace(FEED, candidates=declared, slots=2))
    assert load(dump(feed)) == feed
    assert load(dump(define(HERO))).candidates is None


def test_a_shadow_is_put_in_one_form_as_the_policy_is():
    rule = Rule({"visits": {"$in": (1, 2)}}, {"plain": 1.0})
    visits = (ContextField("visits", FieldType.NUMBER),)
    shadowed = define(replace(HERO, context=visits, shadow=ThompsonSpec(prior=SegmentsSpec((rule,)))))
    assert shadowed.shadow.prior.rules[0].when == {"visits": {"$in": [1.0, 2.0]}}
    assert load(dump(shadowed)) == shadowed
