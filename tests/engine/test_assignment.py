"""The steps of a decision, through the engine and a store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import lifecycle, randomness
from engine.clock import RequestClock
from engine.definition import define
from engine.engine import Engine
from engine.errors import InvalidRequest, UnknownExperiment
from engine.experiments import ContextField, Experiment, FieldType, Status, Variant
from engine.explanation import Verdict
from engine.lifecycle import Author
from engine.metrics import Metric, MetricKind
from engine.recompute import Recomputer
from engine.records import Assignment, Candidate, DrawKey, Group, KeptStatus, Outcome, Reason, Request, Unit
from engine.settings import Settings
from engine.specs import FixedSpec, ThompsonSpec
from engine.storage.memory import MemoryStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUTHOR = Author("ann", "a test", NOW)
HERO = define(
    Experiment(
        "hero",
        (Variant("plain"), Variant("bold"), Variant("quiet")),
        (Metric("click"), Metric("spend", MetricKind.REVENUE)),
        context=(
            ContextField("age", FieldType.NUMBER),
            ContextField("plan", FieldType.TEXT),
            ContextField("tags", FieldType.TEXTS),
            ContextField("consent", FieldType.FLAG),
        ),
    )
)


class House:
    """An engine with its store: what a server is, without the wire."""

    def __init__(self) -> None:
        self.store = MemoryStore(secret=b"0123456789abcdef")
        self.engine = Engine(self.store, lambda *_: None, RequestClock(), Settings())

    def run(self, experiment: Experiment, *, to: Status = Status.RUNNING) -> None:
        state, change = lifecycle.create(experiment, AUTHOR)
        self.store.save(state, change, "")
        self.engine.adopt(state)
        if to is not Status.DRAFT:
            self.move(experiment.experiment_id, to)

    def move(self, experiment_id: str, to: Status) -> None:
        before = self.engine.catalog.find(experiment_id).state
        state, change = lifecycle.transition(before, to, "", AUTHOR)
        self.store.save(state, change, before.etag)
        self.engine.adopt(state)

    def ask(self, unit: str = "u1", **changes: object) -> Assignment:
        name = str(changes.pop("name", unit))
        request = Request("hero", {"customer": unit}, randomness.request_id(NOW, name), NOW)
        return self.engine.decide(replace(request, **changes))


@pytest.fixture
def house() -> House:
    return House()


def test_a_unit_of_a_test_keeps_its_variant_and_others_get_theirs(house):
    house.run(HERO)
    first = [house.ask(f"u{n}") for n in range(300)]
    again = [house.ask(f"u{n}", name=f"again {n}") for n in range(300)]
    assert [row.variant for row in first] == [row.variant for row in again]
    assert {row.variant for row in first} == {"plain", "bold", "quiet"}
    assert {row.draw_key for row in first} == {DrawKey.UNIT}
    assert {round(row.propensity, 9) for row in first} == {round(1 / 3, 9)}


def test_a_policy_that_learns_draws_each_answer_anew_under_the_secret(house):
    house.run(replace(HERO, policy=ThompsonSpec()))
    rows = [house.ask("u1", name=str(n)) for n in range(100)]
    assert {row.variant for row in rows} == {"plain", "bold", "quiet"}
    elsewhere = House()
    elsewhere.store.secret = b"fedcba9876543210"
    elsewhere.engine = Engine(elsewhere.store, lambda *_: None, RequestClock(), Settings())
    elsewhere.run(replace(HERO, policy=ThompsonSpec()))
    assert [row.drawn for row in rows] != [elsewhere.ask("u1", name=str(n)).drawn for n in range(100)]


def test_a_units_number_is_fresh_when_its_distribution_changes(house):
    house.run(HERO)
    whole = house.ask("u1")
    fewer = house.ask("u1", excluded_variants=frozenset({"quiet"}))
    assert whole.drawn != fewer.drawn
    assert fewer.eligible == ("plain", "bold")
    assert sum(fewer.distribution) == randomness.ONE


@pytest.mark.parametrize(
    ("status", "reason"),
    [(Status.DRAFT, Reason.DRAFT), (Status.PAUSED, Reason.PAUSED), (Status.CONCLUDED, Reason.ENDED)],
)
def test_an_experiment_that_does_not_run_serves_its_default_and_logs_nothing(house, status, reason):
    house.run(HERO, to=Status.DRAFT)
    if status is not Status.DRAFT:
        house.move("hero", Status.RUNNING)
        house.move("hero", status)
    row = house.ask()
    assert (row.variant, row.reason, row.reason.is_logged, row.propensity) == ("plain", reason, False, None)


def test_without_a_unit_or_consent_the_default_is_served_and_nothing_logged(house):
    house.run(replace(HERO, requires_consent="consent", default="quiet"))
    no_unit = house.ask(units={"account": "7"})
    assert (no_unit.reason, no_unit.variant, no_unit.reason.is_logged) == (Reason.UNIT_MISSING, "quiet", False)
    for given_consent in ({}, {"consent": False}, {"consent": "yes"}, {"consent": None}):
        row = house.ask(context=given_consent)
        assert (row.reason, row.variant, row.context) == (Reason.NO_CONSENT, "quiet", {})
    assert house.ask(context={"consent": True}).reason is Reason.DRAWN


def test_answers_outside_are_counted_and_dry_runs_are_not(house):
    house.run(replace(HERO, requires_consent="consent"))
    house.ask("u1")
    house.ask("u2")
    house.ask("u3", dry_run=True)
    house.ask("u4", context={"consent": True})
    assert house.engine.outside("hero") == {"no_consent": 2}
    assert house.engine.outside("zero") == {}


def test_a_context_that_is_wrong_or_short_falls_back_and_keeps_what_is_right(house):
    required = (ContextField("age", FieldType.NUMBER, required=True), *HERO.context[1:])
    house.run(replace(HERO, context=required))
    missing = house.ask(context={"plan": "pro", "secret": "not declared"})
    assert (missing.reason, missing.is_draw, missing.context) == (Reason.CONTEXT_MISSING, False, {"plan": "pro"})
    for wrong in (float("nan"), float("inf"), 10**400, "forty", True, [1]):
        row = house.ask(context={"age": wrong, "tags": ["a", "b"]})
        assert (row.reason, row.variant, row.context) == (Reason.CONTEXT_INVALID, "plain", {"tags": ("a", "b")})


def test_everything_excluded_is_answered_too(house):
    house.run(HERO)
    row = house.ask(excluded_variants=frozenset({"plain", "bold", "quiet"}))
    assert (row.reason, row.variant, row.is_draw) == (Reason.NO_VARIANTS, "plain", False)


def test_the_control_share_is_a_group_per_unit_with_a_propensity_of_its_own(house):
    house.run(replace(HERO, policy=ThompsonSpec(control_share=0.25)))
    n, z = 4000, 4.0
    rows = [house.ask(f"u{index}") for index in range(n)]
    control = [row for row in rows if row.group is Group.CONTROL]
    # Binomial(n, 1/4): z standard deviations are 4 * sqrt(n * 3/16) = 110.
    assert abs(len(control) - n / 4) <= z * (n * 3 / 16) ** 0.5
    assert {(row.variant, row.propensity, row.is_draw) for row in control} == {("plain", 1.0, True)}
    assert {row.group_weight for row in control} == {randomness.ONE // 4}
    assert {house.ask("u1", name=str(index)).group for index in range(50)} == {rows[1].group}


def test_a_fallback_stays_in_its_group(house):
    required = (ContextField("age", FieldType.NUMBER, required=True),)
    house.run(replace(HERO, context=required, policy=ThompsonSpec(control_share=0.5)))
    drawn = {f"u{n}": house.ask(f"u{n}", context={"age": 4}).group for n in range(50)}
    fallen = {unit: house.ask(unit, name=f"{unit} again").group for unit in drawn}
    assert drawn == fallen
    assert set(drawn.values()) == set(Group)


class Broken:
    """A policy that fails, or answers something that is no distribution."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def distribution(self, context, eligible):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "answer", [RuntimeError("boom"), [], [0.5, 0.5], [1.0, float("nan"), 0.0], [1.5, -0.5, 0.0], [0.2, 0.2, 0.2]]
)
def test_a_policy_that_fails_is_answered_for_by_the_default(house, answer):
    house.run(HERO)
    live = house.engine.catalog.find("hero")
    house.engine.swap_in(replace(live, policy=Broken(answer)))
    row = house.ask()
    assert (row.reason, row.variant, row.is_draw, row.distribution) == (Reason.POLICY_FAILED, "plain", False, ())


