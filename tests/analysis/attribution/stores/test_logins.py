"""Who keeps a draw over a login is one unit in journeys, the same one as for the incremental effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.attribution import incremental
from analysis.attribution.journeys import By
from analysis.attribution.stores.logins import identities
from analysis.attribution.stores.paging import Paging
from analysis.attribution.stores.reading import read
from engine.experiments import Experiment, Variant
from engine.funnel import Sticky
from engine.metrics import Metric

HERO = Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),), sticky=Sticky())
KEEPING = replace(HERO, fallback_unit="device")


def logged_in(new_log: Any, experiment: Experiment = KEEPING) -> Any:
    """Return a log in which two customers keep the draw of one device, one her own, and nobody that of another one."""
    log = new_log(experiment)
    phone, ann = log.assign("phone", 0), log.assign("ann", 0)
    log.assign("tablet", 0)
    for day, unit in enumerate(("eve", "bob", "eve"), 1):
        log.repeat(unit, phone, day)
    log.repeat("ann", ann, 4)
    log.observe("eve", "click", 5)
    return log


@pytest.mark.parametrize("size", [1, 2, 100])
def test_who_keeps_a_draw_is_who_it_was_made_for_however_the_log_is_divided(size: int, new_log: Any) -> None:
    log = logged_in(new_log)
    keys = log.store.columns("assignments", ["unit_key"])["unit_key"]
    phone, ann, tablet, eve, bob, *_ = keys.tolist()
    who = identities(Paging.of(log.store, size))
    assert who.of(np.array([phone, ann, tablet, eve, bob])).tolist() == [phone, ann, tablet, phone, phone]


def test_a_touch_before_a_login_and_a_conversion_after_it_are_one_journey(new_log: Any) -> None:
    log = logged_in(new_log)
    with read(log.store, "click", rows_at_once=2) as touched:
        blocks = list(touched.journeys(By.CHANNEL))
        n_units = touched.n_units
    journeys = [each for block in blocks for each in zip(block.unit, block.lengths, block.conversions, strict=True)]
    (winner,) = [unit for unit, _, conversions in journeys if conversions]
    assert sorted(n for _, n, conversions in journeys if conversions) == [4]
    assert n_units == 3
    units = incremental.read(log.store, "click")
    assert units.did.unit.tolist() == [winner]
    assert set(units.draws[0].unit.tolist()) == {unit for unit, _, _ in journeys}


def test_where_no_draw_can_be_kept_over_a_login_nobody_is_anybody_else(new_log: Any) -> None:
    assert len(identities(Paging.of(logged_in(new_log, HERO).store, 100)).known) == 0


def test_a_draw_that_was_kept_by_an_earlier_definition_is_still_kept(new_log: Any) -> None:
    log = logged_in(new_log)
    before = identities(Paging.of(log.store, 100))
    log.update(HERO)
    found = identities(Paging.of(log.store, 100))
    assert len(before.known) == 3
    assert (found.known.tolist(), found.same.tolist()) == (before.known.tolist(), before.same.tolist())
