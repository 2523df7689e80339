"""Definitions: what is filled in, and every rule that refuses."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.definition import MAX_PAYLOAD_DEPTH, MAX_VARIANTS, define
from engine.errors import InvalidExperiment
from engine.experiments import ContextField, Experiment, Factor, FieldType, Looking, Plan, Variant
from engine.metrics import Aggregation, Better, Metric, MetricKind, RewardTerm, Role
from engine.reward_rules import MAX_WEIGHT
from engine.specs import ContextualSpec, FixedSpec, ThompsonSpec

CLICK = Metric("click")
SPEND = Metric("spend", MetricKind.REVENUE, cap=100.0)
HERO = Experiment("hero", (Variant("plain"), Variant("bold")), (CLICK, SPEND))
DAY = timedelta(days=1)
VALUE = Metric("value", MetricKind.RATIO, of="spend", per="click")
FIELDS = (
    ContextField("age", FieldType.NUMBER),
    ContextField("plan", FieldType.TEXT),
    ContextField("new", FieldType.FLAG),
    ContextField("tags", FieldType.TEXTS),
)


def grid(**levels):
    factors = tuple(Factor(name, tuple(of)) for name, of in levels.items())
    return Experiment("grid", (), (CLICK,), factors=factors)


def test_what_is_left_out_is_filled_in():
    hero = define(HERO)
    assert (hero.control, hero.default, hero.seed, hero.reward) == ("plain", "plain", "hero", ())
    assert define(replace(HERO, control="bold")).default == "bold"


def test_defining_twice_changes_nothing():
    for experiment in (HERO, grid(size="sl", colour="rgb"), replace(HERO, policy=ContextualSpec())):
        once = define(experiment)
        assert define(once) == once


def test_a_policy_that_learns_is_rewarded_by_the_first_metric():
    assert define(replace(HERO, policy=ThompsonSpec())).reward == (RewardTerm("click", 1.0),)


def test_factors_generate_every_combination_the_first_slowest():
    made = define(grid(size="sl", colour="rgb")).variants
    assert [variant.name for variant in made] == ["s-r", "s-g", "s-b", "l-r", "l-g", "l-b"]
    assert made[1].levels == {"size": "s", "colour": "g"}
    assert made[1].payload == '{"size": "s", "colour": "g"}'


def test_factors_can_bring_variants_with_payloads_of_their_own():
    levels = [{"size": "s"}, {"size": "l"}]
    own = tuple(Variant(name, '"x"', levels=level) for name, level in zip("ab", levels, strict=True))
    assert define(replace(grid(size="sl"), variants=own)).variants == own


def test_spaces_in_a_payload_make_no_other_experiment():
    variants = (Variant("plain"), Variant("bold", '{"a":[1,2.50],"b":"\\u00e4"}'))
    assert define(replace(HERO, variants=variants)).variants[1].payload == '{"a": [1, 2.5], "b": "ä"}'


def with_variant(**changes):
    return replace(HERO, variants=(Variant("plain"), replace(Variant("bold"), **changes)))


def test_a_ratio_has_the_window_of_its_metrics():
    day = tuple(replace(metric, window=DAY) for metric in (CLICK, SPEND))
    assert define(replace(HERO, metrics=(VALUE, *day))).metric("value").window == DAY
    assert define(replace(HERO, metrics=(*HERO.metrics, VALUE))).metric("value") == VALUE


def with_metric(**changes):
    return replace(HERO, metrics=(replace(SPEND, **changes),), context=FIELDS)


def with_metrics(*metrics):
    return replace(HERO, metrics=metrics)


def with_ratio(**changes):
    return replace(HERO, metrics=(CLICK, SPEND, replace(VALUE, **changes)))


def rewarded(**changes):
    return replace(HERO, metrics=(replace(SPEND, **changes),), policy=ThompsonSpec())


def with_reward(*terms):
    return replace(HERO, policy=ThompsonSpec(), reward=tuple(RewardTerm(*term) for term in terms))


@pytest.mark.parametrize("bad", ["", "Hero", "hero!", "-hero", "h" * 101, "hé", "he ro", "hero\n"])
def test_an_id_is_plain(bad):
    assert "small letters" in complaint(replace(HERO, experiment_id=bad))


@pytest.mark.parametrize("bad", ["", "  ", "a\nb", "a\x00", "x" * 201])
def test_a_name_prints(bad):
    assert "printable characters" in complaint(with_variant(name=bad))
    assert "printable characters" in complaint(replace(HERO, metrics=(Metric(bad),)))
    assert "printable characters" in complaint(replace(HERO, context=(ContextField(bad, FieldType.TEXT),)))
    assert "printable characters" in complaint(grid(**{bad: "sl"}))
    assert "printable characters" in complaint(grid(size=("s", bad)))


GRID = Variant("s", levels={"size": "s"}, is_blank=True), Variant("l", levels={"size": "l"})
REFUSED = [
    (replace(HERO, unit=""), "`unit` must name what is randomised"),
    (replace(HERO, grace=timedelta(-1)), "`grace` must not be negative"),
    (replace(HERO, variants=()), "2 to 1000 variants and has 0"),
    (replace(HERO, variants=(Variant("plain"),)), "2 to 1000 variants and has 1"),
    (replace(HERO, variants=tuple(Variant(str(n)) for n in range(1001))), "2 to 1000 variants and has 1001"),
    (with_variant(name="plain"), "variant 'plain' is there 2 times"),
    (replace(HERO, control="third"), "`control` names 'third', which is no variant (there are plain, bold)"),
    (replace(HERO, default="third"), "`default` names 'third'"),
    (with_variant(payload="{a: 1}"), "payload of variant 'bold' must be JSON"),
    (with_variant(payload=""), "must be JSON"),
    (with_variant(payload="NaN"), "must be JSON"),
    (with_variant(payload="[1e999]"), "must be JSON"),
    (with_variant(payload='"\\ud800"'), "must be JSON"),
    (with_variant(payload="9" * 5000), "must be JSON"),
    (with_variant(payload="[" * (MAX_PAYLOAD_DEPTH + 1) + "]" * (MAX_PAYLOAD_DEPTH + 1)), "of at most 40 levels"),
    (with_variant(payload="[" * 100_000), "must be JSON"),
    (with_variant(payload="[" * 100_000 + "]" * 100_000), "must be JSON"),
    (with_variant(features={"price": math.inf}), "feature 'price' of variant 'bold' must be a finite number"),
    (with_variant(features={"price": math.nan}), "must be a finite number"),
    (with_variant(payload='{"headline": "Now"}', is_blank=True), "'bold' is blank, which shows nothing, and has a"),
    (replace(HERO, variants=(Variant("a", is_blank=True), Variant("b", is_blank=True))), "every variant is blank"),
    (replace(grid(size="sl"), variants=GRID), "variant 's' stands for a level of each factor, so it is not blank"),
    (grid(size=()), "factor 'size' needs at least two levels and has 0"),
    (grid(size="s"), "factor 'size' needs at least two levels and has 1"),
    (grid(size="ss"), "level of factor 'size' 's' is there 2 times"),
    (grid(a=("x-y", "x"), b=("z", "y-z")), "variant 'x-y-z' is there 2 times"),
    (grid(a="ab", **{f"b{n}": map(str, range(10)) for n in range(3)}), "2 to 1000 variants and has 2000"),
    (replace(grid(size="sl"), factors=2 * (Factor("size", ("s", "l")),)), "factor 'size' is there 2 times"),
    (replace(HERO, factors=(Factor("size", ("s", "l")),)), "either `variants` or `factors`"),
    (replace(HERO, context=2 * (ContextField("a", FieldType.TEXT),)), "context field 'a' is there 2 times"),
    (replace(HERO, requires_consent="ok"), "`requires_consent` names 'ok'"),
    (replace(HERO, requires_consent="ok", context=(ContextField("ok", FieldType.TEXT),)), "as a flag"),
    (replace(HERO, metrics=()), "at least one metric"),
    (replace(HERO, metrics=(CLICK, CLICK)), "metric 'click' is there 2 times"),
    (with_metric(window=timedelta(0)), "the window of metric 'spend' must be longer than nothing"),
    (with_metric(cap=0.0), "the cap of metric 'spend' must be a positive number"),
    (with_metric(cap=-1.0), "must be a positive number"),
    (with_metric(cap=math.inf), "must be a positive number"),
    (with_metric(cap=math.nan), "must be a positive number"),
    (with_metric(kind=MetricKind.CONVERSION), "metric 'spend' is of kind conversion, which has no `cap`"),
    (with_metric(kind=MetricKind.NPS), "is of kind nps, which has no `cap`"),
    (with_ratio(cap=5.0), "is of kind ratio, which has no `cap`"),
    (with_ratio(winsor=0.9), "is of kind ratio, which has no `winsor`"),
    (with_ratio(range=(0, 1)), "is of kind ratio, which has no `range`"),
    (with_ratio(after=DAY), "is of kind ratio, which has no `after`"),
    (with_ratio(quantile=0.5), "is of kind ratio, which has no `quantile`"),
    (with_metric(per="click"), "is of kind revenue, which has no `per`"),
    (with_metric(quantile=0.9), "is of kind revenue, which has no `quantile`"),
    (with_metric(kind=MetricKind.RETENTION, cap=None), "is a retention, which needs `after`"),
    (with_metric(after=-DAY), "`after` of metric 'spend' must be shorter than its window, and not negative"),
    (with_metric(after=timedelta(days=7)), "must be shorter than its window"),
    (with_metric(kind=MetricKind.QUANTILE), "metric 'spend' needs `quantile`"),
    (with_metric(kind=MetricKind.QUANTILE, quantile=0.0), "`quantile` of metric 'spend' is 0 and must be in (0, 1)"),
    (with_metric(kind=MetricKind.QUANTILE, quantile=1.0), "is 1 and must be in (0, 1)"),
    (with_metric(kind=MetricKind.QUANTILE, quantile=math.nan), "is nan and must be in (0, 1)"),
    (with_metric(winsor=0.99), "has `cap` and `winsor`"),
    (with_metric(cap=None, winsor=0.5), "`winsor` of metric 'spend' is 0.5 and must be in (0.5, 1)"),
    (with_metric(cap=None, winsor=1.0), "is 1 and must be in (0.5, 1)"),
    (with_metric(cap=None, winsor=math.nan), "is nan and must be in (0.5, 1)"),
    (with_metric(range=(200, 0)), "must be two numbers, the lower one first"),
    (with_metric(range=(0, math.inf)), "must be two numbers, the lower one first"),
    (with_metric(range=(math.nan, 1)), "must be two numbers, the lower one first"),
    (with_metric(range=(1, 200)), "the range of metric 'spend' must contain 0"),
    (with_metric(range=(0, 99)), "the range of metric 'spend' must contain its cap"),
    (with_metric(kind=MetricKind.NPS, cap=None, range=(1, 10)), "scores range from 0 to 10: leave `range` out"),
    (with_metric(role=Role.GUARDRAIL), "is a guardrail, which needs a `margin`"),
    (with_metric(margin=0.1), "has a `margin`, which only a guardrail has"),
    (with_metric(role=Role.GOAL, margin=0.1), "has a `margin`, which only a guardrail has"),
    (with_metric(role=Role.GUARDRAIL, margin=0.0), "the margin of metric 'spend' is 0 and must be a share in (0, 1)"),
    (with_metric(role=Role.GUARDRAIL, margin=1.0), "is 1 and must be a share in (0, 1)"),
    (with_metric(effect=0.0), "the effect of metric 'spend' must be a positive share"),
    (with_metric(effect=-0.05), "must be a positive share"),
    (with_metric(effect=math.inf), "must be a positive share"),
    (
        with_metric(covariates=("size",)),
        "the covariates of metric 'spend' name 'size', which must be declared",
    ),
    (with_metric(covariates=("plan",)), "name 'plan', which must be declared in `context` as a number or flag"),
    (with_metric(covariates=("age", "age")), "the covariates of metric 'spend' name 'age' 2 times"),
    (with_metric(of=" "), "`of` of metric 'spend' must name an outcome"),
    (with_metric(of="x" * 201), "must name an outcome by 1 to 200 printable characters"),
    (with_ratio(per=""), "metric 'value' is a ratio, so `of` and `per` must name two metrics"),
    (with_ratio(of=""), "`of` and `per` must name two metrics"),
    (with_ratio(per="spend"), "`of` and `per` must name two metrics"),
    (with_ratio(per="clack"), "`of` and `per` must name two metrics"),
    (
        with_ratio(per="value"),
        "names 'value', which is of kind ratio: it must be conversion, count,",
    ),
    (with_ratio(window=DAY), "ratio 'value' and its metric 'spend' must have the same window"),
    (with_metrics(CLICK, replace(SPEND, window=DAY), VALUE), "ratio 'value' and its metric 'click' must have the same"),
    (with_metrics(CLICK, SPEND, VALUE, Metric("more", of="value")), "'value', which is a ratio and no outcome"),
    (
        with_metrics(SPEND, Metric("n", MetricKind.COUNT, of="spend")),
        "'spend' and 'n' are made of outcome 'spend', whose value cannot be an amount and a number of times",
    ),
    (with_metrics(SPEND, Metric("n", MetricKind.CSAT, of="spend")), "cannot be an amount and a score"),
    (rewarded(kind=MetricKind.COUNT, cap=None), "is in the reward, so it needs a `cap` or a `range`"),
    (rewarded(kind=MetricKind.CSAT, cap=None), "is in the reward, so it needs a `range`"),
    (rewarded(kind=MetricKind.CSAT, cap=None, range=(1.0, 5.0)), "is a score, so its part of the reward needs"),
    (rewarded(kind=MetricKind.NPS, cap=None), "is a score, so its part of the reward needs `aggregation: mean`"),
    (rewarded(kind=MetricKind.QUANTILE, quantile=0.5), "is of kind quantile, which can be no reward"),
    (rewarded(better=Better.LOWER), "so its weight must be negative: it is a cost"),
    (replace(with_ratio(), reward=(RewardTerm("value", 1.0),)), "is of kind ratio, which can be no reward"),
    (replace(HERO, plan=Plan(looks=1)), "the plan has 1 looks and must have 2 to 50"),
    (replace(HERO, plan=Plan(looks=51)), "the plan has 51 looks"),
    (replace(HERO, plan=Plan(n_units=-1)), "`units` of the plan must not be negative"),
    (replace(HERO, plan=Plan(Looking.PLANNED)), "planned looks need `units`"),
    (replace(HERO, plan=Plan(power=0.5)), "the power of the plan is 0.5 and must be in (0.5, 1)"),
    (replace(HERO, plan=Plan(power=math.nan)), "the power of the plan is nan"),
    (
        replace(HERO, segments=("plan",)),
        "`segments` name 'plan', which must be declared in `context` as a text",
    ),
    (replace(HERO, context=FIELDS, segments=("age",)), "`segments` name 'age', which must be declared"),
    (replace(HERO, context=FIELDS, segments=("tags",)), "`segments` name 'tags', which must be declared"),
    (replace(HERO, context=FIELDS, segments=("plan", "plan")), "`segments` name 'plan' 2 times"),
    (with_reward(("clack", 1.0)), "the reward names 'clack', which is no metric"),
    (with_reward(("click", 0.0)), "weight of 'click' is 0 and must be a number other than 0"),
    (with_reward(("click", math.nan)), "weight of 'click' is nan"),
    (with_reward(("click", -math.inf)), "weight of 'click' is -inf"),
    (with_reward(("click", -2 * MAX_WEIGHT)), "weight of 'click' is -2e+06 and must be"),
    (with_reward(("click", 1.0, Aggregation.MAX)), "'click' happens or not, and has no values to take the max of"),
    (replace(with_reward(("click", 1.0)), reward_scale=(1.0, 0.0)), "`reward_scale` must be two numbers, the lower"),
    (replace(with_reward(("click", 1.0)), reward_scale=(0.0, math.inf)), "`reward_scale` must be two numbers"),
    (replace(with_reward(("click", 1.0)), reward_default=-0.1), "`reward_default` is -0.1 and must be on the reward's"),
    (replace(with_reward(("click", 1.0)), reward_default=math.nan), "`reward_default` is nan and must be"),
    (replace(HERO, reward_scale=(0.0, 2.0)), "`reward_scale` and `reward_default` are of a reward"),
    (with_reward(("click", 0.5), ("click", 0.5)), "reward of metric 'click' is there 2 times"),
    (replace(with_metric(cap=None), policy=ThompsonSpec()), "so it needs a `cap`"),
    (replace(HERO, policy=FixedSpec({"plain": 0.5, "bold": 0.4})), "the weights sum to 0.9 and must sum to 1"),
    (replace(HERO, policy=FixedSpec({"plain": 1.0})), "variant 'bold' needs a weight in (0, 1]"),
    (replace(HERO, policy=FixedSpec({"plain": 1.0, "bold": 0.0})), "variant 'bold' needs a weight"),
    (replace(HERO, policy=FixedSpec({"plain": math.nan, "bold": 0.5})), "variant 'plain' needs a weight"),
    (replace(HERO, policy=FixedSpec({"plain": 0.5, "bold": 0.4, "b": 0.1})), "a weight names 'b', which is no variant"),
    (replace(HERO, policy=ThompsonSpec(floor=0.0)), "the floor is 0 and must be in (0, 1]"),
    (replace(HERO, policy=ThompsonSpec(floor=1.1)), "the floor is 1.1"),
    (replace(HERO, policy=ContextualSpec(floor=math.nan)), "the floor is nan"),
    (replace(HERO, policy=ThompsonSpec(control_share=1.0)), "the control share is 1 and must be in [0, 1)"),
    (replace(HERO, policy=ThompsonSpec(control_share=-0.1)), "the control share is -0.1"),
    (replace(HERO, policy=ThompsonSpec(publish_every=0)), "`publish_every` must be at least 1"),
    (replace(HERO, policy=ThompsonSpec(prior_alpha=0.5)), "`prior_alpha` is 0.5 and must be from 1 to 1e+12"),
    (replace(HERO, policy=ThompsonSpec(prior_beta=math.nan)), "`prior_beta` is nan and must be from 1"),
    (replace(HERO, policy=ThompsonSpec(prior_beta=math.inf)), "`prior_beta` is inf and must be from 1"),
    (replace(HERO, policy=ContextualSpec(gamma=0.0)), " and must be a positive number, from 1e-6"),
    (replace(HERO, policy=ContextualSpec(gamma=math.inf)), " and must be a positive number, from 1e-6"),
]


@pytest.mark.parametrize(("experiment", "part"), REFUSED, ids=[part for _, part in REFUSED])
def test_every_rule_refuses(experiment, part):
    assert part in complaint(experiment)


def test_all_that_is_wrong_is_said_at_once():
    sentence = complaint(replace(HERO, unit="", control="third", metrics=()))
    assert "`unit`" in sentence
    assert "`control`" in sentence
    assert "metric" in sentence


def test_the_limits_themselves_are_allowed():
    define(replace(HERO, variants=tuple(Variant(str(number)) for number in range(MAX_VARIANTS))))
    define(with_variant(payload="[" * MAX_PAYLOAD_DEPTH + "]" * MAX_PAYLOAD_DEPTH, name="x" * 200))
    define(replace(HERO, experiment_id="h" * 100, policy=ThompsonSpec(floor=1.0, prior_alpha=1.0)))
    define(with_reward(("click", 0.1), ("spend", 0.9)))
    define(replace(HERO, plan=Plan(Looking.PLANNED, looks=50, n_units=1, power=0.999)))
    define(replace(HERO, context=FIELDS, segments=("plan", "new")))
    define(with_metric(range=(-100, 100), covariates=("age", "new"), role=Role.GUARDRAIL, margin=0.999))


def test_metrics_can_be_made_of_one_outcome():
    metrics = (
        Metric("revenue", MetricKind.REVENUE, of="order"),
        Metric("large", MetricKind.QUANTILE, of="order", quantile=0.9),
        Metric("orders", of="order"),
        Metric("again", MetricKind.RETENTION, of="order", after=DAY),
        Metric("value", MetricKind.RATIO, of="revenue", per="orders"),
    )
    experiment = define(replace(HERO, metrics=metrics))
    assert experiment.outcomes == {"order"}
    assert [experiment.sources(metric) for metric in experiment.metrics] == 5 * [{"order"}]


@pytest.mark.parametrize(
    "metric",
    [
        Metric("m", MetricKind.RETENTION, after=DAY),
        Metric("m", MetricKind.COUNT, cap=3.0),
        Metric("m", MetricKind.REVENUE, cap=3.0),
        Metric("m", MetricKind.REVENUE, range=(-3.0, 3.0)),
    ],
    ids=lambda metric: metric.kind.value,
)
def test_what_can_be_a_reward(metric):
    assert define(replace(HERO, metrics=(metric,), policy=ThompsonSpec())).reward == (RewardTerm("m", 1.0),)


def test_the_primary_metric_is_the_goal_or_the_heaviest_of_the_reward_or_the_first():
    terms = (RewardTerm("click", 0.4), RewardTerm("spend", 0.6))
    with_goal = replace(HERO, metrics=(CLICK, SPEND, Metric("more", role=Role.GOAL)))
    assert HERO.primary == CLICK
    assert replace(HERO, reward=terms).primary == SPEND
    assert replace(with_goal, reward=terms).primary.name == "more"
    assert HERO.goals == (CLICK,)
    assert [metric.name for metric in with_goal.goals] == ["more"]


def complaint(experiment):
    with pytest.raises(InvalidExperiment) as caught:
        define(experiment)
    sentence = str(caught.value)
    assert sentence.startswith(f"experiment {experiment.experiment_id!r}: ")
    return sentence
