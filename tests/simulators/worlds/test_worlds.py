"""What is particular to each world."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from engine.errors import InvalidRequest
from engine.experiments import ContextField, FieldType, Variant
from engine.files import load
from simulators.commands import simulate
from simulators.environment import Visit
from simulators.worlds import (
    WORLDS,
    Articles,
    Bernoulli,
    Delayed,
    Digits,
    Drifting,
    Indifferent,
    LateLoser,
    Linear,
    Logistic,
    Sparse,
    Wine,
    make,
)
from tests.simulators.odd_files import odd

START = datetime(2026, 3, 2, tzinfo=UTC)
SPAN = timedelta(days=30)
NAMES = ("ochre", "teal", "plum")


def met(world, experiment, n=400):
    """Return visits and the expected rewards (n, k) of the variants for them."""
    visits = world.visits(n, START, SPAN, np.random.default_rng(9))
    return visits, np.array([list(world.expected_rewards(experiment, visit).values()) for visit in visits])


def seen_by(world, experiment):
    """Return the experiment with what the world shows declared."""
    return replace(experiment, context=world.fields)


@pytest.mark.parametrize("world", [Bernoulli((0.1, 0.2, 0.3)), Indifferent((0.1, 0.2, 0.3))])
def test_rates_are_those_that_are_given(world):
    _, expected = met(world, odd("plain"))
    assert expected == pytest.approx(np.tile([0.1, 0.2, 0.3], (400, 1)), abs=1e-6)


def test_rates_that_are_not_given_are_made_up_by_name():
    _, expected = met(Bernoulli(), odd("plain"))
    assert len(np.unique(expected)) == 3
    assert (expected == met(Bernoulli(), odd("plain"))[1]).all()
    assert not (expected == met(Bernoulli(draw=1), odd("plain"))[1]).any()


def test_the_linear_world_is_linear():
    world = Linear()
    visits, expected = met(world, seen_by(world, odd("plain")))
    seen = np.array([[1.0, *visit.context.values()] for visit in visits])
    uncut = ((expected > 0.011) & (expected < 0.989)).all(axis=1)
    assert uncut.mean() > 0.95
    fit, *_ = np.linalg.lstsq(seen[uncut], expected[uncut], rcond=None)
    assert seen[uncut] @ fit == pytest.approx(expected[uncut], abs=1e-6)
    assert np.linalg.norm(fit[1:], axis=0) == pytest.approx([0.35] * 3, rel=1e-3)
    assert len(set(expected.argmax(axis=1))) > 1, "what is best depends on the visit"


def test_the_logistic_world_is_linear_in_log_odds():
    world = Logistic()
    visits, expected = met(world, seen_by(world, odd("plain")))
    seen = np.array([[1.0, *visit.context.values()] for visit in visits])
    log_odds = np.log(expected / (1 - expected))
    fit, *_ = np.linalg.lstsq(seen, log_odds, rcond=None)
    assert seen @ fit == pytest.approx(log_odds, abs=1e-5)


def test_rewards_of_the_sparse_world_are_about_1_in_500():
    world = Sparse()
    _, expected = met(world, seen_by(world, odd("plain")), n=2000)
    assert 1 / 800 < expected.mean() < 1 / 300
    assert expected.max() < 0.02


def test_the_best_variant_of_the_drifting_world_changes_at_even_times():
    visits, expected = met(Drifting(), odd("plain"), n=300)
    thirds = np.array([(visit.at - START) * 3 // SPAN for visit in visits])
    assert set(thirds) == {0, 1, 2}
    assert (expected.argmax(axis=1) == 2 - thirds).all()
    assert expected.max(axis=1) == pytest.approx([0.3] * 300, rel=1e-6)


def test_of_the_delayed_world_one_in_seven_comes_too_late():
    """All in all the linear world's chances, times 1 - exp(-2)."""
    file = odd("plain")
    slow, quick = met(Delayed(), file)[1].mean(), met(Linear(), file)[1].mean()
    assert slow / quick == pytest.approx(1 - np.exp(-2), rel=0.2), "with coefficients of its own"
    world, rng = Delayed(), np.random.default_rng(1)
    visits = world.visits(3000, START, SPAN, rng)
    waits = [told.at - visit.at for visit in visits for told in world.outcomes(file, visit, file.variants[0], rng)]
    late = np.mean([wait > timedelta(hours=1) for wait in waits])
    # About 1,200 waits: 4 standard errors.
    assert abs(late - np.exp(-2)) < 4 * np.sqrt(0.135 * 0.865 / len(waits))


