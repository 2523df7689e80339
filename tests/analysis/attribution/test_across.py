"""What a page says of all experiments of a store together: through its front door, and of what is not there nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from analysis.attribution.attributing import Asked, attribute
from analysis.attribution.incremental import brought, read
from analysis.attribution.journeys import By
from analysis.document import Word
from engine.experiments import Status
from engine.funnel import Population
from engine.metrics import Better, Metric
from engine.records import Reason
from tests.analysis.attribution.incremental.test_holdout import LATER, order
from tests.analysis.attribution.small_store import HERO, LETTER, RULED, beside, small_store
from tests.analysis.conftest import Log
from tests.engine.house import House, experiment

ASKED = Asked(rules=("last",))


@pytest.fixture(scope="module")
def store():
    return small_store(400)


@pytest.fixture(scope="module")
def grids(store):
    return by_key(attribute(store, "order", ASKED))


def by_key(found):
    return {grid.key: grid for grid in found.grids}


def rows(grid):
    return {(row[0].key.rpartition(".")[2], str(row[1])): row for row in grid.rows}


def test_lifts_are_the_effects_of_what_each_dimension_puts_together(store, grids):
    found, units = rows(grids["lifts"]), read(store, "order")
    for name, of in ((("channel", "web"), ("hero", "offer", "old")), (("experiment", "letter"), ("letter",))):
        expected = brought(units, of, "", family=8)
        assert found[name][4].value == expected.relative.value
        assert found[name][5].interval == expected.total[0].interval
    assert found["segment", "device = phone"][3].value == sum(1 for i in range(400) if i % 3)
    assert found["channel", "mail"][-1] is Word.BETTER


def test_a_question_with_several_names_has_one_answer(grids):
    found = rows(grids["lifts"])
    names = ("channel", "mail"), ("experiment", "letter"), ("segment", "members"), ("moment", "sunday")
    assert len({id(found[name][5]) for name in names}) == 1
    labels = [str(name) for name in grids["lifts"].chart.names]
    assert "mail (channel)" in labels
    assert "letter (experiment)" not in labels


def test_what_cannot_be_compared_by_unit_says_why_and_is_left_out_of_rows_with_others(grids):
    found = rows(grids["lifts"])
    assert found["experiment", "ruled"][4].note.key == "attribution.incremental.no_control_share"
    assert found["channel", "mail"][2].value == 1


def test_what_a_touch_brings_is_asked_of_what_is_drawn_by_touch_and_named_once(grids):
    names = [row[0] for row in grids["touches"].rows]
    assert names == ["offer/bold", "ruled/bold"]


def test_only_experiments_that_run_are_worth_trying(grids):
    names = [str(row[0]) for row in grids["next"].rows]
    assert "ruled" in names
    assert "hero/bold" in names
    assert not any(name.startswith("old") for name in names)
    assert "letter/short" in str(grids["next"].note)


def test_what_is_worth_trying_never_says_more_than_the_lifts(store):
    """A sign that is known of a test's only variant is known of the test."""
    for seed in range(3):
        found = by_key(attribute(small_store(100, seed), "order", Asked(rules=("last",), by=(By.EXPERIMENT,))))
        lifts = rows(found["lifts"])
        note = str(found["next"].note)
        taken = [row[0].partition("/")[0] for row in found["next"].rows if row[-1] and row[-1].key.endswith("take")]
        taken += ["letter"] if "take letter/short" in note else []
        assert all(lifts["experiment", name][-1] is Word.BETTER for name in taken)


def test_without_a_holdout_or_draws_by_touch_there_is_no_empty_table():
    letter = Log(LETTER)
    for i in range(40):
        letter.observe(letter.assign(f"unit {i}", 1).unit.id, "order", 2)
    found = by_key(attribute(letter.store, "order", ASKED))
    assert {"lifts", "next"} <= found.keys()
    assert not {"touches", "holdout"} & found.keys()


def test_with_a_holdout_everything_together_is_held_against_it():
    house = House()
    house.divide(Population(holdout=0.25))
    house.run(experiment(metrics=(Metric("order"),)))
    units = [f"u{n}" for n in range(400)]
    answers = [house.decide(unit, experiment_id="hero") for unit in units]
    house.keep(answers)
    held_out = [each.reason is Reason.HOLDOUT for each in answers]
    for unit, is_out in zip(units, held_out, strict=True):
        for minute in range(1 if is_out else 2):
            order(house, unit, 1.0, LATER + timedelta(minutes=minute))
    grid = by_key(attribute(house.store, "order", ASKED))["holdout"]
    ((unit, n, total, lift),) = grid.rows
    n_out = sum(held_out)
    assert (unit, n.value) == ("customer", 400 - n_out)
    assert total.value == pytest.approx(2 * (400 - n_out) - 3 * n_out)
    assert lift.low < lift.value < lift.high


def test_of_an_outcome_that_is_better_when_there_is_less_of_it_the_words_turn():
    less = Metric("order", better=Better.LOWER)
    letter = Log(replace(LETTER, metrics=(less,)))
    hero = beside(letter, replace(HERO, metrics=(less,)))
    random = np.random.default_rng(2)
    for i in range(300):
        sent = letter.assign(f"unit {i}", 1, context={})
        hero.assign(f"unit {i}", 2, context={})
        if random.random() < (0.6 if sent.variant == "short" else 0.1):
            letter.observe(f"unit {i}", "order", 3)
    found = by_key(attribute(letter.store, "order", ASKED))
    assert rows(found["lifts"])["experiment", "letter"][-1] is Word.WORSE
    assert "drop letter/short" in str(found["next"].note)


def test_a_touchpoint_of_several_channels_says_why_nothing_is_proven_of_it_while_it_runs():
    log = Log(replace(LETTER, brief=replace(LETTER.brief, channel=""), context=RULED.context))
    other = beside(log, replace(HERO, context=RULED.context))
    for i in range(60):
        channel = "web" if i % 2 else "mail"
        log.assign(f"unit {i}", 1, context={"device": channel})
        other.assign(f"unit {i}", 2, context={"device": channel})
        log.observe(f"unit {i}", "order", 3)
    asked = replace(ASKED, channel_field="device")
    why = [row[-1].key for row in by_key(attribute(log.store, "order", asked))["next"].rows]
    assert "attribution.trying.untested" in why
    for each in (log, other):
        each.move(Status.CONCLUDED)
    (row,) = by_key(attribute(log.store, "order", asked))["next"].rows
    assert row[0].key == "attribution.trying.nothing"
