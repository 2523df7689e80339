"""Who takes part: holdouts, audience, layers, traffic, prerequisites, schedules, through the engine and a store."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.admission import holdout
from engine.experiments import ROLLED_BACK, Status
from engine.explanation import Verdict
from engine.funnel import Funnel, Layer, LayerRange, Population, RampStep
from engine.randomness import ONE
from engine.records import Reason, Unit
from engine.specs import FixedSpec
from tests.engine.house import NOW, House, experiment

UNITS = [f"u{n}" for n in range(2000)]
SIX_SIGMA = 6 * (0.25 / len(UNITS)) ** 0.5


@pytest.fixture
def house() -> House:
    return House()


def reasons(house: House, experiment_id: str = "hero", **changes: object) -> dict[str, Reason]:
    return {unit: house.decide(unit, experiment_id=experiment_id, **changes).reason for unit in UNITS}


def variants(house: House, experiment_id: str = "hero") -> dict[str, str]:
    rows = [house.decide(unit, experiment_id=experiment_id) for unit in UNITS]
    return {row.unit.id: row.variant for row in rows if row.is_draw}


def share(found: dict[str, Reason], reason: Reason) -> float:
    return sum(one is reason for one in found.values()) / len(found)


def test_raising_the_traffic_moves_nobody(house):
    house.run(experiment(funnel=Funnel(traffic=0.3)))
    before = variants(house)
    assert abs(len(before) / len(UNITS) - 0.3) < SIX_SIGMA
    house.change("hero", funnel=Funnel(traffic=0.6))
    after = variants(house)
    assert before.items() <= after.items()
    assert abs(len(after) / len(UNITS) - 0.6) < SIX_SIGMA
    assert house.decide(next(iter(before))).epoch == 1


def test_a_row_says_what_the_unit_passed_and_with_which_chance(house):
    house.divide(Population(layers={"checkout": Layer(holdout=0.25)}, holdout=0.125))
    house.run(experiment(funnel=Funnel(layer=LayerRange("checkout", 0.25, 0.75), traffic=0.5)))
    row = next(row for row in map(house.ask, UNITS) if row.is_draw)
    chances = {passed.step: passed.weight / ONE for passed in row.inclusion}
    assert chances == {"holdout": 0.875, "layer holdout": 0.75, "layer": 0.5, "traffic": 0.5}
    assert row.population == 1
    explained = house.explain(row)
    assert explained.verdict is Verdict.REPRODUCED
    assert "passed" in [step.name for step in explained.steps]


def test_the_steps_come_in_their_order_and_are_independent(house):
    """Each reason's share is the product of what passed before it, within six standard errors."""
    house.divide(Population(layers={"checkout": Layer(holdout=0.25)}, holdout=0.2))
    house.run(experiment(funnel=Funnel(layer=LayerRange("checkout", 0.0, 0.5), traffic=0.5)))
    found = reasons(house)
    expected = {
        Reason.HOLDOUT: 1 - 0.8 * 0.75,
        Reason.LAYER_OCCUPIED: 0.6 * 0.5,
        Reason.OUT_OF_TRAFFIC: 0.6 * 0.5 * 0.5,
        Reason.DRAWN: 0.6 * 0.5 * 0.5,
    }
    for reason, probability in expected.items():
        assert abs(share(found, reason) - probability) < SIX_SIGMA
    assert set(found.values()) == expected.keys()


def test_the_experiments_of_a_layer_exclude_each_other_and_share_its_holdout(house):
    house.divide(Population(layers={"checkout": Layer(holdout=0.1)}))
    ranges = {"left": (0.0, 0.4), "right": (0.4, 1.0)}
    house.run(*(experiment(name, funnel=Funnel(layer=LayerRange("checkout", *ends))) for name, ends in ranges.items()))
    left, right = reasons(house, "left"), reasons(house, "right")
    together = Counter(zip(left.values(), right.values(), strict=True))
    assert set(together) == {
        (Reason.HOLDOUT, Reason.HOLDOUT),
        (Reason.DRAWN, Reason.LAYER_OCCUPIED),
        (Reason.LAYER_OCCUPIED, Reason.DRAWN),
    }


def test_nobody_is_in_an_empty_share_and_everybody_in_the_whole(house):
    house.divide(Population(layers={"checkout": Layer()}))
    house.run(
        experiment("all", funnel=Funnel(layer=LayerRange("checkout", 0.0, 1.0))),
        experiment("ramped", funnel=Funnel(ramp=(RampStep(0.5), RampStep(1.0)))),
    )
    assert set(reasons(house, "all").values()) == {Reason.DRAWN}
    house.ramp("ramped", ROLLED_BACK)
    assert set(reasons(house, "ramped").values()) == {Reason.OUT_OF_TRAFFIC}


