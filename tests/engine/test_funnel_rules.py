"""Who takes part: what is put in one form, and every rule that refuses."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from engine.conditions import MAX_DEPTH
from engine.definition import define
from engine.errors import InvalidExperiment
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.funnel import Cap, ForcedRule, Funnel, LayerRange, RampStep, Rest, Sticky
from engine.funnel_rules import LAST, MAX_EXPOSURES, MAX_UNITS, MAX_VERSION
from engine.metric_rules import MAX_WINDOW
from engine.metrics import Metric, MetricKind
from engine.records import DrawKey
from engine.specs import ThompsonSpec

METRICS = (Metric("click"), Metric("paid", MetricKind.REVENUE, of="order", cap=9.0))
HERO = Experiment("hero", (Variant("plain"), Variant("bold"), Variant("loud")), METRICS)
DAY = timedelta(days=1)
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
TEN = RampStep(0.1, DAY, 1000)
ALL = RampStep(1.0)


def with_funnel(**changes):
    return replace(HERO, funnel=Funnel(**changes))


def with_ramp(*steps):
    return with_funnel(ramp=steps)


def with_rest(outcome="click", within=DAY, lasts=DAY):
    return with_funnel(rest=Rest(outcome, within, lasts))


def complaint(experiment):
    with pytest.raises(InvalidExperiment) as caught:
        define(experiment)
    sentence = str(caught.value)
    assert sentence.startswith(f"experiment {experiment.experiment_id!r}: ")
    assert "\n" not in sentence
    return sentence


def nested(levels):
    return {"a": {}} if levels == 1 else {"a": nested(levels - 1)}


REFUSED = [
    (with_funnel(audience={"a": math.nan}), "the audience: `a` is compared with nan, which must be a finite number"),
    (with_funnel(audience={"a": [10**400]}), "the audience: every number in it must be finite"),
    (with_funnel(audience={"a": {"b": [math.nan]}}), "the audience: every number in it must be finite"),
    (with_funnel(audience={"a": "\ud800"}), "no text that can be sent"),
    (with_funnel(audience={"\ud800": 1}), "no text that can be sent"),
    (with_funnel(audience=nested(MAX_DEPTH)), "the audience: it may nest 20 levels"),
    (with_funnel(audience=nested(500)), "the audience: it may nest 20 levels"),
    (with_funnel(audience={"a": {"$near": 5}}), "the audience: `a` has the unknown operator `$near`"),
    (with_funnel(audience={"a": {"$in": 5}}), "the audience: `a`: `$in` needs a list"),
    (with_funnel(audience={"a": {"$regex": "("}}), "the audience: `a`: the pattern '(' cannot be used"),
    (with_funnel(prerequisites={"hero": ("bold",)}), "it cannot be its own prerequisite"),
    (with_funnel(prerequisites={"other": ()}), "prerequisite 'other' names no variants"),
    (with_funnel(prerequisites={"other": ("a", "b", "a")}), "prerequisite 'other' names variant 'a' twice"),
    (with_funnel(layer=LayerRange("")), "`layer` must name a layer"),
    (with_funnel(layer=LayerRange("l\n")), "`layer` must name a layer"),
    (with_funnel(layer=LayerRange("l", 0.5, 0.5)), "is 0.5 to 0.5 and must be 0 <= from < to <= 1"),
    (with_funnel(layer=LayerRange("l", 0.5, 0.4)), "must be 0 <= from < to <= 1"),
    (with_funnel(layer=LayerRange("l", -0.1, 0.4)), "must be 0 <= from < to <= 1"),
    (with_funnel(layer=LayerRange("l", 0.1, 1.1)), "must be 0 <= from < to <= 1"),
    (with_funnel(layer=LayerRange("l", math.nan, 1.0)), "must be 0 <= from < to <= 1"),
    (with_funnel(layer=LayerRange("l", 0.0, 2**-34)), "narrower than 2^-32"),
    (with_funnel(traffic=0.0), "`traffic` is 0 and must be in (0, 1]"),
    (with_funnel(traffic=1.5), "`traffic` is 1.5"),
    (with_funnel(traffic=-0.5), "`traffic` is -0.5"),
    (with_funnel(traffic=math.nan), "`traffic` is nan"),
    (with_funnel(traffic=2**-40), "2^-32 at least"),
    (with_funnel(traffic=0.5, ramp=(TEN, ALL)), "`traffic` and `ramp` exclude each other"),
    (with_ramp(ALL), "a ramp has two steps or more: for one share there is `traffic`"),
    (with_ramp(TEN, RampStep(0.1)), "the ramp must rise: step 2 has traffic 0.1 after 0.1"),
    (with_ramp(TEN, RampStep(0.5), RampStep(0.2)), "step 3 has traffic 0.2 after 0.5"),
    (with_ramp(RampStep(0.0), ALL), "step 1 of the ramp has traffic 0, which must be in (0, 1]"),
    (with_ramp(TEN, RampStep(1.1)), "step 2 of the ramp has traffic 1.1"),
    (with_ramp(TEN, RampStep(math.nan)), "step 2 of the ramp has traffic nan"),
    (with_ramp(TEN, RampStep(1.0, DAY)), "the last step of the ramp leads nowhere"),
    (with_ramp(TEN, RampStep(1.0, n_units=5)), "leave `lasts` and `units` out there"),
    (with_ramp(RampStep(0.1, -DAY), ALL), "step 1 of the ramp must last 0 to 36500 days"),
    (with_ramp(RampStep(0.1, MAX_WINDOW + DAY), ALL), "step 1 of the ramp must last 0 to 36500 days"),
    (with_ramp(RampStep(0.1, n_units=-1), ALL), "step 1 of the ramp waits for -1 units"),
    (with_ramp(RampStep(0.1, n_units=MAX_UNITS + 1), ALL), "must wait for 0 to 10^12"),
    (with_funnel(starts_at=NOON, ends_at=NOON), "`ends_at` must be after `starts_at`"),
    (with_funnel(starts_at=NOON, ends_at=NOON - DAY), "`ends_at` must be after `starts_at`"),
    (with_funnel(starts_at=NOON.replace(tzinfo=None)), "`starts_at` has no time zone"),
    (with_funnel(starts_at=NOON, ends_at=NOON.replace(tzinfo=None)), "`ends_at` has no time zone"),
    (with_funnel(starts_at=datetime(1969, 1, 1, tzinfo=UTC)), "`starts_at` must lie between 1970 and 8999"),
    (with_funnel(ends_at=datetime.max.replace(tzinfo=timezone(-DAY / 3))), "`ends_at` must lie between 1970 and 8999"),
    (with_funnel(cap=Cap(0, DAY)), "`n` of the cap is 0 and must be 1 to 1000"),
    (with_funnel(cap=Cap(-3, DAY)), "`n` of the cap is -3"),
    (with_funnel(cap=Cap(MAX_EXPOSURES + 1, DAY)), "`n` of the cap is 1001"),
    (with_funnel(cap=Cap(3, timedelta(0))), "`window` of the cap must be longer than nothing"),
    (with_funnel(cap=Cap(3, -DAY)), "`window` of the cap must be longer than nothing"),
    (with_funnel(cap=Cap(3, MAX_WINDOW + DAY)), "36500 days at most"),
    (with_rest("clack"), "`rest` waits for outcome 'clack', which no metric is made of: there is click, order"),
    (with_rest("paid"), "which no metric is made of"),
    (with_rest(within=timedelta(0)), "`within` of the rest must be longer than nothing"),
    (with_rest(lasts=-DAY), "`lasts` of the rest must be longer than nothing"),
    (with_rest(lasts=MAX_WINDOW + DAY), "36500 days at most"),
    (replace(HERO, forced=(ForcedRule("third", {"a": 1}),)), "forced rule 1 names 'third', which is no variant"),
    (replace(HERO, forced=(ForcedRule("bold", {}),)), "forced rule 1 needs a condition in `when`"),
    (replace(HERO, forced=(ForcedRule("bold", {"a": 1}), ForcedRule("bold", {"a": math.inf}))), "forced rule 2: "),
    (replace(HERO, forced=(ForcedRule("bold", {"a": {"$near": 1}}),)), "forced rule 1: "),
    (replace(HERO, sticky=Sticky(0)), "the version of `sticky` is 0 and must be 1 to"),
    (replace(HERO, sticky=Sticky(MAX_VERSION + 1)), "must be 1 to 1000000"),
    (replace(HERO, sticky=Sticky(2, 3)), "`min_version` of `sticky` is 3 and must be 0 to the version, which is 2"),
    (replace(HERO, sticky=Sticky(2, -1)), "`min_version` of `sticky` is -1"),
    (replace(HERO, fallback_unit="device"), "`fallback_unit` needs `sticky: true`"),
    (replace(HERO, sticky=Sticky(), fallback_unit="customer"), "`fallback_unit` is 'customer' as `unit` is"),
    (replace(HERO, sticky=Sticky(), fallback_unit=" "), "`fallback_unit` must name a type of unit"),
    (replace(HERO, killed=("third",)), "`killed` names 'third', which is no variant"),
    (replace(HERO, killed=("bold", "bold")), "`killed` names 'bold' twice"),
    (replace(HERO, killed=("plain",)), "the control 'plain' cannot be killed"),
    (replace(HERO, default="bold", killed=("bold",)), "the default 'bold' cannot be killed"),
    (replace(HERO, killed=("plain", "bold", "loud")), "the control 'plain' cannot be killed"),
]


@pytest.mark.parametrize(("experiment", "part"), REFUSED, ids=[f"{n} {part}" for n, (_, part) in enumerate(REFUSED)])
def test_every_rule_refuses(experiment, part):
    assert part in complaint(experiment)


def test_one_rule_is_one_sentence():
    assert complaint(with_ramp(ALL)).count(";") == 0
    assert complaint(with_funnel(traffic=0.0)).count(";") == 0
    assert complaint(replace(HERO, killed=("third",))).count(";") == 0


def test_the_limits_themselves_are_allowed():
    define(with_funnel(audience=nested(MAX_DEPTH - 1)))
    define(with_funnel(layer=LayerRange("l", 1 - 2**-32, 1.0), traffic=2**-32))
    define(with_ramp(RampStep(2**-32, MAX_WINDOW, MAX_UNITS), RampStep(0.5), ALL))
    define(with_funnel(starts_at=LAST - 2 * DAY, ends_at=LAST - DAY, cap=Cap(MAX_EXPOSURES, MAX_WINDOW)))
    define(with_rest("order", timedelta(microseconds=1), MAX_WINDOW))
    define(replace(HERO, sticky=Sticky(MAX_VERSION, MAX_VERSION), fallback_unit="device"))
    define(replace(HERO, killed=("loud", "bold")))


def test_a_field_that_consent_asks_for_may_be_asked_for_by_the_audience_too():
    consent = ContextField("consent", FieldType.FLAG)
    define(replace(with_funnel(audience={"consent": True}), context=(consent,), requires_consent="consent"))


def test_a_condition_has_one_form():
    written = {"visits": {"$in": (1, 2**53)}, "new": True, "page": {"kind": None}}
    made = define(with_funnel(audience=written)).funnel.audience
    assert made == {"visits": {"$in": [1.0, 2.0**53]}, "new": True, "page": {"kind": None}}
    assert [type(each) for each in made["visits"]["$in"]] == [float, float]
    assert made["new"] is True


def test_a_time_is_one_of_utc():
    oslo = NOON.astimezone(timezone(timedelta(hours=1)))
    assert str(define(with_funnel(starts_at=oslo)).funnel.starts_at) == "2026-12-01 12:00:00+00:00"


def test_defining_twice_changes_nothing():
    once = define(replace(with_funnel(audience={"a": {"$in": (1, 2)}}, starts_at=NOON), killed=("bold",)))
    assert define(once) == once


def test_a_sticky_unit_is_drawn_once():
    assert define(HERO).draw_key is DrawKey.UNIT
    assert define(replace(HERO, sticky=Sticky())).draw_key is DrawKey.UNIT_ONCE
    assert define(replace(HERO, sticky=Sticky(), policy=ThompsonSpec())).draw_key is DrawKey.UNIT_ONCE
