"""What each world says a variant is worth is what comes of it, in any file, by the engine's own rules."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

import numpy as np
import pytest

from engine.experiments import Experiment, FieldType, Variant
from engine.metrics import by_outcome
from engine.outcomes import OutcomeRules
from engine.rewards import reward_of
from simulators.environment import Visit, World
from simulators.worlds import WORLDS, make
from tests.simulators.odd_files import FILES, odd

START = datetime(2026, 3, 2, tzinfo=UTC)
SPAN = timedelta(days=30)
Z = 4.5
"""About 100 means are compared with a normal interval of this many standard errors: a false alarm in 1 of 1,500."""

TYPES = {FieldType.NUMBER: float, FieldType.TEXT: str, FieldType.FLAG: bool, FieldType.TEXTS: tuple}
needs_data = pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn, which has the data, is not there")
every_world = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=needs_data) if name in ("digits", "wine") else name for name in WORLDS]
)


def earned(world: World, experiment: Experiment, visit: Visit, variant, rng) -> float:
    """Return the reward that the log would credit to one answer."""
    values: dict[str, list[float]] = {}
    for happening in world.outcomes(experiment, visit, variant, rng):
        for metric in by_outcome(experiment.metrics)[happening.metric]:
            if metric.after <= happening.at - visit.at <= metric.window:
                values.setdefault(metric.name, []).append(1.0 if happening.value is None else happening.value)
    return reward_of(experiment, values)


@every_world
@pytest.mark.parametrize("file", FILES)
def test_what_is_expected_is_the_mean_of_what_is_earned(name, file):
    """Of visits and variants drawn at random, earned - expected has mean 0 given the visit."""
    world, experiment, rng = make(name), odd(file), np.random.default_rng(11)
    surprises = []
    for visit in world.visits(1000, START, SPAN, rng):
        brought = world.candidates(experiment, visit, rng)
        variants = [Variant.of(each) for each in brought] or experiment.variants
        expected = world.expected_rewards(experiment, visit, brought)
        assert list(expected) == [variant.name for variant in variants]
        variant = variants[rng.integers(len(variants))]
        surprises.append(earned(world, experiment, visit, variant, rng) - expected[variant.name])
    error = max(np.std(surprises) / math.sqrt(len(surprises)), 1e-9)
    assert abs(np.mean(surprises)) <= Z * error


@every_world
@pytest.mark.parametrize("file", FILES)
def test_any_file_fits(name, file):
    world, experiment, rng = make(name), odd(file), np.random.default_rng(3)
    rules, fields = OutcomeRules([experiment]), {field.name: field.type for field in experiment.context}
    for visit in world.visits(60, START, SPAN, rng):
        context = world.context(experiment, visit)
        assert {field: type(value) for field, value in context.items()} == {f: TYPES[t] for f, t in fields.items()}
        assert all(0 <= reward <= 1 for reward in world.expected_rewards(experiment, visit).values())
        for variant in experiment.variants:
            for told in world.outcomes(experiment, visit, variant, rng):
                assert told.at >= visit.at
                rules.check(told.metric, 1.0 if told.value is None else told.value)


@every_world
def test_visits_are_in_the_order_of_time_and_the_same_for_a_seed(name):
    visits = make(name).visits(500, START, SPAN, np.random.default_rng(5))
    assert len(visits) >= 500
    assert [visit.at for visit in visits] == sorted(visit.at for visit in visits)
    assert visits[0].at >= START
    assert visits[-1].at < START + SPAN
    assert visits == make(name).visits(500, START, SPAN, np.random.default_rng(5))
    assert visits != make(name).visits(500, START, SPAN, np.random.default_rng(6))


@every_world
def test_other_customers_come_under_another_seed(name):
    """A test draws by the id alone: the same ids would be drawn the same in every run."""
    ids = [{visit.unit_id for visit in make(name).visits(50, START, SPAN, np.random.default_rng(s))} for s in (5, 6)]
    assert not ids[0] & ids[1]


@every_world
@pytest.mark.parametrize("file", FILES)
def test_luck_does_not_depend_on_the_variant(name, file):
    world, experiment = make(name), odd(file)
    visit = world.visits(1, START, SPAN, np.random.default_rng(2))[0]
    after = set()
    for variant in experiment.variants:
        rng = np.random.default_rng(1)
        world.outcomes(experiment, visit, variant, rng)
        after.add(rng.random())
    assert len(after) == 1


@every_world
def test_the_better_of_two_variants_has_what_the_worse_one_has(name):
    """Under one luck an outcome that happens to the variant of the lower chance happens to the other as well."""
    world, experiment = make(name), odd("plain")
    for visit in world.visits(300, START, SPAN, np.random.default_rng(8)):
        happens = {
            variant.name: bool(world.outcomes(experiment, visit, variant, np.random.default_rng(4)))
            for variant in experiment.variants
        }
        if name != "late-loser":  # whose worse variants happen more often, and too late
            expected = world.expected_rewards(experiment, visit)
            ordered = [happens[name] for name in sorted(expected, key=expected.__getitem__)]
            assert ordered == sorted(ordered)


@every_world
def test_candidates_are_brought_where_they_are_declared(name):
    world, rng = make(name), np.random.default_rng(1)
    visit = world.visits(1, START, SPAN, rng)[0]
    assert not world.candidates(odd("plain"), visit, rng)
    brought = world.candidates(odd("reading"), visit, rng)
    assert len({each.name for each in brought}) == len(brought) == 10
    assert all(each.features.keys() == {"length", "topic", "fresh"} for each in brought)