def test_who_is_held_out_can_be_asked_of_any_unit(house):
    shared = Population(holdout=0.125, seed="spring", layers={"checkout": Layer(holdout=0.25)})
    house.divide(shared)
    house.run(experiment())
    gate = holdout(shared, "customer")
    passes = {unit: gate.passes(Unit("customer", unit), None) for unit in UNITS}
    assert passes == {unit: reason is not Reason.HOLDOUT for unit, reason in reasons(house).items()}
    assert holdout(Population(), "customer") is None


def test_a_global_holdout_is_the_same_units_in_every_experiment(house):
    house.divide(Population(holdout=0.3))
    house.run(experiment("one"), experiment("two"))
    assert reasons(house, "one") == reasons(house, "two")
    held = reasons(house, "one")
    house.divide(Population(holdout=0.1))
    fewer = reasons(house, "one")
    assert {unit for unit in UNITS if fewer[unit] is Reason.HOLDOUT} < {u for u in UNITS if held[u] is Reason.HOLDOUT}


def test_the_audience_reads_inside_maps_and_named_segments(house):
    house.divide(Population(segments={"regulars": {"visits": {"$gte": 3}}}, groups={"nordic": ("NO", "SE")}))
    audience = {"$segment": "regulars", "country": {"$inGroup": "nordic"}, "plan.tier": "gold"}
    house.run(experiment(funnel=Funnel(audience=audience)))
    fits = {"visits": 4, "country": "SE", "plan": {"tier": "gold"}}
    assert house.decide(context=fits).reason is Reason.DRAWN
    for miss in ({"visits": 2}, {"country": "DE"}, {"plan": {"tier": "tin"}}, {"plan": None}):
        assert house.decide(context={**fits, **miss}).reason is Reason.NOT_IN_AUDIENCE
    assert house.decide(context={}).reason is Reason.NOT_IN_AUDIENCE
    assert house.engine.outside("hero") == {"not_in_audience": 5}


def test_a_changed_segment_opens_an_epoch_where_it_moves_units(house):
    house.divide(Population(segments={"regulars": {"visits": {"$gte": 3}}}))
    house.run(experiment(funnel=Funnel(audience={"$segment": "regulars"})), experiment("other"))
    house.divide(Population(segments={"regulars": {"visits": {"$gte": 9}}}))
    assert house.decide(context={"visits": 4}).reason is Reason.NOT_IN_AUDIENCE
    row = house.ask(context={"visits": 9})
    assert (row.epoch, row.population) == (2, 2)
    assert house.decide(experiment_id="other").epoch == 1
    assert house.explain(row).verdict is Verdict.REPRODUCED


def test_a_schedule_opens_and_closes_by_the_requests_time(house):
    hour = timedelta(hours=1)
    house.run(experiment(funnel=Funnel(starts_at=NOW, ends_at=NOW + hour)))
    moments = {-hour: Reason.NOT_STARTED, 0 * hour: Reason.DRAWN, hour: Reason.ENDED}
    assert {after: house.decide(at=NOW + after).reason for after in moments} == moments


def test_a_prerequisite_passes_who_has_the_variant_and_logs_the_chance(house):
    parent = experiment("parent", policy=FixedSpec({"plain": 0.5, "bold": 0.25, "quiet": 0.25}))
    house.divide(Population(holdout=0.25))
    house.run(
        replace(parent, funnel=Funnel(traffic=0.5)), experiment(funnel=Funnel(prerequisites={"parent": ("bold",)}))
    )
    has = variants(house, "parent")
    found = reasons(house)
    drawn = {unit for unit in UNITS if found[unit] is Reason.DRAWN}
    assert drawn == {unit for unit, variant in has.items() if variant == "bold"}
    row = house.ask(min(drawn))
    chances = {passed.step: passed.weight / ONE for passed in row.inclusion}
    assert chances == {"parent: traffic": 0.5, "parent: variant": 0.25, "holdout": 0.75}
    assert house.explain(row).verdict is Verdict.REPRODUCED
    house.move("parent", Status.PAUSED)
    assert set(reasons(house).values()) == {Reason.PREREQUISITE_FAILED}


def test_what_is_forced_in_the_other_experiment_counts_there(house):
    house.run(experiment("parent"), experiment(funnel=Funnel(prerequisites={"parent": ("bold",)})))
    unit = next(unit for unit, variant in variants(house, "parent").items() if variant == "quiet")
    assert house.decide(unit).reason is Reason.PREREQUISITE_FAILED
    house.force("parent", Unit("customer", unit), "bold")
    assert house.decide(unit).reason is Reason.DRAWN


def test_a_walk_over_all_experiments_answers_as_asking_for_each(house):
    house.divide(Population(layers={f"l{n}": Layer() for n in range(3)}, holdout=0.1))
    for n in range(12):
        name = f"e{n}"
        start = (n // 3) * 0.25
        house.run(experiment(name, funnel=Funnel(layer=LayerRange(f"l{n % 3}", start, start + 0.25), traffic=0.9)))
    for unit in UNITS[:100]:
        walk = house.engine.walk()
        for name in house.engine.running():
            assert house.decide(unit, walk=walk, experiment_id=name) == house.decide(unit, experiment_id=name)