def test_every_new_variant_of_the_late_loser_is_worse_and_happens_more_often():
    world, file, rng = LateLoser(), odd("plain"), np.random.default_rng(1)
    visits, expected = met(world, file, n=2000)
    assert expected[0] == pytest.approx([0.1, 0.2 * (1 - np.exp(-0.4)), 0.2 * (1 - np.exp(-0.4))])
    told = [sum(len(world.outcomes(file, visit, variant, rng)) for visit in visits) for variant in file.variants]
    assert told[0] < min(told[1:])


def test_articles_are_liked_by_their_features_and_by_who_reads():
    world, file, rng = Articles(), odd("reading"), np.random.default_rng(1)
    one, other = world.visits(2, START, SPAN, rng)
    brought = world.candidates(file, one, rng)
    mine, theirs = (world.expected_rewards(file, visit, brought) for visit in (one, other))
    assert len(set(mine.values())) == 10
    assert mine != theirs
    later = Visit("customer", one.at + timedelta(days=20), one.context)
    assert not {each.name for each in brought} & {each.name for each in world.candidates(file, later, rng)}


@pytest.mark.parametrize(("world", "n_fields", "n_classes"), [(Digits, 64, 10), (Wine, 13, 3)])
def test_one_variant_is_right(world, n_fields, n_classes):
    pytest.importorskip("sklearn", reason="scikit-learn, which has the data, is not there")
    made = world()
    file = replace(odd("plain"), variants=tuple(Variant(f"v{place}") for place in range(n_classes)))
    visits, expected = met(made, seen_by(made, file))
    assert len(made.fields) == n_fields
    assert expected.sum(axis=1) == pytest.approx(np.ones(400), abs=1e-6)
    assert (expected.max(axis=0) > 0.9).all(), "each class is met"
    values = [value for visit in visits for value in visit.context.values()]
    assert min(values) == 0.0
    assert max(values) == 1.0
    by_class = {}
    for visit, right in zip(visits, expected.argmax(axis=1), strict=True):
        by_class.setdefault(right, []).append(list(visit.context.values()))
    means = np.array([np.mean(rows, axis=0) for rows in by_class.values()])
    assert np.linalg.norm(means[0] - means[1]) > 0.3, "the context tells the classes apart"


def test_classes_without_a_variant_are_counted_round():
    pytest.importorskip("sklearn", reason="scikit-learn, which has the data, is not there")
    _, expected = met(Wine(), load("{experiment: e, variants: [a, b], metrics: [win], reward: {win: 1}}"))
    assert expected.sum(axis=1) == pytest.approx(np.ones(400), abs=1e-6)
    assert expected.mean(axis=0)[0] > 0.5, "two classes of three"


def test_data_that_is_not_installed_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(InvalidRequest, match=r"needs scikit-learn: install it by pip install 'armlift\[worlds\]'"):
        make("digits")


def test_fields_that_the_world_does_not_know_matter_as_well():
    fields = (ContextField("mood", FieldType.TEXT), ContextField("keen", FieldType.FLAG))
    _, expected = met(Linear(), replace(odd("plain"), context=fields))
    assert len(np.unique(expected.round(9), axis=0)) == 6, "three moods, keen or not"


def test_a_world_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(InvalidRequest, match="there is no world 'mars': there are storefront, bernoulli"):
        make("mars")


def test_the_help_names_every_world():
    told = CliRunner().invoke(simulate, ["--help"]).output
    assert [line.split()[0] for line in told.splitlines() if line.split()[:1] and line.split()[0] in WORLDS] == [
        *WORLDS
    ]
