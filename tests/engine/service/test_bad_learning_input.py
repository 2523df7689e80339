"""Bad input to experiments that learn, through a real server: each has an answer, and what is good is learned from."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from armlift import Answer, Ask, Candidate, Event

from engine.clock import RequestClock
from engine.errors import SnapshotRefused, StoreUnavailable
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.explanation import Verdict
from engine.metrics import RewardTerm
from engine.records import Reason
from engine.specs import ContextualSpec, LearningSpec, LinearSpec, ThompsonSpec
from tests.engine.service.test_learned import learn, verdicts

LATER = timedelta(hours=3)
DUE = {"publish_every": 5, "publish_after": timedelta(0)}
SPECS = [ContextualSpec(**DUE), LinearSpec(**DUE), ThompsonSpec(**DUE)]
LEARNING = pytest.mark.parametrize("spec", SPECS, ids=lambda each: each.kind)
WILD = "page: U|A é\u4eac \U0001f642 'x' =1"
"""A name of all that is syntax somewhere."""
FIELDS = (
    ContextField("visits", FieldType.NUMBER),
    ContextField(WILD, FieldType.TEXT),
    ContextField("agreed", FieldType.FLAG),
    ContextField("likes", FieldType.TEXTS),
)
GOOD: list[dict[str, Any]] = [
    {},
    {"visits": 1e308, WILD: "\n|A a:1 b=2\nshared |U \x80\0", "agreed": False, "likes": []},
    {"visits": -0.0, WILD: "", "likes": ["", "\n", "a b", "a:b|c", "é", "é"]},
    {"visits": 5e-324, "likes": [f"i{number}" for number in range(5_000)]},
    {WILD: "x" * 60_000, "undeclared": {"deep": [math.nan]}},
    {"visits": None, WILD: None, "agreed": None, "likes": None},
]
BAD: list[dict[str, Any]] = [
    {"visits": math.nan},
    {"visits": math.inf},
    {"visits": -math.inf},
    {"visits": "3"},
    {"visits": True},
    {WILD: 3.0},
    {WILD: ["x"]},
    {"agreed": "true"},
    {"agreed": 1.0},
    {"likes": "x"},
    {"likes": ["x", 1.0]},
    {"likes": {"x": "y"}},
]


@pytest.fixture
def wild(hero: Experiment) -> Experiment:
    names = "plain", "bold: one", WILD
    return replace(hero, experiment_id="wild", context=FIELDS, variants=tuple(map(Variant, names)))


def clicked(service: Any, answers: list[Answer], at: datetime) -> None:
    service.client.record_many([Event("click", None, answer.assignment_id) for answer in answers[::2]], at=at)


def asked(service: Any, contexts: list[dict[str, Any]], at: datetime, tag: str = "u") -> list[Answer]:
    asks = [("wild", f"{tag}{number}", context) for number, context in enumerate(contexts)]
    return [service.client.assign(name, unit=unit, context=context, at=at) for name, unit, context in asks]


def reasons(answers: list[Answer]) -> set[str]:
    return {answer.reason for answer in answers}


@LEARNING
def test_any_context_is_answered_before_and_after_something_was_learned(
    service: Any, wild: Experiment, at: datetime, spec: LearningSpec
) -> None:
    service.start(replace(wild, policy=spec))
    for when, tag in ((at, "before"), (at + LATER, "after"), (at + 2 * LATER, "last")):
        good = asked(service, GOOD * 2, when, tag)
        assert reasons(good) == {"DRAWN"}
        assert all(0.0 < answer.propensity <= 1.0 for answer in good if answer.propensity is not None)
        bad = asked(service, BAD, when, f"{tag} bad")
        assert reasons(bad) == {"CONTEXT_INVALID"}
        assert {(answer.variant, answer.propensity) for answer in bad} == {("plain", None)}
        clicked(service, good, when)
        learn(service)
    # Of the 24 draws that matured a snapshot has five more than the one before.
    newest = service.management.snapshots("wild")[0]
    assert (newest.n_rewards, newest.is_live) == (20, True)
    assert good[0].snapshot != ""
    rows = service.assignments()
    assert verdicts(service.directory) == {Verdict.REPRODUCED, Verdict.NOT_DRAWN}
    assert {row.reason for row in rows if not row.is_draw} == {Reason.CONTEXT_INVALID}


def test_a_thousand_candidates_of_ten_features_with_any_names(service: Any, wild: Experiment, at: datetime) -> None:
    fields = (*(ContextField(f"f{number}", FieldType.NUMBER) for number in range(9)), FIELDS[1])
    service.start(replace(wild, policy=ContextualSpec(**DUE), candidates=fields))
    features = {**{f"f{number}": number / 9 for number in range(9)}, WILD: "|A \n"}
    brought = [Candidate(f"{number}\n|A é: \x80\U0001f642", features) for number in range(1_000)]
    answers = []
    for number in range(12):
        when = at + LATER * (number // 6)
        (slate,) = service.client.assign_slates([Ask("wild", f"u{number}", at=when, candidates=brought)])
        answers += slate
    assert reasons(answers) == {"DRAWN"}
    assert {answer.variant for answer in answers} <= {candidate.name for candidate in brought}
    learn(service)
    (slate,) = service.client.assign_slates([Ask("wild", "last", at=at + LATER, candidates=brought)])
    assert slate[0].snapshot == service.management.snapshots("wild")[0].hash
    assert verdicts(service.directory) == {Verdict.REPRODUCED}
    nan = [replace(brought[0], features={"f0": math.nan}), *brought[1:]]
    (slate,) = service.client.assign_slates([Ask("wild", "nan", at=at, candidates=nan)])
    assert (slate[0].reason, slate[0].variant) == ("CONTEXT_INVALID", brought[0].name)


@LEARNING
def test_where_no_variant_is_eligible_the_default_is_answered(
    service: Any, wild: Experiment, at: datetime, spec: LearningSpec
) -> None:
    service.start(replace(wild, policy=spec))
    everybody = [variant.name for variant in wild.variants]
    answer = service.client.assign("wild", unit="ann", excluded=everybody, at=at)
    assert (answer.reason, answer.variant, answer.propensity) == ("NO_VARIANTS", "plain", None)
    assert service.client.assign("wild", unit="ann", excluded=everybody[1:], at=at).propensity == 1.0


@LEARNING
def test_outcomes_of_any_size_are_refused_or_kept_on_the_rewards_scale(
    service: Any, wild: Experiment, at: datetime, spec: LearningSpec
) -> None:
    service.start(replace(wild, policy=spec, reward=(RewardTerm("click", 0.5), RewardTerm("spend", 0.5))))
    answers = asked(service, [{}] * 20, at)
    for value in (math.nan, math.inf, -math.inf):
        event = Event("spend", value, answers[0].assignment_id)
        assert service.client.record_many([event], at=at)[0].status == "INVALID"
    sizes = (1e308, -1e308, -5.0, 5e-324, 250.0)
    events = [Event("spend", sizes[n % 5], answer.assignment_id) for n, answer in enumerate(answers)]
    assert {each.status for each in service.client.record_many(events, at=at)} == {"RECORDED"}
    asked(service, [{}], at + LATER, "late")
    assert len(learn(service)) == 4
    (answer,) = asked(service, [{}], at + LATER, "after")
    predicted = next(
        step for step in service.management.explain(answer.assignment_id, 0).steps if step.name == "predicted"
    )
    rewards = [float(part.rsplit(" ", 1)[1]) for part in predicted.finding.split(", ")]
    assert all(0.0 <= reward <= 0.75 for reward in rewards), "spending alone is half of the reward, and click none"


@LEARNING
def test_a_clock_that_runs_backwards_is_answered_and_learned_from(
    service: Any, wild: Experiment, at: datetime, spec: LearningSpec
) -> None:
    service.start(replace(wild, policy=spec))
    for number, hours in enumerate((0, 6, 3, 9, -24, 12, 0)):
        when = at + timedelta(hours=hours)
        answers = asked(service, GOOD[:5], when, f"{number} ")
        assert reasons(answers) == {"DRAWN"}
        clicked(service, answers, when)
        learn(service)
    newest = service.management.snapshots("wild")[0]
    # Learned are those of the hours 0, 6 and 9: what comes later than its own age, as from a clock set back, is not.
    assert (newest.n_rewards, newest.is_live) == (15, True)
    assert verdicts(service.directory) == {Verdict.REPRODUCED}


def _cut(blob: bytes) -> bytes:
    return blob[: len(blob) // 2]


def _flip(blob: bytes) -> bytes:
    place = len(blob) // 2
    return blob[:place] + bytes([blob[place] ^ 4]) + blob[place + 1 :]


@LEARNING
@pytest.mark.parametrize("harm", [_cut, _flip], ids=["truncated", "bit-flipped"])
def test_a_damaged_snapshot_changes_no_answer_and_after_a_restart_the_default_is_served_until_it_is_mended(
    tmp_path: Path, serve: Callable[..., Any], wild: Experiment, at: datetime, spec: LearningSpec, harm: Any
) -> None:
    with serve(tmp_path, RequestClock()) as service:
        service.start(replace(wild, policy=spec))
        clicked(service, asked(service, GOOD * 2, at), at)
        asked(service, GOOD, at + LATER, "later")
        *_, live = learn(service)
        _rewrite(tmp_path, live, harm)
        (answer,) = asked(service, [GOOD[1]], at + LATER, "harmed")
        assert (answer.reason, answer.snapshot) == ("DRAWN", live), "what serves was verified when it was loaded"
        with pytest.raises(SnapshotRefused, match="its content is not what its name says"):
            service.management.pin("wild", live, "the best")
    with serve(tmp_path, RequestClock()) as service:
        assert reasons(asked(service, GOOD, at + LATER, "restarted")) == {"POLICY_FAILED"}
        assert learn(service)[-1] == live
        answers = asked(service, GOOD, at + LATER, "mended")
        assert {(answer.reason, answer.snapshot) for answer in answers} == {("DRAWN", live)}


def _rewrite(store: Path, hash: str, harm: Callable[[bytes], bytes]) -> None:
    with closing(sqlite3.connect(store / "learning.db")) as connection, connection:
        ((blob,),) = connection.execute("SELECT blob FROM snapshots WHERE hash = ?", (bytes.fromhex(hash),)).fetchall()
        connection.execute("UPDATE snapshots SET blob = ? WHERE hash = ?", (harm(blob), bytes.fromhex(hash)))


@pytest.mark.parametrize("harm", [lambda file: file[:5_000], lambda file: b"none" * len(file)], ids=["cut", "garbage"])
def test_a_snapshots_file_that_is_none_is_said_at_the_start_and_without_it_all_is_learned_again(
    tmp_path: Path, serve: Callable[..., Any], wild: Experiment, at: datetime, harm: Callable[[bytes], bytes]
) -> None:
    with serve(tmp_path, RequestClock()) as service:
        service.start(replace(wild, policy=SPECS[0]))
        asked(service, GOOD, at)
        asked(service, GOOD, at + LATER, "later")
        *_, live = learn(service)
    file = tmp_path / "learning.db"
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(StoreUnavailable, match=r"learning\.db cannot be used"), serve(tmp_path, RequestClock()):
        pass
    file.unlink()
    with serve(tmp_path, RequestClock()) as service:
        assert reasons(asked(service, GOOD, at + LATER, "without")) == {"POLICY_FAILED"}
        assert learn(service)[-1] == live
        assert reasons(asked(service, GOOD, at + LATER, "with")) == {"DRAWN"}
