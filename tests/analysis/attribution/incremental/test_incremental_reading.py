from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

import analysis
from analysis import adaptive
from analysis.attribution.incremental import added, effect, per_touch, read, variants
from analysis.attribution.incremental.identities import Identities
from analysis.attribution.journeys import By
from analysis.attribution.stores import reading as touches
from analysis.logs.simple_log import START, simple_log
from engine import lifecycle
from engine.clock import EPOCH
from engine.errors import UnknownExperiment
from engine.experiments import Brief, ContextField, Experiment, FieldType, Status, Variant
from engine.funnel import Sticky
from engine.lifecycle import Author
from engine.metrics import Metric
from engine.randomness import ONE
from engine.records import Group, Reason
from engine.specs import FixedSpec, Rule, SegmentsSpec, ThompsonSpec

TWO = (Variant("a"), Variant("b"))
TEST = Experiment("hero", TWO, (Metric("order"),), policy=FixedSpec({"a": 0.25, "b": 0.75}), brief=Brief(channel="web"))
BANDIT = replace(TEST, experiment_id="offer", policy=ThompsonSpec(control_share=0.25))
DAY = 86_400_000_000


def beside(log, experiment):
    """Return short words for another experiment in the same store."""
    other = object.__new__(type(log))
    other.store, other._n = log.store, log._n
    author = Author("test", "because", EPOCH + timedelta(days=20_000))
    other.state, change = lifecycle.create(experiment, author)
    other.store.save(other.state, change, "")
    other.move(Status.RUNNING)
    return other


def test_of_a_test_each_units_first_draw_is_read_with_its_logged_chances(new_log):
    log = new_log(TEST)
    made = [log.assign(f"unit {i}", i / 10) for i in range(20)]
    log.assign("unit 3", 8)
    log.default("late", 1)
    found = read(log.store, "order")
    (draws,) = found.draws
    assert draws.names == ("a", "b")
    assert draws.brief.channel == "web"
    assert [draws.names[place] for place in draws.drawn] == [each.variant for each in made]
    assert np.unique(draws.chances, axis=0).tolist() == [[0.25, 0.75]]
    assert draws.chance.tolist() == [0.25] * 20
    assert (np.diff(draws.at) > 0).all()
    assert found.refused == {}


def test_of_a_bandit_the_groups_are_read_with_the_shares_they_had(new_log):
    log = new_log(BANDIT)
    made = [log.assign(f"unit {i % 40}", i / 10) for i in range(80)]
    (draws,) = read(log.store, "order").draws
    assert draws.names == adaptive.GROUPS
    assert draws.is_control.tolist() == [each.group is Group.CONTROL for each in made[:40]]
    assert draws.chances.tolist() == [[0.25, 0.75]] * 40
    assert ONE // 4 in {each.group_weight for each in made}


@pytest.mark.parametrize(
    "policy",
    [ThompsonSpec(), SegmentsSpec((Rule({"vip": True}, {"a": 0.5, "b": 0.5}),))],
    ids=["one that learns", "one that draws by assignment"],
)
def test_what_is_drawn_again_each_time_needs_a_control_share(new_log, policy):
    log = new_log(replace(TEST, policy=policy, context=(ContextField("vip", FieldType.FLAG),)))
    for i in range(30):
        log.assign(f"unit {i}", 0, (0.5, 0.5))
    found = read(log.store, "order")
    assert found.draws == ()
    assert found.refused["hero"].key == "attribution.incremental.no_control_share"


def test_an_experiment_of_which_rows_are_lost_is_refused():
    even = replace(TEST, policy=FixedSpec())
    drawn = (np.random.default_rng(1).random(4000) < 0.65).astype(int)
    found = read(simple_log(even, {"variant": drawn}, {"row": np.arange(900)}), "order")
    assert found.refused["hero"].key == "attribution.incremental.unbalanced"


def test_an_experiment_without_a_draw_has_nobody(new_log):
    log = new_log(TEST)
    assert read(log.store, "order").refused["hero"].key == "attribution.incremental.nobody"
    log.default("ann")
    assert read(log.store, "order").refused["hero"].key == "attribution.incremental.nobody"