class SlowClock(RequestClock):
    """Every look at the stopwatch takes a second."""

    seconds = 0.0

    def stopwatch_s(self) -> float:
        self.seconds += 1.0
        return self.seconds


def test_a_policy_that_is_too_slow_is_answered_for_by_the_default():
    house = House()
    house.engine = Engine(house.store, lambda *_: None, SlowClock(), Settings())
    house.run(HERO)
    assert (house.ask().reason, house.ask().variant) == (Reason.POLICY_SLOW, "plain")


def test_a_wrong_call_is_an_error(house):
    house.run(HERO)
    with pytest.raises(UnknownExperiment, match="armlift list"):
        house.ask(experiment_id="zero")
    with pytest.raises(InvalidRequest, match="candidates"):
        house.ask(candidates=(Candidate("article-1"),))
    with pytest.raises(InvalidRequest, match="slots"):
        house.ask(n_slots=2)
    with pytest.raises(InvalidRequest, match="request id"):
        house.ask(request_id="x" * 1000)


def test_the_same_request_gets_the_same_assignment_and_a_reused_id_is_noticed(house):
    house.run(replace(HERO, policy=ThompsonSpec()))
    first, again, other = house.ask(digest=b"a"), house.ask(digest=b"a"), house.ask(digest=b"b")
    assert [kept.status for kept in house.store.append([first, again, other])] == [
        KeptStatus.RECORDED,
        KeptStatus.DUPLICATE,
        KeptStatus.CONFLICT,
    ]
    assert first.assignment_id == again.assignment_id


