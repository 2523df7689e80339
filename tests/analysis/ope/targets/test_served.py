"""A file's or a snapshot's policy, asked again about its own log, gives the very integers that were drawn from."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.ope.logged import Logged
from analysis.ope.stores.reading import read
from analysis.ope.targets.served import Served, of_file, of_snapshot
from engine import files
from engine.clock import to_micros
from engine.errors import InvalidRequest, SnapshotRefused, UnknownExperiment, UnknownSnapshot
from engine.experiments import ContextField, Experiment, ExposureRule, FieldType, Variant
from engine.funnel import Population
from engine.metrics import Metric
from engine.randomness import ONE
from engine.snapshots import verify
from engine.specs import (
    ContextualSpec,
    EpsilonGreedySpec,
    FixedSpec,
    LinearSpec,
    PolicySpec,
    Rule,
    SegmentsSpec,
    ThompsonSpec,
)
from tests.analysis.ope.targets.visits import Files, came, closed, logged_rows, rewards_of, with_policy
from tests.conformance.policy_cases import CONTEXTS, RULES, SPECS, experiment_with
from tests.engine.house import House, days, experiment

HOUR = days(1 / 24)
HELD = {"plain": 0.15, "last one": 0.3}
MORE: dict[str, PolicySpec] = {
    "thompson with shares": ThompsonSpec(floor=0.1, shares=HELD),
    "contextual with shares": ContextualSpec(floor=0.2, shares=HELD),
    "linear with shares and a control group": LinearSpec(shares=HELD, control_share=0.3),
    "segments with a floor": replace(RULES, floor=0.2),
    "thompson after rules, with shares": ThompsonSpec(floor=0.1, shares=HELD, prior=RULES),
}
EVERY = {name: spec for name, spec in (SPECS | MORE).items() if spec != SegmentsSpec()}
DEVICES = [{"country": "NO", "visits": 1.0}, {"country": "SE"}, {"visits": 8.0}]
NEWS = experiment(
    variants=(Variant("nothing"),),
    candidates=(ContextField("topic", FieldType.TEXT), ContextField("age", FieldType.NUMBER)),
    slots=3,
)


def served_by(house: House, snapshot: str, definition: Experiment) -> Served:
    """Return the policy of a row's snapshot."""
    if not snapshot:
        return of_file(definition)
    found = house.snapshots.snapshot("hero", snapshot)
    assert found is not None
    return Served(definition, verify(found, definition), "again")


def assert_the_same_again(house: House) -> None:
    """Ask every row's own policy, in its own definition, about the row."""
    log, rows = read(house.store, "hero", metric="click"), logged_rows(house)
    policies = [(rows[seq].revision, rows[seq].snapshot) for seq in log.row.tolist()]
    assert len(log) > 30
    for revision, snapshot in set(policies):
        definition = house.store.definition("hero", revision)
        assert definition is not None
        part = log[np.array([each == (revision, snapshot) for each in policies])]
        again = served_by(house, snapshot, definition).probabilities(part)
        expected = [dict(zip(rows[seq].eligible, rows[seq].distribution, strict=True)) for seq in part.row.tolist()]
        assert (again == part.probabilities).all()
        assert [sorted(row[row > 0] * ONE) for row in again] == [
            sorted(weight for weight in each.values() if weight) for each in expected
        ]


def taught(house: House, n: int = 30, **asked: Any) -> House:
    """Let units come, teach what learns of the policy, and let more come."""
    rows = came(house, n, **asked)
    if house.engine.catalog.find("hero").experiment.policy.learns:
        house.teach("hero", rewards_of(rows))
    came(house, n, n, **asked)
    closed(house)
    return house


@pytest.mark.parametrize("name", EVERY)
def test_every_policy_gives_what_was_logged(name: str) -> None:
    house = House()
    house.run(experiment_with(EVERY[name]))
    assert_the_same_again(taught(house, contexts=CONTEXTS))


