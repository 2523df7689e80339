"""Requests that bring their own variants: what is eligible, what is logged, what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.candidates import MAX_CANDIDATES, CandidateReader
from engine.context import fields
from engine.errors import InvalidRequest
from engine.experiments import ContextField, FieldType, Variant
from engine.explanation import Verdict
from engine.funnel import Cap, ForcedRule, Funnel
from engine.randomness import ONE
from engine.records import Assignment, Candidate, Context, Group, Reason, Reward, Unit
from engine.specs import ContextualSpec, FixedSpec
from tests.engine.house import NOW, House, days, experiment

DECLARED = (
    ContextField("price", FieldType.NUMBER),
    ContextField("topic", FieldType.TEXT),
    ContextField("new", FieldType.FLAG),
    ContextField("tags", FieldType.TEXTS),
)
NEWS = experiment(
    candidates=DECLARED, variants=(Variant("nothing", '{"show": false}'),), policy=ContextualSpec(control_share=0.5)
)
ARTICLES = (
    Candidate("politics", {"price": 3, "topic": "news", "author": "Ann"}),
    Candidate("football", {"topic": "sports", "new": True}),
    Candidate("weather", {"tags": ["rain", "wind"]}),
)
NAMES = ("politics", "football", "weather")


@pytest.fixture
def house() -> House:
    house = House()
    house.run(NEWS)
    return house


def in_group(house: House, group: Group, **changes: object) -> Assignment:
    """Return the first answer to somebody of a group, as the log has it."""
    rows = (house.decide(f"u{n}", candidates=ARTICLES, **changes) for n in range(100))
    row = next(row for row in rows if row.group is group)
    house.keep([row])
    kept = house.store.assignment(row.assignment_id)
    assert kept is not None
    return kept


def test_the_policy_draws_among_what_was_brought(house: House) -> None:
    row = in_group(house, Group.POLICY)
    assert (row.reason, row.eligible) == (Reason.DRAWN, NAMES)
    assert row.variant in NAMES
    assert sum(row.distribution) == ONE
    assert house.explain(row).verdict is Verdict.REPRODUCED


def test_what_is_logged_of_a_candidate_is_what_the_experiment_declares(house: House) -> None:
    row = in_group(house, Group.POLICY)
    assert [(each.name, dict(each.features)) for each in row.candidates] == [
        ("politics", {"price": 3.0, "topic": "news"}),
        ("football", {"topic": "sports", "new": True}),
        ("weather", {"tags": ("rain", "wind")}),
    ]


def test_the_control_group_gets_the_first_one_that_was_brought(house: House) -> None:
    row = in_group(house, Group.CONTROL)
    assert (row.variant, row.eligible, row.distribution, row.is_draw) == ("politics", ("politics",), (ONE,), True)
    assert house.explain(row).verdict is Verdict.REPRODUCED
    other = in_group(house, Group.CONTROL, excluded_variants=frozenset({"politics"}), name="less")
    assert other.variant == "football"


def test_what_is_excluded_is_not_eligible(house: House) -> None:
    row = in_group(house, Group.POLICY, excluded_variants=frozenset({"football", "nothing"}))
    assert row.eligible == ("politics", "weather")
    assert house.explain(row).verdict is Verdict.REPRODUCED


def test_without_candidates_the_default_is_served_in_both_groups(house: House) -> None:
    asked = [{}, {"candidates": ARTICLES, "excluded_variants": frozenset(NAMES)}]
    rows = [house.ask(f"u{n}", **each, name=str(place)) for n in range(20) for place, each in enumerate(asked)]
    assert {(row.variant, row.reason, row.is_draw) for row in rows} == {("nothing", Reason.NO_VARIANTS, False)}
    assert {row.group for row in rows} == set(Group)
    assert {house.explain(row).verdict for row in rows} == {Verdict.NOT_DRAWN}


@pytest.mark.parametrize(
    "features",
    [
        {"price": "three"},
        {"price": True},
        {"price": math.nan},
        {"price": -math.inf},
        {"price": 10**400},
        {"topic": 7},
        {"new": 1},
        {"tags": "rain"},
        {"tags": ["rain", 7]},
        {"topic": "\ud800"},
        {"tags": ["rain", "\ud800"]},
    ],
)
def test_a_feature_that_cannot_be_read_is_left_out_and_the_first_candidate_served(features: Context) -> None:
    house = House()
    house.run(NEWS)
    row = house.ask(candidates=(*ARTICLES, Candidate("odd", {**features, "topic": "x"} | features)))
    assert (row.reason, row.variant, row.is_draw) == (Reason.CONTEXT_INVALID, "politics", False)
    assert features.keys().isdisjoint(row.candidates[-1].features)
    explanation = house.explain(row)
    assert explanation.verdict is Verdict.NOT_DRAWN
    said = {step.name: step.finding for step in explanation.steps}
    assert said["answer"] == "politics, in the usual order"


def test_a_feature_that_is_required_and_missing_says_so() -> None:
    house = House()
    house.run(replace(NEWS, candidates=(ContextField("price", FieldType.NUMBER, required=True),)))
    assert house.ask(candidates=ARTICLES[:1]).is_draw
    row = house.ask(candidates=ARTICLES, name="all")
    assert (row.reason, row.variant) == (Reason.CONTEXT_MISSING, "politics")
    assert "price of football" in {step.name: step.finding for step in house.explain(row).steps}["reason"]


@pytest.mark.parametrize(
    ("candidates", "sentence"),
    [
        (tuple(Candidate(f"c{n}") for n in range(MAX_CANDIDATES + 1)), "at most 1,000 candidates, not 1,001"),
        ((Candidate("a"), Candidate("b"), Candidate("a")), "two candidates are called 'a'"),
        ((Candidate("nothing"),), "has the name of a variant"),
        ((Candidate(""),), "needs a name"),
        ((Candidate("x" * 201),), "needs a name"),
        ((Candidate("a"), Candidate("x\ud800")), "no text that can be sent"),
    ],
)
def test_candidates_that_cannot_be_told_apart_are_a_wrong_call(
    house: House, candidates: tuple[Candidate, ...], sentence: str
) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        house.ask(candidates=candidates)


def test_an_experiment_that_declares_none_takes_none() -> None:
    house = House()
    house.run(experiment())
    with pytest.raises(InvalidRequest, match="takes no candidates"):
        house.ask(candidates=ARTICLES)


def test_one_that_declares_no_features_takes_names() -> None:
    house = House()
    house.run(replace(NEWS, candidates=(), policy=FixedSpec()))
    row = house.ask(candidates=ARTICLES)
    assert (row.eligible, {len(each.features) for each in row.candidates}) == (NAMES, {0})
    assert max(row.distribution) - min(row.distribution) <= 1


def test_a_thousand_candidates_are_drawn_among_and_made_again(house: House) -> None:
    many = tuple(Candidate(f"c{n}", {"price": float(n), "topic": f"t{n % 7}"}) for n in range(MAX_CANDIDATES))
    rows = [house.ask(f"u{n}", candidates=many) for n in range(6)]
    drawn = [row for row in rows if row.group is Group.POLICY]
    assert drawn
    assert {len(row.eligible) for row in drawn} == {MAX_CANDIDATES}
    assert min(min(row.distribution) for row in drawn) >= int(0.02 / MAX_CANDIDATES * ONE)
    assert {house.explain(row).verdict for row in rows} == {Verdict.REPRODUCED}


def test_the_product_can_test_a_candidate_and_force_a_variant() -> None:
    house = House()
    house.run(replace(NEWS, forced=(ForcedRule("nothing", {"staff": True}),)))
    assert house.ask(candidates=ARTICLES, qa_variant="weather").variant == "weather"
    assert house.ask(candidates=ARTICLES, qa_variant="nothing").reason is Reason.QA
    forced = house.ask("u2", candidates=ARTICLES, context={"staff": True})
    assert (forced.variant, forced.reason) == ("nothing", Reason.FORCED)
    with pytest.raises(InvalidRequest, match="qa_variant"):
        house.ask(candidates=ARTICLES, qa_variant="chess")


def test_who_is_capped_gets_what_the_product_would_have_shown() -> None:
    house = House()
    house.run(replace(NEWS, funnel=Funnel(cap=Cap(1, days(1)))))
    first, second = (house.ask(candidates=ARTICLES, name=name) for name in ("one", "two"))
    assert first.is_draw
    assert (second.reason, second.variant) == (Reason.CAPPED, "politics")
    assert house.explain(second).verdict is Verdict.NOT_DRAWN


def test_the_variant_that_was_answered_has_the_candidates_name_and_no_payload(house: House) -> None:
    row = in_group(house, Group.POLICY)
    assert house.engine.answered_variant(row) == Variant(row.variant, "{}")
    default = house.ask("nobody")
    assert house.engine.answered_variant(default).payload == '{"show": false}'
    house.change("hero", variants=(Variant("nothing"), Variant("else")))
    assert house.engine.answered_variant(row) == Variant(row.variant, "{}")


def test_a_policy_learns_which_features_are_worth_showing() -> None:
    """Half a thousand rewards of two kinds of article: a candidate never seen before is judged by its topic."""
    house = House()
    house.run(replace(NEWS, policy=ContextualSpec()))
    rewards = []
    for n in range(500):
        brought = tuple(Candidate(f"{topic}-{n}-{i}", {"topic": topic}) for i, topic in enumerate(("news", "sports")))
        row = house.ask(f"u{n}", candidates=brought)
        rewards.append(Reward(row, float(row.variant.startswith("sports")), NOW, 1))
    house.teach("hero", rewards)
    new = house.ask("later", candidates=(Candidate("a", {"topic": "news"}), Candidate("b", {"topic": "sports"})))
    chances = dict(zip(new.eligible, new.distribution, strict=True))
    assert chances["b"] > 2 * chances["a"]
    assert house.explain(new).verdict is Verdict.REPRODUCED


def test_a_candidate_that_the_row_lost_is_noticed(house: House) -> None:
    row = in_group(house, Group.POLICY)
    house.store.append([replace(row, assignment_id="0" * 32, candidates=row.candidates[1:], request_id="another")])
    explanation = house.explain(replace(row, assignment_id="0" * 32))
    assert explanation.verdict is Verdict.DIFFERS
    assert "no candidate 'politics' was brought" in explanation.steps[-1].finding


# --- reading -------------------------------------------------------------------------------------------------------

values = st.sampled_from([1, 1.0, True, 0, False, -0.0, "1", "", None, math.nan, ["a"], ["a", 1], ("a",), {"a": 1}])
features = st.dictionaries(st.sampled_from([*(each.name for each in DECLARED), "else"]), values, max_size=4)
brought = st.lists(
    st.builds(Candidate, st.sampled_from(["a", "b", "c"]), features), max_size=3, unique_by=lambda each: each.name
)


@given(st.lists(brought, min_size=1, max_size=4))
def test_what_was_read_before_changes_nothing_of_what_is_read(requests: list[list[Candidate]]) -> None:
    """Against a reader that remembers nothing: 1, 1.0 and true are equal and not the same."""
    reader = CandidateReader(fields(DECLARED))
    for candidates in requests:
        found, fresh = reader.read(candidates), CandidateReader(fields(DECLARED)).read(candidates)
        assert repr(found.candidates) == repr(fresh.candidates) or "-0.0" in repr(candidates)
        assert found.flaw is fresh.flaw
        assert [variant.name for variant in found.variants] == [each.name for each in candidates]


def test_a_list_that_its_owner_changes_is_read_again() -> None:
    reader, tags = CandidateReader(fields(DECLARED)), ["rain"]
    first = reader.read([Candidate("weather", {"tags": tags})])
    tags.append("wind")
    second = reader.read([Candidate("weather", {"tags": tags})])
    assert first.candidates[0].features == {"tags": ("rain",)}
    assert second.candidates[0].features == {"tags": ("rain", "wind")}


def test_what_comes_again_is_the_same_object_and_what_is_remembered_is_bounded() -> None:
    reader = CandidateReader(fields(DECLARED))
    one, again = (reader.read([Candidate("weather", {"price": 2.0})]) for _ in range(2))
    assert one.variants[0] is again.variants[0]
    for n in range(12):
        reader.read([Candidate(f"{n}-{m}", {"price": 1.0}) for m in range(1000)])
    assert len(reader._known) <= 10_000


def test_forgetting_a_unit_forgets_what_it_was_brought(house: House) -> None:
    row = replace(in_group(house, Group.POLICY), unit=Unit("customer", ""), context={}, candidates=(), request_id="")
    house.store.append([replace(row, assignment_id="1" * 32)])
    assert house.explain(replace(row, assignment_id="1" * 32)).verdict is Verdict.FORGOTTEN