def test_broken_propensities_and_answers_for_quality_assurance_are_no_draws(new_log):
    log = new_log(TEST)
    log.assign("ann", 0, distribution=(1, 2))
    log.assign("eve", 0, reason=Reason.QA)
    log.assign("bob", 0)
    (draws,) = read(log.store, "order").draws
    assert len(draws.unit) == 1


def test_experiments_of_one_log_share_their_units_and_some_can_be_read_alone(new_log):
    log = new_log(TEST)
    other = beside(log, replace(TEST, experiment_id="mail", seed="2"))
    for i in range(30):
        log.assign(f"unit {i}", 1)
        made = other.assign(f"unit {i}", 2)
        other.observe(made, "order", 3)
    found = read(log.store, "order")
    assert [draws.experiment_id for draws in found.draws] == ["hero", "mail"]
    assert sorted(found.draws[0].unit) == sorted(found.draws[1].unit) == sorted(found.did.unit)
    alone = read(log.store, "order", experiments=["mail"], within=timedelta(days=1))
    assert [draws.experiment_id for draws in alone.draws] == ["mail"]
    assert alone.did.unit.tolist() == found.did.unit.tolist()
    assert alone.within == timedelta(days=1)


def test_who_kept_a_draw_from_before_the_login_is_one_unit_in_all_experiments(new_log):
    log = new_log(TEST)
    other = beside(log, replace(TEST, experiment_id="mail", seed="2"))
    drawn = log.assign("device", 0)
    log.repeat("ann", drawn, 1)
    other.assign("ann", 2)
    other.assign("device", 1)
    log.observe("ann", "order", 3)
    found = read(log.store, "order")
    assert [len(draws.unit) for draws in found.draws] == [1, 1]
    assert {*found.draws[0].unit, *found.draws[1].unit, *found.did.unit} == {found.did.unit[0]}
    # Of the two draws of one person the first counts.
    assert found.draws[1].at[0] == found.draws[0].at[0] + DAY


def test_nobody_is_anybody_else_where_nothing_was_kept():
    who = Identities.of_pairs([])
    assert who.of(np.array([3, 1])).tolist() == [3, 1]


def test_an_unknown_experiment_is_an_error(new_log):
    with pytest.raises(UnknownExperiment):
        read(new_log(TEST).store, "order", experiments=["other"])


def test_units_that_came_while_the_control_had_no_chance_are_left_out_and_counted():
    # The first hundred were drawn evenly, then all got b: they say nothing of what the control does.
    experiment, n = replace(TEST, policy=FixedSpec()), 160
    shares = np.where(np.arange(n)[:, None] < 100, [0.5, 0.5], [0.0, 1.0])
    drawn = np.where(np.arange(n) < 100, np.arange(n) % 2, 1)
    columns = {"variant": drawn, "distribution": shares, "epoch": np.where(np.arange(n) < 100, 1, 2)}
    found = read(simple_log(experiment, columns), "order")
    assert (len(found.draws[0].unit), found.draws[0].n_without) == (100, 60)
    alone = {name: column[100:] for name, column in columns.items()}
    assert read(simple_log(experiment, alone), "order").refused["hero"].key == "attribution.incremental.never_control"


def test_a_ramp_is_read_with_the_chances_of_each_of_its_steps():
    # A step moves units anew: of those that were drawn in both the first draw counts.
    columns = {
        "unit_key": [*range(1, 61), *range(31, 91)],
        "variant": np.concatenate([np.arange(60) % 10 == 0, np.arange(60) % 2]).astype(int),
        "distribution": np.repeat([[0.9, 0.1], [0.5, 0.5]], 60, axis=0),
        "epoch": np.repeat([1, 2], 60),
        "assigned_at": START + np.repeat([0, DAY], 60),
    }
    (draws,) = read(simple_log(replace(TEST, policy=FixedSpec()), columns), "order").draws
    assert draws.unit.tolist() == list(range(1, 91))
    assert draws.chance == pytest.approx([0.9] * 60 + [0.5] * 30)