@pytest.mark.parametrize(
    "spec", [FixedSpec(), FixedSpec({"plain": 0.5, "bold": 0.3, "quiet": 0.2}), ThompsonSpec(floor=0.1), RULES]
)
@pytest.mark.parametrize("slots", [1, 2])
def test_a_killed_variant_is_no_part_of_it_and_its_units_go_where_they_went(spec: PolicySpec, slots: int) -> None:
    house = House()
    if spec is RULES:
        spec = SegmentsSpec((Rule({"country": "NO"}, {"bold": 0.5, "quiet": 0.5}),), {"plain": 0.9, "bold": 0.1}, 0.1)
    house.run(experiment(policy=spec, slots=slots))
    came(house, 30, contexts=DEVICES)
    house.change("hero", killed=("bold",))
    came(house, 40, 100, DEVICES)
    closed(house)
    assert_the_same_again(house)


@pytest.mark.parametrize("spec", [FixedSpec(), ContextualSpec(floor=0.1), ContextualSpec(control_share=0.3)])
def test_candidates_and_slates_are_asked_slot_by_slot(spec: PolicySpec) -> None:
    house = House()
    house.run(replace(NEWS, policy=spec))
    taught(house, contexts=DEVICES)
    log = read(house.store, "hero", metric="click")
    assert log.k == 6
    assert set(log.slot.tolist()) == {0, 1, 2}
    assert_the_same_again(house)


@pytest.mark.parametrize("spec", [ThompsonSpec(floor=0.1), EpsilonGreedySpec(), ContextualSpec()])
def test_slates_of_declared_variants_are_asked_slot_by_slot(spec: PolicySpec) -> None:
    house = House()
    house.run(experiment(policy=spec, slots=3))
    assert_the_same_again(taught(house, contexts=DEVICES))


# --- what the engine would have served ------------------------------------------------------------------------------


def plain_log(**changes: Any) -> tuple[House, Logged]:
    """Return the log of a plain test."""
    house = House()
    house.run(experiment(**changes))
    came(house, 40, contexts=DEVICES)
    closed(house)
    return house, read(house.store, "hero", metric="click")


def test_a_file_is_asked_by_its_own_rules_with_the_segments_of_the_population(tmp_path: Path) -> None:
    _, log = plain_log()
    rules = SegmentsSpec((Rule({"$segment": "nordic"}, {"bold": 1.0}),), {"plain": 0.75, "quiet": 0.25})
    path = tmp_path / "offer.yaml"
    path.write_text(files.dump(experiment(policy=rules)))
    target = of_file(path, Population({"nordic": {"country": "NO"}}))
    assert str(target.name) == "the policy of offer.yaml"
    found = target.probabilities(log)
    for question, probabilities in zip(log.questions(), found, strict=True):
        names = [variant.name for variant in question.eligible]
        given = dict(zip(log.variants, probabilities.tolist(), strict=True))
        if question.context.get("country") == "NO" and "bold" in names:
            assert given["bold"] == 1.0
        elif len(names) == 3:
            assert given == {"plain": 0.75, "bold": 0.0, "quiet": 0.25}


def test_segments_of_no_population_are_not_taken_for_empty() -> None:
    rules = SegmentsSpec((Rule({"$segment": "nordic"}, {"bold": 1.0}),), {"plain": 1.0})
    with pytest.raises(InvalidRequest, match="names segments or groups of a population: give that"):
        of_file(experiment(policy=rules))


def test_where_the_context_lacks_what_the_file_requires_the_default_is_served() -> None:
    _, log = plain_log()
    strict = (ContextField("country", FieldType.TEXT, required=True), ContextField("visits", FieldType.NUMBER))
    target, has_quiet = of_file(experiment(context=strict, default="quiet")), log.could_be[:, 2]
    found = target.probabilities(log[has_quiet])
    for question, row in zip(log[has_quiet].questions(), found.tolist(), strict=True):
        if "country" not in question.context:
            assert row == [0.0, 0.0, 1.0]
        else:
            assert max(row) <= 0.5 + 1 / ONE
    why = r"row \d+: the policy of hero would have served 'quiet', where the log could draw .* alone: leave"
    with pytest.raises(InvalidRequest, match=why):
        target.probabilities(log)


