"""What every store promises of columns: one suite, held against each of them (the fixture is in conftest.py)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from engine.clock import to_micros
from engine.definition import define
from engine.errors import InvalidRequest
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.lifecycle import create
from engine.metrics import Metric, MetricKind
from engine.randomness import ONE
from engine.records import Erasure, Reason
from tests.conformance.entries import ANNA, AUTHOR, BEN, NOON, assignment, exposure, outcome, plain, remembered

VALUE = Metric("value", MetricKind.RATIO, of="paid", per="orders")


def test_columns_of_assignments(both) -> None:
    fallback = replace(assignment(3), reason=Reason.POLICY_FAILED, is_draw=False, eligible=(), distribution=())
    both.kept(assignment(1), exposure(1), assignment(2, experiment_id="other"), fallback)
    names = ["seq", "assignment_id", "reason", "weight", "eligible", "distribution", "is_draw", "group_name"]
    assert plain(both.reader.columns("assignments", names, "hero")) == {
        "seq": [1, 4],
        "assignment_id": [bytes(15) + b"\1", bytes(15) + b"\3"],
        "reason": ["drawn", "policy_failed"],
        "weight": [3 * ONE // 4, 0],
        "eligible": ['["plain", "bold"]', "[]"],
        "distribution": [(ONE // 4).to_bytes(8, "little") + (3 * ONE // 4).to_bytes(8, "little"), b""],
        "is_draw": [1, 0],
        "group_name": ["policy", "policy"],
    }
    assert plain(both.reader.columns("assignments", ["experiment_id"])) == {"experiment_id": ["hero", "other", "hero"]}


def test_columns_say_what_is_remembered_and_which_draw_a_sticky_answer_repeats(both) -> None:
    sticky = replace(remembered(2, reason=Reason.CACHED), is_draw=False, kept_from=f"{1:032x}")
    both.kept(remembered(1), sticky, assignment(3))
    assert plain(both.reader.columns("assignments", ["is_remembered", "kept_from"], "hero")) == {
        "is_remembered": [1, 1, 0],
        "kept_from": [b"", bytes(15) + b"\1", b""],
    }


def test_columns_of_a_part_of_the_log(both) -> None:
    both.kept(*[assignment(n) for n in range(3)], exposure(1), *[assignment(n) for n in (4, 5)])
    parts = {(0, 2): [1, 2], (2, 5): [3, 5], (5, None): [6], (6, 99): [], (3, 3): []}
    for (after, until), seqs in parts.items():
        assert both.reader.columns("assignments", ["seq"], "hero", after=after, until=until)["seq"].tolist() == seqs


def test_columns_of_exposures_are_those_of_the_experiments_assignments(both) -> None:
    both.kept(
        assignment(1), assignment(2, experiment_id="other"), exposure(1), exposure(2), exposure(3), exposure(1, 1)
    )
    assert plain(both.reader.columns("exposures", ["seq"], "hero")) == {"seq": [3]}
    assert plain(both.reader.columns("exposures", ["seq"])) == {"seq": [3, 4, 5, 6]}


def test_columns_of_outcomes_are_those_that_the_metrics_are_made_of(both) -> None:
    metrics = (Metric("paid", MetricKind.REVENUE, of="order"), Metric("orders", of="order"))
    shop = Experiment("shop", (Variant("plain"), Variant("bold")), (*metrics, VALUE))
    both.store.save(*create(define(shop), AUTHOR), "")
    both.kept(outcome("o1", 1, metric="order"), outcome("o2", 1, metric="paid"), outcome("o3", metric="value"))
    assert plain(both.reader.columns("outcomes", ["outcome_id"], "shop")) == {"outcome_id": ["o1"]}


def test_columns_of_outcomes_are_those_of_the_declared_metrics(both) -> None:
    declared = define(Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"), Metric("buy"))))
    both.store.save(*create(declared, AUTHOR), "")
    both.kept(outcome("o1", unit=ANNA), outcome("o2", 1, metric="buy"), outcome("o3", 1, metric="stay"))
    assert plain(both.reader.columns("outcomes", ["outcome_id", "assignment_id"], "hero")) == {
        "outcome_id": ["o1", "o2"],
        "assignment_id": [None, bytes(15) + b"\1"],
    }
    assert plain(both.reader.columns("outcomes", ["seq"], "unknown")) == {"seq": []}
    assert plain(both.reader.columns("outcomes", ["metric"])) == {"metric": ["click", "buy", "stay"]}


def test_rows_are_matched_with_the_seq_of_their_assignment(both) -> None:
    both.kept(exposure(2), outcome("o1", 2), outcome("o2", unit=ANNA), outcome("o3", 9))
    both.kept(assignment(1, slot=1), assignment(2), exposure(1), exposure(1, slot=1), exposure(9))
    assert plain(both.reader.columns("outcomes", ["assignment_seq"])) == {"assignment_seq": [6, 0, -1]}
    assert plain(both.reader.columns("exposures", ["assignment_seq"])) == {"assignment_seq": [6, -1, 5, -1]}


def test_columns_of_erasures_are_of_no_experiment(both) -> None:
    both.kept(assignment(1), Erasure(ANNA, NOON, "kim", "asked"), assignment(2))
    keys = plain(both.reader.columns("assignments", ["unit_key"]))["unit_key"]
    expected = {"seq": [2], "unit_key": keys[:1]}
    for experiment_id in ("", "hero", "unknown"):
        assert plain(both.reader.columns("erasures", ["seq", "unit_key"], experiment_id)) == expected


def test_what_was_taken_back_is_known_by_its_seq(both) -> None:
    both.kept(outcome("o1", unit=ANNA), outcome("o2", unit=ANNA), outcome("o3", unit=BEN))
    both.kept(*[replace(outcome(f"voids {n}", metric=""), void_of=of) for n, of in enumerate(["o3", "o1", "o3", "o9"])])
    assert both.reader.voided().tolist() == [1, 3]


def test_the_log_ended_when_its_last_entry_was_received(both) -> None:
    both.kept(assignment(1), replace(exposure(1), received_at=NOON + timedelta(hours=1)))
    assert both.reader.ended_at() == to_micros(NOON + timedelta(hours=1))
    both.kept(Erasure(BEN, NOON + timedelta(hours=2), "kim", "asked"))
    assert both.reader.ended_at() == to_micros(NOON + timedelta(hours=2))


FIELDS = tuple(ContextField(kind.value, kind) for kind in FieldType)


def test_contexts_are_columns_of_the_declared_types(both) -> None:
    declared = Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),), context=FIELDS)
    both.store.save(*create(declared, AUTHOR), "")
    given = [{"number": 2.5, "text": "phone", "flag": True}, {"flag": False, "text": "", "number": True}, {}]
    given += [{"number": "2", "text": "desk", "flag": 1.0}, {"text": ("a", "b")}, {"text": "phone"}]
    both.kept(*[replace(assignment(n), context=context) for n, context in enumerate(given)])
    both.kept(replace(assignment(99, experiment_id="other"), context={"number": 9.0}))
    found = both.reader.contexts("hero", ["flag", "text", "number"])
    assert list(found) == ["flag", "text", "number"]
    assert found["text"].words == ("phone", "", "desk")
    assert plain({"text": found["text"]}) == {"text": ["phone", "", None, "desk", None, "phone"]}
    np.testing.assert_equal(found["number"], [2.5] + [np.nan] * 5)
    np.testing.assert_equal(found["flag"], [1, 0] + [np.nan] * 4)
    both.kept(Erasure(ANNA, NOON, "kim", "asked"))
    assert both.reader.contexts("hero", ["text"])["text"].codes.tolist() == [-1] * 6


def test_contexts_of_a_part_of_the_log(both) -> None:
    declared = Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),), context=FIELDS)
    both.store.save(*create(declared, AUTHOR), "")
    rows = [replace(assignment(n), context={"number": float(n)}) for n in range(4)]
    both.kept(*rows[:2], exposure(1), assignment(9, experiment_id="other"), *rows[2:])
    parts = {(0, 2): [0, 1], (1, 5): [1, 2], (5, None): [3], (2, 4): [], (6, 99): [], (3, 3): []}
    for (after, until), numbers in parts.items():
        assert both.reader.contexts("hero", ["number"], after=after, until=until)["number"].tolist() == numbers


@pytest.mark.parametrize(("experiment_id", "name"), [("hero", "texts"), ("hero", "other"), ("none", "text")])
def test_contexts_that_are_not_there_are_refused(both, experiment_id: str, name: str) -> None:
    declared = Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),), context=FIELDS)
    both.store.save(*create(declared, AUTHOR), "")
    with pytest.raises(InvalidRequest, match=f"no number, text or flag {name!r}"):
        both.reader.contexts(experiment_id, [name])


@pytest.mark.parametrize(("table", "name"), [("units", "seq"), ("assignments", "context"), ("x; DROP", "seq")])
def test_columns_that_are_not_there_are_refused(both, table: str, name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"there is no table|have no column"):
        both.reader.columns(table, ["seq", name])
