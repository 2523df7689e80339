"""What everything together brought, against the population's holdout, through the engine's own hashing and stores."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from analysis.attribution.incremental.holdout import LEAST, Asked, effect_of, whole
from analysis.attribution.incremental.placing import Doers
from analysis.attribution.sums import N_GROUPS, groups
from analysis.estimate import Holds, Validity
from analysis.logs.simple_log import simple_log
from analysis.sequential.asymptotic import factor
from engine.admission import holdout
from engine.experiments import Experiment, Variant
from engine.funnel import ForcedRule, Population
from engine.lifecycle import Author, update_population
from engine.metrics import Metric, MetricKind
from engine.randomness import ONE
from engine.records import Erasure, Outcome, Reason, Unit
from engine.storage import open_reader
from tests.analysis.ope.targets.visits import Files
from tests.engine.house import NOW, House, experiment

ORDER = Metric("order", MetricKind.REVENUE)
HERO = experiment(metrics=(ORDER,))
UNITS = [f"u{n}" for n in range(400)]
ASKED = Asked("order", "customer")
LATER = NOW + timedelta(hours=1)


def is_in(house: House, unit: str) -> bool:
    return house.decide(unit, experiment_id="hero").reason is not Reason.HOLDOUT


def served(store: Files | None = None, share: float = 0.25) -> House:
    """Return a house in which everybody came by, and some are held out."""
    house = House(store)
    house.divide(Population(holdout=share))
    house.run(HERO)
    house.keep([house.decide(unit, experiment_id="hero") for unit in UNITS])
    return house


def ordered(who: str, value: float = 10.0, at: datetime = LATER, **fields: object) -> Outcome:
    name = f"{who} {value} {at} {sorted(fields)}"
    return replace(Outcome(name, "order", value, at, at, unit=Unit("customer", who)), **fields)


def order(house: House, who: str, value: float = 10.0, at: datetime = LATER, **fields: object) -> None:
    house.store.append([ordered(who, value, at, **fields)])


def doers(is_out: list[bool], did: list[tuple[float, float]], held_out: float, n_in: int = 1000) -> Doers:
    unit = np.arange(1, len(did) + 1)
    return Doers(unit, np.array(is_out), np.array(did, np.float64), held_out, np.zeros(2), n_in)


# --- the numbers -----------------------------------------------------------------------------------------------------


def test_it_is_what_units_brought_less_what_the_held_out_ones_stand_for():
    in_, out = [(1.0, 20.0)] * 130, [(1.0, 20.0)] * 30
    found = effect_of(doers([False] * 130 + [True] * 30, in_ + out, 0.25), ("hero",), ASKED)
    conversions, value = found.total
    assert conversions.value == pytest.approx(130 - 3 * 30)
    assert value.value == pytest.approx(20 * (130 - 3 * 30))
    assert found.per_unit[0].value == pytest.approx(0.04)
    assert found.relative.value == pytest.approx(130 / 90 - 1)
    assert value.low == pytest.approx(20 * conversions.low)
    assert conversions.low < conversions.value < conversions.high
    assert (found.n_units, conversions.n, found.of) == (1000, 160, ("hero",))


def test_its_spread_is_that_of_sums_of_units_that_come_by_at_random():
    """A sum of a Poisson number of units has the variance lambda * E z**2: here 60 held-out ones weigh 9 each."""
    both = [(1.0, 1.0)] * 600
    found = effect_of(doers([False] * 540 + [True] * 60, both, 0.1), (), ASKED)
    low, high = found.total[0].interval
    error = (540 + 9**2 * 60) ** 0.5
    # A holdout is looked at at any time. Student's quantile at about 2 * 60 degrees of freedom, and Hall's cubic: under
    # 6 % more than the normal one.
    assert (high - low) / 2 == pytest.approx(factor(600, 1000, 0.05) * error, rel=0.06)
    assert found.total[0].holds is found.relative.holds is Holds.ALWAYS_IN_THE_LIMIT
    # Where few held-out units came, the sum is too high and its spread too small: the interval reaches further down.
    assert found.total[0].value - low > high - found.total[0].value


def test_its_influence_is_that_of_groups_of_units():
    rng = np.random.default_rng(7)
    did = np.stack([np.ones(900), rng.gamma(2, 10, 900)], axis=1)
    is_out = rng.random(900) < 0.5
    found = effect_of(Doers(np.arange(1, 901), is_out, did, 0.5, np.zeros(2), 500), (), ASKED)
    assert found.influence.shape == (N_GROUPS, 2)
    assert np.abs(found.influence.sum(axis=0)).max() < 1e-6
    added = did * np.where(is_out, -1.0, 1.0)[:, None]
    own = added[groups(np.arange(1, 901)) == 5].sum(axis=0) - added.sum(axis=0) / N_GROUPS
    np.testing.assert_allclose(found.influence[5], own)
    # 512 groups know the spread to 1 / sqrt(2 * 512), 3 %; four times that is allowed.
    spread = np.sqrt((found.influence**2).sum(axis=0) * N_GROUPS / (N_GROUPS - 1))
    np.testing.assert_allclose(spread, np.sqrt((added**2).sum(axis=0)), rtol=0.13)


def test_it_is_unbiased_and_its_interval_covers_over_the_engines_own_draws():
    """Who does something and what it brings is given; who is held out is drawn anew by each seed of the population."""
    rng, n = np.random.default_rng(11), 1600
    units = [Unit("customer", f"u{place}") for place in range(n)]
    before, extra = rng.random(n) < 0.3, rng.random(n) < 0.04
    value = rng.lognormal(3.0, 0.5, n)
    errors, covered = [], []
    for seed in range(250):
        gate = holdout(Population(holdout=0.125, seed=f"seed {seed}"), "customer")
        out = np.array([not gate.passes(unit, None) for unit in units])
        does = before | (extra & ~out)
        did = np.stack([does, does * value], axis=1).astype(np.float64)
        made = Doers(np.flatnonzero(does) + 1, out[does], did[does], gate.start / ONE, np.zeros(2), n)
        truth = np.array([(extra & ~before & ~out).sum(), value[extra & ~before & ~out].sum()])
        found = effect_of(made, (), ASKED)
        errors.append([each.value - true for each, true in zip(found.total, truth, strict=True)])
        covered.append([each.low <= true <= each.high for each, true in zip(found.total, truth, strict=True)])
    bias = np.mean(errors, axis=0) / (np.std(errors, axis=0) / 250**0.5)
    assert np.abs(bias).max() < 4, "in standard errors of the mean"
    # At 95 % the share of 250 has a standard error of 1.4 %; four of them below.
    assert np.mean(covered, axis=0).min() > 0.895


def test_few_held_out_units_are_too_few_and_one_that_outweighs_all_others_counts_as_one():
    def found(n_out: int, last: float = 10.0):
        did = [(1.0, 10.0)] * (100 + n_out - 1) + [(1.0, last)]
        return effect_of(doers([False] * 100 + [True] * n_out, did, 0.1), (), ASKED)

    enough, few, skewed = found(LEAST), found(LEAST - 1), found(LEAST, 1000.0)
    assert enough.total[1].interval is not None
    assert few.total[0].validity is Validity.NOT_EVALUABLE
    assert (few.influence, few.relative.value, few.per_unit[0].value) == (None, None, None)
    assert "at least 20" in str(few.total[0].note)
    assert skewed.total[0].interval is not None
    assert skewed.total[1].interval is skewed.per_unit[1].interval is None


def test_where_the_held_out_units_might_have_done_nothing_there_is_no_lift():
    did = [(1.0, 1.0)] * 300 + [(1.0, 1.0)] * 25 + [(-1.0, -1.0)] * 24
    found = effect_of(doers([False] * 300 + [True] * 49, did, 0.1), (), ASKED)
    assert found.relative.value is None
    assert "may be zero" in str(found.relative.note)
    assert found.total[0].value == pytest.approx(300 - 9)


# --- from a log ------------------------------------------------------------------------------------------------------


def test_units_that_leave_no_rows_are_placed_by_what_they_did(tmp_path):
    """With a real store: a held-out unit has no row, and its outcome is there."""
    with closing(Files(tmp_path)) as files:
        house = served(files)
        inside = [unit for unit in UNITS if is_in(house, unit)]
        outside = [unit for unit in UNITS if unit not in inside]
        buyers = inside[::2] + outside[::3]
        files.append([ordered(unit) for unit in buyers])
        order(house, inside[0], 5.0)
        order(house, inside[0], -3.0)
    with closing(open_reader(tmp_path)) as reader:
        assert len(reader.columns("assignments", ("seq",))["seq"]) == len(inside)
        found = whole(reader, "order")
    n_in, n_out = len(inside[::2]), len(outside[::3])
    assert n_out >= LEAST
    assert found.effect.total[0].value == pytest.approx(n_in + 1 - 3 * n_out)
    assert found.effect.total[1].value == pytest.approx(10 * n_in + 2 - 3 * 10 * n_out)
    assert (found.effect.n_units, found.effect.of, found.left_out) == (len(inside), ("hero",), ())
    assert found.since == NOW.timestamp() * 1e6
    again = whole(tmp_path, "order").effect
    assert (again.total, again.relative) == (found.effect.total, found.effect.relative)
    assert "since 2026-03-01" in str(again.total[0].estimand)


def test_what_is_left_out_is_counted():
    house = served()
    for unit in UNITS:
        order(house, unit)
    plain = whole(house.store, "order").effect.total[0].value
    inside = [unit for unit in UNITS if is_in(house, unit)]
    order(house, inside[0], 7.0, at=NOW - timedelta(days=1))
    order(house, inside[0], 1e70)
    order(house, inside[0], 8.0, unit=Unit("device", "u1"))
    order(house, inside[1], 9.0, outcome_id="wrong")
    order(house, inside[1], 9.0, outcome_id="its void", void_of="wrong")
    order(house, inside[1], 9.0, metric="visit")
    row = house.ask(inside[2], experiment_id="hero")
    order(house, "", 6.0, unit=None, assignment_id=row.assignment_id)
    found = whole(house.store, "order")
    assert found.effect.total[0].value == pytest.approx(plain)
    said = {str(each.what): each.n for each in found.left_out}
    assert said == {
        "outcomes from before the holdout was as it is": 1,
        "outcomes of units of another type": 1,
        "outcomes that name an assignment and no unit": 1,
        "outcomes whose value is not finite or too large": 1,
    }


def test_forgotten_units_cannot_be_placed():
    house = served()
    for unit in UNITS:
        order(house, unit)
    before = whole(house.store, "order")
    gone = [unit for unit in UNITS if is_in(house, unit)][:3]
    house.store.append([Erasure(Unit("customer", unit), LATER, "kim", "asked") for unit in gone])
    found = whole(house.store, "order")
    assert found.effect.total[0].value == pytest.approx(before.effect.total[0].value - 3)
    assert [(each.n, str(each.what)[:30]) for each in found.left_out] == [(3, "outcomes of forgotten units, o")]


def test_an_outcome_that_is_reported_of_assignments_says_nothing():
    """Held-out units have none, so the same purchase would be reported on one side alone."""
    house = served()
    for unit in UNITS:
        row = house.decide(unit, experiment_id="hero")
        if row.assignment_id:
            order(house, unit, unit=None, assignment_id=row.assignment_id)
        else:
            order(house, unit)
    found = whole(house.store, "order").effect
    assert found.total[0].validity is Validity.NOT_EVALUABLE
    assert "report it by unit alone" in str(found.total[0].note)


def test_only_what_came_since_the_holdout_is_as_it_is_counts():
    house = House()
    house.run(HERO)
    for unit in UNITS:
        house.ask(unit, experiment_id="hero")
        order(house, unit, 50.0)
    store, grown = house.store, Author("ann", "more", LATER + timedelta(days=1))
    before = house.engine.population
    states = [live.state for live in house.engine.catalog.by_id.values()]
    state, change, moved = update_population(before, Population(holdout=0.5), before.etag, states, grown)
    store.save_population(state, change, moved)
    house.engine.adopt_population(state, [each for each, _ in moved])
    assert whole(store, "order").effect.total[0].validity is Validity.NOT_EVALUABLE
    after = grown.at + timedelta(hours=1)
    for unit in UNITS:
        order(house, unit, at=after)
    found = whole(store, "order")
    inside = sum(is_in(house, unit) for unit in UNITS)
    assert found.effect.total[0].value == pytest.approx(inside - (400 - inside))
    assert (found.since, found.left_out[0].n) == (grown.at.timestamp() * 1e6, 400)


def test_another_change_of_the_population_starts_nothing_anew():
    house = served()
    for unit in UNITS:
        order(house, unit)
    before = whole(house.store, "order")
    house.divide(replace(house.engine.population.population, groups={"nordic": ("NO",)}))
    again = whole(house.store, "order")
    assert (again.since, again.effect.total) == (before.since, before.effect.total)


def test_a_held_out_unit_that_is_forced_stays_on_its_side():
    house = House()
    house.divide(Population(holdout=0.25))
    house.run(experiment(metrics=(ORDER,), forced=(ForcedRule("bold", {"country": "NO"}),)))
    for unit in UNITS:
        house.ask(unit, experiment_id="hero", context={"country": "NO"})
        order(house, unit)
    gate = holdout(Population(holdout=0.25), "customer")
    inside = sum(gate.passes(Unit("customer", unit), None) for unit in UNITS)
    found = whole(house.store, "order").effect
    assert found.total[0].value == pytest.approx(inside - 3 * (400 - inside))
    assert (found.n_units, found.per_unit[0].value) == (0, None), "nobody was answered who passed the holdout"


def test_without_a_holdout_plain_ids_or_an_experiment_of_such_units_it_says_why():
    nobody = House()
    nobody.run(HERO)
    tiny = served(share=1e-12)
    log = simple_log(Experiment("e", (Variant("a"), Variant("b")), (Metric("order"),)), {"variant": np.array([0, 1])})
    for asked, reason in (
        (whole(nobody.store, "order"), "has no holdout"),
        (whole(tiny.store, "order"), "has no holdout"),
        (whole(log, "order"), "read the store"),
        (whole(served().store, "order", "session"), "no experiment randomises units of type “session”"),
        (whole(served().store, "visit"), "too little"),
    ):
        effect = asked.effect
        estimates = (*effect.total, *effect.per_unit, effect.relative)
        assert {each.validity for each in estimates} == {Validity.NOT_EVALUABLE}
        assert all(reason in str(each.note) for each in estimates)
        assert effect.influence is None