def test_a_variant_that_the_log_never_had_cannot_be_judged() -> None:
    _, log = plain_log()
    new = experiment(variants=(Variant("plain"), Variant("loud")))
    with pytest.raises(InvalidRequest, match="a variant 'loud', and the log has bold, plain, quiet: no log says"):
        of_file(new).probabilities(log)
    gone = experiment(variants=(Variant("plain"), Variant("bold"), Variant("loud")), killed=("loud",))
    assert (of_file(gone).probabilities(log)[:, 2] == 0).all()


def test_a_file_without_candidates_cannot_be_judged_by_a_log_of_them() -> None:
    house = House()
    house.run(NEWS)
    came(house, 10)
    closed(house)
    with pytest.raises(InvalidRequest, match="a variant 'plain', and the log has place 1"):
        of_file(experiment()).probabilities(read(house.store, "hero", metric="click"))


def test_a_file_that_learns_is_said_to_be_untaught() -> None:
    assert str(of_file(experiment(policy=ThompsonSpec())).name) == "the untaught policy of hero"


# --- snapshots ------------------------------------------------------------------------------------------------------

WINDOW = Metric("click", window=HOUR)


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, str]:
    """A store in files with a policy that learned from its first rows, and the snapshot's hash."""
    with closing(Files(tmp_path)) as store:
        house = House(store)
        house.run(experiment(policy=ThompsonSpec(), metrics=(WINDOW,)))
        rewards = rewards_of(came(house, 40, contexts=DEVICES))
        snapshot = house.teach("hero", [replace(each, matures_at=each.matures_at + HOUR) for each in rewards])
        store.learning.add(snapshot)
        came(house, 40, 40, DEVICES)
        closed(house)
    return tmp_path, snapshot.hash


def test_a_snapshot_is_judged_on_draws_that_it_cannot_have_learned_from(stored: tuple[Path, str]) -> None:
    directory, named = stored
    target = of_snapshot(directory, "hero", named[:6])
    assert str(target.name) == f"the snapshot {named[:12]}"
    log = read(directory, "hero")
    assert target.since is not None
    judged = log[log.at >= target.since]
    # The last reward was of the fortieth visit, which is the last one that it learned from.
    assert len(log) - len(judged) == 40
    assert (target.probabilities(judged) == judged.probabilities).all()


def test_a_snapshot_knows_nothing_of_when_exposures_were_reported(tmp_path: Path) -> None:
    with closing(Files(tmp_path)) as store:
        house = House(store)
        house.run(experiment(policy=ThompsonSpec(), metrics=(WINDOW,), exposure=ExposureRule.REPORTED))
        snapshot = house.teach("hero", rewards_of(came(house, 10)))
        store.learning.add(snapshot)
    assert of_snapshot(tmp_path, "hero", snapshot.hash).since == to_micros(snapshot.watermark[0]) + 1


def test_what_is_no_snapshot_is_said(stored: tuple[Path, str]) -> None:
    directory = stored[0]
    with pytest.raises(UnknownSnapshot, match="no snapshot of 'hero' begins with"):
        of_snapshot(directory, "hero", "0" * 12)
    with pytest.raises(InvalidRequest, match="is no snapshot's hash"):
        of_snapshot(directory, "hero", "newest")
    with pytest.raises(UnknownExperiment, match="there is no experiment 'zero'"):
        of_snapshot(directory, "zero", "0" * 12)


def test_a_snapshot_that_means_something_else_by_now_is_refused(stored: tuple[Path, str]) -> None:
    directory, named = stored
    with closing(Files(directory)) as store:
        House(store).change("hero", policy=EpsilonGreedySpec())
    with pytest.raises(SnapshotRefused, match="configured differently"):
        of_snapshot(directory, "hero", named)


def test_what_a_policy_learned_elsewhere_is_asked_as_it_would_serve() -> None:
    """The door for policies that are learned from a log's first part: any policy, with its floor."""
    house, log = plain_log()
    learning = with_policy(experiment(policy=ThompsonSpec()), floor=0.3)
    rows = logged_rows(house).values()
    snapshot = House()
    snapshot.run(learning)
    policy = verify(snapshot.teach("hero", rewards_of(rows)), learning)
    found = Served(learning, policy, "learned", since=7).probabilities(log)
    assert np.isclose(found.sum(axis=1), 1).all()
    assert found[log.could_be].min() >= 0.1 - 2 / ONE
