"""A snapshot answers as its learner did, or it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import SnapshotRefused
from engine.experiments import ContextField, FieldType, Variant
from engine.randomness import ONE
from engine.records import Candidate, Probe, Reward
from engine.snapshots import Growth, learns_alike, verify
from engine.specs import FixedSpec, SegmentsSpec
from tests.engine.house import next_snapshot
from tests.engine.learning_house import SPECS, at, experiment, learned, log, started, store_with, visit

POLICIES = pytest.mark.parametrize("kind", list(SPECS))


def rewards(n: int, first: int = 0) -> list[Reward]:
    return [Reward(visit(index), float(index % 2), at(index + 5), 0) for index in range(first, first + n)]


@POLICIES
def test_verify_returns_a_policy_that_answers_as_its_learner_did(kind):
    state = started(experiment(kind))
    snapshot = learned(state, store_with(log()).entries())[-1]
    policy = verify(snapshot, state.experiment)
    assert len(snapshot.probes) == 3
    for probe in snapshot.probes:
        answer = policy.distribution(probe.context, state.experiment.variants)
        assert answer == pytest.approx(probe.probabilities, abs=1e-9)
        assert max(answer) > 0.34


@POLICIES
def test_verify_refuses_what_is_not_as_it_was_written(kind):
    state = started(experiment(kind))
    snapshot = learned(state, store_with(log()).entries())[-1]
    flipped = bytearray(snapshot.blob)
    flipped[len(flipped) // 2] ^= 1
    probe = snapshot.probes[0]
    wrong = Probe(probe.context, probe.eligible, (probe.probabilities[0] + 1e-5, *probe.probabilities[1:]))
    short = Probe(probe.context, probe.eligible[:2], probe.probabilities)
    unknown = Probe(probe.context, ("plain", "bold", "none"), probe.probabilities)
    refusals = {
        "content": [replace(snapshot, blob=snapshot.blob[:-5]), replace(snapshot, blob=bytes(flipped))],
        "wrote it": [replace(snapshot, library="another 1.0")],
        "configured": [replace(snapshot, arguments=("--other",)), replace(snapshot, policy="other")],
        "fields, variants or rewards": [replace(snapshot, schema="another")],
        "does not answer": [replace(snapshot, probes=(bad,)) for bad in (wrong, short, unknown)],
    }
    for why, damaged in refusals.items():
        for bad in damaged:
            with pytest.raises(SnapshotRefused, match=why):
                verify(bad, state.experiment)
    fewer = replace(state.experiment, variants=state.experiment.variants[:2])
    with pytest.raises(SnapshotRefused):
        verify(snapshot, fewer)


def test_verify_refuses_an_experiment_that_does_not_learn():
    state = started(experiment())
    snapshot = learned(state, store_with(log()).entries())[-1]
    with pytest.raises(SnapshotRefused, match="does not learn"):
        verify(snapshot, replace(state.experiment, policy=FixedSpec()))


@POLICIES
def test_a_blob_that_is_rehashed_after_damage_does_not_verify(kind):
    """The probe catches what the hash cannot: a snapshot whose content was replaced together with its name."""
    state = started(experiment(kind))
    first, *_, last = learned(state, store_with(log()).entries())
    with pytest.raises(SnapshotRefused, match="does not answer"):
        verify(replace(last, blob=first.blob, hash=first.hash), state.experiment)


@POLICIES
def test_how_rewards_are_cut_into_calls_changes_no_byte(kind):
    defined = started(experiment(kind)).experiment
    at_once = next_snapshot(defined, 1, None, rewards(12))
    growth = Growth(defined, None)
    for first, n in ((0, 1), (1, 5), (6, 6)):
        growth.learn(rewards(n, first))
    assert growth.snapshot(1) == at_once


def test_a_row_that_nobody_can_learn_from_is_passed_over(caplog):
    defined = started(experiment()).experiment
    good = rewards(6)
    impossible = replace(good[3], value=7.0)
    assert Growth(defined, None).learn([]) is None
    with_it = next_snapshot(defined, 1, None, [*good[:3], impossible, *good[4:]])
    without = next_snapshot(defined, 1, None, [*good[:3], *good[4:]])
    assert with_it.blob == without.blob
    assert (with_it.n_rewards, without.n_rewards) == (6, 5)
    assert good[3].assignment.assignment_id in caplog.text


def test_a_probe_asks_about_the_candidates_of_a_row():
    offer = replace(
        experiment("contextual"),
        candidates=(ContextField("price", FieldType.NUMBER), ContextField("topic", FieldType.TEXT)),
    )
    brought = tuple(Candidate(f"offer {n}", {"price": float(n), "topic": "news"}) for n in range(30))
    names = tuple(candidate.name for candidate in brought)
    weights = (ONE // 30,) * 29 + (ONE - 29 * (ONE // 30),)
    rows = [
        replace(visit(n), variant=names[n % 30], eligible=names, distribution=weights, candidates=brought)
        for n in range(60)
    ]
    cheap_ones_sell = [Reward(row, float(n % 30 < 10), at(n + 5), 1) for n, row in enumerate(rows)]
    snapshot = next_snapshot(offer, 1, None, cheap_ones_sell)
    probe = snapshot.probes[0]
    assert (probe.candidates, probe.eligible) == (brought[:20], names[:20])
    variants = [Variant(candidate.name, features=candidate.features) for candidate in probe.candidates]
    policy = verify(snapshot, offer)
    assert policy.distribution(probe.context, variants) == pytest.approx(probe.probabilities, abs=1e-9)
    wrong = replace(probe, candidates=brought[10:30], eligible=names[10:30])
    with pytest.raises(SnapshotRefused, match="does not answer"):
        verify(replace(snapshot, probes=(wrong,)), offer)


@POLICIES
def test_what_means_the_same_after_an_edit(kind):
    before = started(experiment(kind)).experiment
    spec = before.policy
    same = [
        replace(before, seed="another"),
        replace(before, policy=replace(spec, floor=0.1, control_share=0.2, publish_every=3)),
        replace(before, policy=replace(spec, prior=SegmentsSpec(otherwise={"quiet": 1.0}))),
    ]
    other = [
        replace(before, variants=before.variants[:2]),
        replace(before, reward_default=0.5),
        replace(before, policy=FixedSpec()),
        replace(before, policy=SPECS["thompson" if kind == "contextual" else "contextual"]),
    ]
    if kind == "contextual":
        other += [replace(before, policy=replace(spec, gamma=3.0)), replace(before, context=before.context[:1])]
    assert all(learns_alike(before, after) for after in same)
    assert not any(learns_alike(before, after) for after in other)
