"""From a log to a page: which outcomes get one, what it is about, and what it does not repeat."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from analysis.attribution import attributing
from analysis.attribution.attributing import Asked
from analysis.attribution.journeys import By
from analysis.attribution.rules.positional import LastNonDirect
from engine import lifecycle
from engine.errors import InvalidRequest
from engine.experiments import Brief, Experiment, Status, Variant
from engine.lifecycle import Author
from engine.metrics import Metric, MetricKind
from engine.storage.memory import MemoryStore
from tests.analysis.conftest import START, Log

AUTHOR = Author("test", "because", START)
ORDER, MONEY = Metric("order"), Metric("paid", MetricKind.REVENUE, of="order")


def experiment(name, channel, *metrics):
    variants = (Variant("plain"), Variant("bold"))
    return Experiment(name, variants, metrics or (ORDER,), brief=Brief(channel=channel))


def store(*experiments, conversions=True):
    """Return a log in which 60 units get the experiments one after the other, and one in three orders."""
    made = MemoryStore()
    logs = [Log(each) for each in experiments]
    for number in range(60):
        unit, at = f"unit {number}", number / 40
        for place, log in enumerate(logs):
            log.assign(unit, at + place / 10)
        if conversions and number % 3 == 0:
            logs[-1].observe(unit, "order", at + 1, 10.0 + number)
    logs[-1].end(40)
    for log in logs:
        draft, created = lifecycle.create(log.experiment, AUTHOR)
        made.save(draft, created, "")
        made.save(*lifecycle.transition(draft, Status.RUNNING, "", AUTHOR), draft.etag)
        made.append(log.store.entries())
    return made


def keys(found):
    return [grid.key for grid in found.grids]


LETTER, BANNER = experiment("letter", "email"), experiment("banner", "web")


@pytest.mark.parametrize(
    ("experiments", "expected"),
    [
        ((LETTER, BANNER), ("order",)),
        ((experiment("letter", "email", MONEY), BANNER), ("order",)),
        (
            (experiment("letter", "email", MONEY, Metric("read")), experiment("banner", "web", Metric("click"))),
            ("order",),
        ),
        ((experiment("letter", "email", Metric("read")), experiment("banner", "web", Metric("click"))), ()),
        ((experiment("letter", "email", MONEY),), ()),
    ],
)
def test_what_experiments_share_has_a_page_or_else_what_brings_in_money(experiments, expected):
    assert attributing.outcomes(store(*experiments)) == expected


def test_a_page_is_about_channels_unless_there_is_one_alone():
    several = attributing.attribute(store(LETTER, BANNER), "order", Asked(("first", "linear")))
    assert keys(several)[0] == "credit-channel"
    one = attributing.attribute(store(LETTER, replace(BANNER, brief=LETTER.brief)), "order", Asked(("first", "linear")))
    assert keys(one)[0] == "credit-experiment"
    assert [each.key for each in one.grids if each.is_folded and each.key.startswith("credit")] == [
        "credit-channel",
        "credit-variant",
    ]
    alone = attributing.attribute(store(LETTER), "order", Asked(("first", "linear"), (By.CHANNEL, By.EXPERIMENT)))
    assert keys(alone)[0] == "credit-channel"


def test_every_level_has_its_credit_and_the_first_alone_everything_else():
    found = keys(attributing.attribute(store(LETTER, BANNER), "order"))
    assert len(set(found)) == len(found)
    assert {f"credit-{by.value}" for by in By} <= set(found)
    assert [key for key in found if key.startswith(("journeys", "shares"))] == [
        "shares-channel",
        "shares-value-channel",
        "journeys-channel",
    ]


def test_without_a_conversion_there_is_what_was_met_alone():
    found = attributing.attribute(store(LETTER, BANNER, conversions=False), "order")
    assert keys(found) == ["journeys-channel"]
    assert str(found.verdict.sentence) == "There are no conversions, so there is no credit to share."


def test_the_last_touch_that_is_not_direct_is_told_apart_where_something_is():
    log = store(LETTER, BANNER)

    def titles(*rules):
        grid, *_ = attributing.attribute(log, "order", Asked(rules)).grids
        return [str(column) for column in grid.columns if column.key.startswith("attribution.rules.last")]

    assert titles("last", "last_non_direct") == ["Last touch"]
    assert titles("last_non_direct") == ["Last touch that is not direct"]
    assert titles("last", LastNonDirect(frozenset({"web"}))) == ["Last touch", "Last touch other than web"]


@pytest.mark.parametrize("changes", [{"rules": ()}, {"by": ()}])
def test_credit_is_shared_by_a_rule_and_among_something(changes):
    with pytest.raises(InvalidRequest, match="at least one rule"):
        Asked(**changes)


def test_what_is_left_out_is_there_to_be_counted():
    found = attributing.attribute(store(LETTER, BANNER), "order", Asked(within=timedelta(days=3)))
    assert all(each.n for each in found.left_out)