def test_of_a_bandit_units_from_before_its_control_share_are_left_out_and_counted(new_log):
    log = new_log(replace(BANDIT, policy=ThompsonSpec()))
    for i in range(10):
        log.assign(f"early {i}", 0)
    log.update(BANDIT)
    for i in range(30):
        log.assign(f"unit {i}", 1)
    found = read(log.store, "order")
    assert (len(found.draws[0].unit), found.draws[0].n_without) == (30, 10)


def test_a_sticky_bandit_without_a_control_share_is_known_by_touch_and_not_by_unit(new_log):
    log = new_log(replace(BANDIT, policy=ThompsonSpec(), sticky=Sticky()))
    for i in range(60):
        made = log.assign(f"unit {i}", i / 60)
        log.repeat(f"unit {i}", made, 2)
        if i % 2:
            log.observe(f"unit {i}", "order", 3)
    log.end(20)
    assert read(log.store, "order").refused["offer"].key == "attribution.incremental.no_control_share"
    (of_b,) = per_touch(log.store, "offer", "order").effects
    assert of_b.per_touch[0].value is not None
    assert of_b.n_touches < 60


def test_units_of_an_experiment_that_started_late_count_from_their_draw_in_it(new_log):
    log = new_log(TEST)
    late = beside(log, replace(TEST, experiment_id="mail", seed="2"))
    for i in range(40):
        log.assign(f"unit {i}", 0)
        log.observe(f"unit {i}", "order", 1)
        late.assign(f"unit {i}", 5)
    found = read(log.store, "order")
    both = [added(found, [name], name) for name in ("hero", "mail")]
    assert [each.n_units for each in both] == [40, 40]
    # All ordered on the first day: after the draw in the one, and before that in the other.
    assert both[0].plain[0].value is not None
    assert both[1].plain[0].value is None


def test_an_experiment_that_is_over_counts_what_its_units_do_afterwards(new_log):
    log = new_log(TEST)
    for i in range(40):
        log.assign(f"unit {i}", 0)
    log.move(Status.CONCLUDED)
    for i in range(40):
        log.observe(f"unit {i}", "order", 9)
    found = effect(read(log.store, "order"), ["hero"], "hero")
    controls = int(read(log.store, "order").draws[0].is_control.sum())
    assert found.once.plain[0].value == pytest.approx(40 - 4 * controls)


def test_journeys_and_effects_are_of_the_same_units(new_log):
    log = new_log(replace(TEST, sticky=Sticky(), fallback_unit="device"))
    for i in range(8):
        drawn = log.assign(f"device {i}", 0)
        log.repeat(f"unit {i}", drawn, 1)
        log.observe(f"unit {i}", "order", 2)
    found = read(log.store, "order")
    with touches.read(log.store, "order") as touched:
        unit = np.concatenate([block.unit for block in touched.journeys(By.CHANNEL)])
    assert {*unit.tolist()} == {*found.did.unit.tolist()} == {*found.draws[0].unit.tolist()}


def test_the_effect_of_a_variant_agrees_with_the_report_on_its_test():
    random = np.random.default_rng(12)
    experiment = replace(TEST, policy=FixedSpec(), metrics=(Metric("order", window=timedelta(days=7)),))
    n = 8000
    drawn = random.permutation(np.arange(n) % 2)
    at = START + np.sort(random.integers(0, 10 * DAY, n))
    rows = np.flatnonzero(random.random(n) < np.array([0.05, 0.08])[drawn])
    log = simple_log(experiment, {"variant": drawn, "assigned_at": at}, {"row": rows, "occurred_at": at[rows] + DAY})
    (row,) = [each for each in analysis.report(log, "hero").metrics[0].tables[0].rows if each.name == "b"]
    (found,) = variants(read(log, "order", within=timedelta(days=7)), "hero")
    assert found.n_units == n // 2
    # Both halves are equal, so that weights of 2 for one half give the difference of means.
    assert found.plain[0].value / found.n_units == pytest.approx(row.absolute.value, rel=1e-9)
    low, high = found.per_unit[0].interval
    assert low < row.absolute.value < high
    assert row.absolute.low < found.per_unit[0].value < row.absolute.high
    assert found.relative.value == pytest.approx(row.relative.value, rel=0.05)
    whole = effect(read(log, "order"), ["hero"], "web")
    assert whole.relative.value == pytest.approx(found.relative.value / 2, rel=0.1)
