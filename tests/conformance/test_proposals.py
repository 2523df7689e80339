"""What every store promises of proposals (the fixtures are in conftest.py)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.definition import define
from engine.errors import StaleEtag
from engine.experiments import Experiment, ExperimentState, Status, Variant
from engine.lifecycle import Author, create, signed, transition, update
from engine.metrics import Metric
from engine.proposals import Filed, Proposal, Settlement, Standing
from engine.records import Probe, Snapshot
from engine.specs import FixedSpec, ThompsonSpec

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
AUTHOR = Author("kim", "a test", NOON)
LEARNED = Snapshot(
    hash="ab" * 32,
    experiment_id="hero",
    epoch=1,
    policy="thompson",
    blob=b"state",
    parent="",
    watermark=(NOON, "n1", 7),
    n_rewards=3,
    library="numpy 2",
    arguments=("x", "y"),
    schema="s1",
    probes=(),
    n_warm=4,
    fold_from=5,
)
SETTLEMENT = Settlement(NOON, "ann", "it earns more, né", 2, 2, "cd" * 32)


def experiment(experiment_id: str = "hero", policy: FixedSpec | ThompsonSpec | None = None) -> Experiment:
    variants = Variant("plain"), Variant("bold", '{"headline": "Now"}')
    return define(Experiment(experiment_id, variants, (Metric("click"),), policy=policy or FixedSpec()))


def running(both, experiment_id: str = "hero") -> ExperimentState:
    draft, created = create(experiment(experiment_id), AUTHOR)
    both.store.save(draft, created, "")
    state, change = transition(draft, Status.RUNNING, "", AUTHOR)
    both.store.save(state, change, draft.etag)
    return state


def proposal(attempt: int = 1, experiment_id: str = "hero", **fields: object) -> Proposal:
    changed = experiment(experiment_id, FixedSpec({"plain": 0.2, "bold": 0.8}))
    return replace(Proposal(changed, attempt, 1, NOON, "n1", 9, "kim", "phones want less"), **fields)


def kept(both, state: ExperimentState, filed: Filed, action: str = "propose") -> ExperimentState:
    after, change = signed(state, "", AUTHOR, action, ())
    both.store.save(after, change, state.etag, filed=filed)
    return after


def test_proposals_are_kept_by_attempt_with_a_step_in_the_history(both) -> None:
    hero, other = running(both), running(both, "other")
    kept(both, other, Filed(proposal(experiment_id="other")))
    for attempt in (1, 2):
        hero = kept(both, hero, Filed(proposal(attempt)))
    assert both.reader.proposals("hero") == [proposal(1), proposal(2)]
    assert both.reader.proposals("other") == [proposal(experiment_id="other")]
    assert both.reader.proposals("nowhere") == []
    assert [change.action for change in both.reader.history("hero")][2:] == ["propose", "propose"]
    assert both.reader.state("hero") == hero


def test_what_a_policy_knew_is_found_by_its_hash(both) -> None:
    state = running(both)
    probed = replace(LEARNED, probes=(Probe({}, ("plain", "bold"), (0.5, 0.5)),), parent="ef" * 32)
    kept(both, state, Filed(proposal(snapshot=LEARNED.hash), probed))
    assert both.reader.frozen("hero", LEARNED.hash) == LEARNED
    assert (both.reader.frozen("hero", "ef" * 32), both.reader.frozen("other", LEARNED.hash)) == (None, None)
    assert both.reader.frozen("hero", "") is None


def test_the_latest_of_two_attempts_that_knew_the_same_is_found(both) -> None:
    state = running(both)
    for attempt in (1, 2):
        state = kept(both, state, Filed(proposal(attempt), replace(LEARNED, fold_from=attempt)))
    assert both.reader.frozen("hero", LEARNED.hash).fold_from == 2


@pytest.mark.parametrize("standing", [Standing.PROMOTED, Standing.FORCED, Standing.WITHDRAWN])
def test_what_became_of_a_proposal_is_kept_and_nothing_else_of_it_changes(both, standing: Standing) -> None:
    state = kept(both, running(both), Filed(proposal()))
    evidence = '{"policy": "né"}' if standing is Standing.PROMOTED else ""
    settlement = SETTLEMENT if evidence else replace(SETTLEMENT, evidence="")
    elsewhere = proposal(frozen_seq=1, reason="other", experiment=experiment(), standing=standing)
    kept(both, state, Filed(replace(elsewhere, settlement=settlement), evidence=evidence))
    assert both.reader.proposals("hero") == [proposal(standing=standing, settlement=settlement)]
    assert both.reader.evidence("hero", SETTLEMENT.evidence) == evidence
    assert both.reader.evidence("other", SETTLEMENT.evidence) == ""


def test_what_is_frozen_is_never_written_again(both) -> None:
    state = kept(both, running(both), Filed(proposal(), LEARNED))
    before = both.reader.history("hero")
    for filed in (
        Filed(proposal(reason="better")),
        Filed(proposal(2, standing=Standing.FORCED, settlement=SETTLEMENT)),
    ):
        with pytest.raises(StaleEtag, match=r"there already|does not wait"):
            kept(both, state, filed)
    assert both.reader.proposals("hero") == [proposal()]
    assert both.reader.frozen("hero", LEARNED.hash) == LEARNED
    assert (both.reader.state("hero"), both.reader.history("hero")) == (state, before)


def test_a_proposal_is_settled_once(both) -> None:
    state = kept(both, running(both), Filed(proposal()))
    forced = proposal(standing=Standing.FORCED, settlement=replace(SETTLEMENT, evidence=""))
    state = kept(both, state, Filed(forced), "promote")
    with pytest.raises(StaleEtag, match="does not wait"):
        kept(both, state, Filed(proposal(standing=Standing.PROMOTED, settlement=SETTLEMENT), evidence="{}"))
    assert both.reader.proposals("hero") == [forced]
    assert both.reader.evidence("hero", SETTLEMENT.evidence) == ""


def test_with_a_stale_etag_nothing_of_a_proposal_is_kept(both) -> None:
    state, other = running(both), running(both, "other")
    promoted = update(state, proposal().experiment, state.etag, AUTHOR)
    too_late = signed(replace(other, etag="7"), "", AUTHOR, "prerequisite", ())
    with pytest.raises(StaleEtag):
        both.store.save(*promoted, "9", filed=Filed(proposal(), LEARNED))
    with pytest.raises(StaleEtag):
        both.store.save(*promoted, state.etag, [too_late], Filed(proposal(), LEARNED))
    assert (both.reader.proposals("hero"), both.reader.frozen("hero", LEARNED.hash)) == ([], None)
    assert both.reader.states() == [state, other]


def test_proposals_are_there_after_reopening(both) -> None:
    if both.reopen is None:
        pytest.skip("what is in memory ends with its process")
    state = kept(both, running(both), Filed(proposal(), LEARNED))
    settled = proposal(standing=Standing.PROMOTED, settlement=SETTLEMENT)
    kept(both, state, Filed(settled, evidence="{}"), "promote")
    both.reopen()
    assert both.reader.proposals("hero") == [settled]
    assert both.reader.frozen("hero", LEARNED.hash) == LEARNED
    assert both.reader.evidence("hero", SETTLEMENT.evidence) == "{}"


def test_a_proposal_that_was_handed_in_can_be_changed_without_harm(both) -> None:
    weights = {"plain": 0.2, "bold": 0.8}
    changed = experiment(policy=FixedSpec(weights))
    kept(both, running(both), Filed(proposal(experiment=changed)))
    weights["plain"] = 0.9
    both.reader.proposals("hero")[0].experiment.policy.weights["bold"] = 0.1
    assert both.reader.proposals("hero")[0].experiment.policy.weights == {"plain": 0.2, "bold": 0.8}
