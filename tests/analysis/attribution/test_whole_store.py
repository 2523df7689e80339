"""From a store to a page, by the front door, on a store of known causes: what is asked is what is answered."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from analysis.attribution.attributing import Asked, attribute
from analysis.attribution.incremental import brought, read, variants
from analysis.attribution.journeys import By
from analysis.document import Attribution
from engine.errors import InvalidRequest, StoreUnavailable
from tests.analysis.attribution.small_store import LETTER, small_store
from tests.analysis.conftest import START, Log

QUICK = Asked(rules=("last",))
BOTH = Asked(rules=("last", "linear"))


@pytest.fixture(scope="module")
def store():
    return small_store(400)


@pytest.fixture(scope="module")
def found(store):
    return attribute(store, "order", BOTH)


@pytest.fixture(scope="module")
def proven(found):
    """What stands beside the credit, by level and name."""
    return {(by, str(row[0])): row[2] for by in By for row in grid(found, f"credit-{by.value}").rows}


def grid(found, key):
    return next(each for each in found.grids if each.key == key)


def same(one, other):
    return (one.value, one.interval, one.n) == (other.value, other.interval, other.n)


def test_it_counts_the_units_and_says_from_when_to_when(found):
    assert (found.outcome, found.n_units) == ("order", 400)
    # Unit 1 was the first to meet the hero of last year, as every other unit did.
    assert found.period.first == (START + timedelta(days=1 / 400)).isoformat()
    assert found.period.end == (START + timedelta(days=25)).isoformat()


def test_every_rule_shares_all_conversions_and_all_value(store, found):
    everything = [each for each in store.entries(limit=10_000) if getattr(each, "metric", "") == "order"]
    for key, total in (("credit", len(everything)), ("value", sum(each.value for each in everything))):
        for by in By:
            *_, last, linear = zip(*grid(found, f"{key}-{by.value}").rows, strict=True)
            assert sum(each.value for each in last) == pytest.approx(total, abs=1e-9)
            assert sum(each.value for each in linear) == pytest.approx(total, abs=1e-9)


def test_it_is_the_same_each_time_and_its_json_is_itself(store, found):
    text = found.to_json()
    assert attribute(store, "order", BOTH).to_json() == text
    assert Attribution.from_json(text) == found
    assert json.loads(text)["outcome"] == "order"


def test_what_randomisation_proves_is_that_of_the_experiments_behind_a_touchpoint(store, proven):
    units = read(store, "order")
    (bold,) = variants(units, "hero")
    assert same(proven[By.CHANNEL, "web"], brought(units, ["hero", "offer", "old"], "web").total[0])
    assert same(proven[By.CHANNEL, "mail"], brought(units, ["letter", "ruled"], "mail").total[0])
    assert same(proven[By.VARIANT, "hero/bold"], bold.total[0])
    assert proven[By.VARIANT, "hero/plain"].note.key == "attribution.proven.control"
    assert proven[By.VARIANT, "offer/bold"].note.key == "attribution.proven.by_touch"
    assert proven[By.CHANNEL, "no touch"] is None
    assert (By.VARIANT, "letter/none") not in proven


def test_the_intervals_hold_what_was_caused(store, proven):
    """Half of those who got a letter ordered for it, and a hero brings nothing."""
    sent = [each for each in store.entries(limit=10_000) if getattr(each, "variant", "") == "short"]
    low, high = proven[By.EXPERIMENT, "letter"].interval
    assert 0 < low < 0.5 * len(sent) < high
    low, high = proven[By.EXPERIMENT, "hero"].interval
    assert low < 0 < high


def test_a_window_ends_what_counts_as_incremental(store):
    """All orders come a day or more after the letter, so that nothing was done within twelve hours of it."""
    found = attribute(store, "order", replace(QUICK, within=timedelta(hours=12), by=(By.EXPERIMENT,)))
    lifts = {str(row[1]): row for row in grid(found, "lifts").rows}
    assert lifts["letter"][5].interval is None
    assert "within 12 hours" in str(lifts["letter"][5].estimand)


@pytest.mark.parametrize("n_units", [0, 1, 9], ids=["nobody came", "one who got nothing", "several"])
def test_before_anything_has_happened_there_is_a_page_as_well(n_units):
    letter = Log(LETTER)
    for i in range(n_units):
        letter.assign(f"unit {i}", variant="short" if i else "none")
    found = attribute(letter.store, "order", QUICK)
    assert found.verdict.sentence.key == "attribution.page.nothing"
    assert found.n_units == max(n_units - 1, 0)
    assert found.n_journeys == max(n_units - 1, 0)


def test_what_cannot_be_asked_is_said(store, tmp_path):
    with pytest.raises(InvalidRequest, match="order"):
        attribute(store, "refund", QUICK)
    with pytest.raises(InvalidRequest, match="lost"):
        attribute(store, "order", Asked(rules=("lost",)))
    with pytest.raises(StoreUnavailable):
        attribute(tmp_path / "none", "order", QUICK)