@given(
    weights=st.lists(st.floats(0.01, 1), min_size=2, max_size=6),
    units=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5, unique=True),
)
def test_every_row_is_made_again_from_the_log(weights, units):
    house = House()
    names = [f"v{index}" for index in range(len(weights))]
    total = sum(weights)
    shares = dict(zip(names, (weight / total for weight in weights), strict=True))
    shares[names[0]] += 1 - sum(shares.values())
    experiment = Experiment("hero", tuple(map(Variant, names)), (Metric("click"),), policy=FixedSpec(shares))
    house.run(experiment)
    house.store.append([house.ask(unit) for unit in units])
    recomputer = Recomputer(house.store, lambda *_: None)
    assert {recomputer.explain(row).verdict for row in house.store.entries()} == {Verdict.REPRODUCED}


def outcome(**changes: object) -> Outcome:
    return replace(Outcome("o1", "click", 1.0, NOW, NOW, unit=Unit("customer", "u1")), **changes)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (outcome(outcome_id=""), "outcome_id"),
        (outcome(outcome_id="x" * 201), "outcome_id"),
        (outcome(metric="clikc"), "there are click, spend"),
        (outcome(value=2.0), "leave the value out"),
        (outcome(metric="spend", value=float("nan")), "finite"),
        (outcome(unit=None), "assignment, or to a unit"),
        (outcome(unit=Unit("customer", "")), "assignment, or to a unit"),
        (outcome(unit=None, assignment_id="xyz"), "no assignment id"),
        (outcome(occurred_at=NOW + timedelta(hours=1)), "lies ahead"),
    ],
)
def test_an_outcome_that_is_wrong_says_what_to_do(house, wrong, sentence):
    house.run(HERO)
    with pytest.raises(InvalidRequest, match=sentence):
        house.engine.check_outcome(wrong)


def test_a_ratio_is_not_recorded_but_what_it_is_computed_from(house):
    value = Metric("value", MetricKind.RATIO, of="spend", per="click")
    house.run(replace(HERO, metrics=(*HERO.metrics, value)))
    with pytest.raises(InvalidRequest, match="'value' is computed from click, spend: record that"):
        house.engine.check_outcome(outcome(metric="value"))


def test_a_refund_and_a_void_are_outcomes(house):
    house.run(HERO)
    assert house.engine.check_outcome(outcome(metric="spend", value=-12.5)).value == -12.5
    assert house.engine.check_outcome(outcome(metric="", void_of="o0", unit=None)).void_of == "o0"


def test_the_payload_of_an_old_revision_is_still_known(house):
    house.run(HERO)
    old = house.ask()
    before = house.engine.catalog.find("hero").state
    renamed = replace(HERO, variants=(Variant("new"), Variant("newer")), control="", default="")
    state, change = lifecycle.update(before, renamed, before.etag, AUTHOR)
    house.store.save(state, change, before.etag)
    house.engine.adopt(state)
    assert house.engine.answered_variant(old).name == old.variant
    assert house.engine.catalog.find("hero").state.epoch == 2
