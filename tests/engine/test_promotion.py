"""The rules by which a changed definition is proposed, promoted and withdrawn."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.definition import define
from engine.errors import InvalidExperiment, InvalidRequest, InvalidTransition, SnapshotRefused, StaleEtag
from engine.experiments import Brief, ContextField, Experiment, ExperimentState, FieldType, Status, Variant
from engine.freezing import frozen
from engine.funnel import Funnel
from engine.lifecycle import Author, update
from engine.promotion import MOST_EVIDENCE, Freezing, is_outdated, next_attempt, of_shadow, promote, propose, withdraw
from engine.proposals import Proposal, Standing
from engine.records import Snapshot
from engine.specs import ContextualSpec, FixedSpec, ThompsonSpec
from tests.engine.house import NOW, experiment
from tests.engine.learning_house import at, log, started, store_with
from tests.engine.learning_house import experiment as learning

AUTHOR = Author("kim", "phones want less", NOW)
HERO = experiment()
CHANGED = experiment(policy=FixedSpec({"plain": 0.2, "bold": 0.3, "quiet": 0.5}))
SIGNED = r"signed|for a reason"
EVIDENCE = json.dumps({"policy": "changed"})


def state(status: Status = Status.RUNNING, **fields: object) -> ExperimentState:
    return replace(ExperimentState(HERO, status, 3, 2, "7"), **fields)


def freezing(changed: Experiment = CHANGED, learned: Snapshot | None = None, attempt: int = 1) -> Freezing:
    return Freezing(changed, learned, "n1", last_seq=90, attempt=attempt)


def proposed(changed: Experiment = CHANGED, before: ExperimentState | None = None) -> tuple[Proposal, ExperimentState]:
    proposal, after, _ = propose(before or state(), freezing(changed), "", AUTHOR)
    return proposal, after


@pytest.mark.parametrize("status", [Status.RUNNING, Status.PAUSED])
def test_a_proposal_is_frozen_with_what_it_is_judged_by_and_changes_nothing_that_serves(status: Status) -> None:
    proposal, after, change = propose(state(status), freezing(attempt=4), "7", AUTHOR)
    assert proposal == Proposal(CHANGED, 4, 3, NOW, "n1", 90, "kim", "phones want less")
    assert after == state(status, etag="8")
    assert (change.action, change.fields, change.reason) == ("propose", ("attempt 4", "policy"), "phones want less")
    assert (change.revision, change.epoch) == (3, 2)


@pytest.mark.parametrize("status", [Status.DRAFT, Status.CONCLUDED, Status.ARCHIVED])
def test_a_change_is_proposed_for_what_runs(status: Status) -> None:
    with pytest.raises(InvalidTransition, match="a change is proposed for what runs"):
        proposed(before=state(status))


def test_what_no_update_allows_is_not_proposed() -> None:
    with pytest.raises(InvalidExperiment, match="sum to"):
        proposed(replace(HERO, policy=FixedSpec({"plain": 0.2, "bold": 0.3, "quiet": 0.4})))
    with pytest.raises(InvalidRequest, match="nothing changes"):
        proposed(HERO)
    with pytest.raises(InvalidRequest, match="brief of 'hero' change nothing that is served: use `armlift apply`"):
        proposed(replace(HERO, brief=Brief("phones want less")))
    blank = tuple(replace(each, is_blank=each.name == "plain") for each in HERO.variants)
    with pytest.raises(InvalidRequest, match="variants of 'hero' change nothing that is served"):
        proposed(replace(HERO, variants=blank))
    with pytest.raises(StaleEtag):
        propose(state(), freezing(), "6", AUTHOR)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"variants": (*HERO.variants, Variant("loud"))}, "the variant 'loud'"),
        ({"variants": (*HERO.variants[:2], Variant("quiet", '{"size": 2}'))}, "the new payload of 'quiet'"),
        ({"policy": ContextualSpec(), "candidates": ()}, "what requests would bring along"),
        ({"slots": 2}, "slot 2"),
    ],
)
def test_what_nobody_was_shown_is_no_proposal(changed: dict[str, object], what: str) -> None:
    with pytest.raises(InvalidRequest, match=f"nothing in the log says what {what} earns: test it as an A/B test"):
        proposed(experiment(**changed))


@pytest.mark.parametrize(
    "who", [{"funnel": Funnel(traffic=0.5)}, {"unit": "session"}, {"funnel": Funnel(audience={"country": "PL"})}]
)
def test_who_is_in_is_no_part_of_a_proposal(who: dict[str, object]) -> None:
    seen = replace(HERO, context=(ContextField("country", FieldType.TEXT),))
    with pytest.raises(InvalidRequest, match=r"knows those alone who are in: change `\w+` by `armlift apply`"):
        proposed(replace(seen, policy=CHANGED.policy, **who), state(experiment=seen))


def test_a_killed_variant_is_not_brought_back_by_evidence_that_cannot_be_there() -> None:
    killed = replace(HERO, policy=ThompsonSpec(), killed=("quiet",))
    back = replace(killed, killed=())
    with pytest.raises(InvalidRequest, match="the variant 'quiet'"):
        proposed(back, state(experiment=killed))
    fewer = replace(HERO, killed=("quiet",))
    assert proposed(fewer)[0].experiment.killed == ("quiet",)


def test_each_promotion_begins_an_epoch_also_where_an_update_begins_none() -> None:
    learns = define(replace(HERO, policy=ThompsonSpec()))
    before = state(experiment=learns, snapshot="ab" * 32)
    fewer = replace(learns, killed=("quiet",))
    assert update(before, fewer, before.etag, AUTHOR)[0].epoch == before.epoch
    waiting = Proposal(fewer, 1, before.revision, NOW, "n1", 90, "kim", "less")
    settled, after, change = promote(before, waiting, EVIDENCE, "", AUTHOR)
    assert after.epoch == change.epoch == settled.settlement.epoch == before.epoch + 1
    assert after.snapshot == before.snapshot


def test_a_shadow_is_proposed_with_the_control_share_of_what_serves() -> None:
    shadowed = replace(learning(), policy=ThompsonSpec(control_share=0.1), shadow=ThompsonSpec(prior_beta=9.0))
    assert of_shadow(shadowed) == replace(shadowed, policy=ThompsonSpec(prior_beta=9.0, control_share=0.1), shadow=None)
    assert of_shadow(replace(HERO, shadow=CHANGED.policy)) == CHANGED
    with pytest.raises(InvalidRequest, match="'hero' has no shadow"):
        of_shadow(HERO)


def test_a_field_that_no_draw_came_with_is_declared_first() -> None:
    seen = (*HERO.context, ContextField("device", FieldType.TEXT))
    learned = replace(learning(), experiment_id="hero", context=seen, variants=HERO.variants)
    with pytest.raises(InvalidRequest, match="the log has no field 'device' for its policy to see: declare it first"):
        proposed(learned)
    assert proposed(replace(CHANGED, context=seen))[0].experiment.context == seen, "a fixed policy sees none"


@pytest.mark.parametrize("author", [replace(AUTHOR, actor=" "), replace(AUTHOR, reason=" ")])
def test_each_step_is_signed_and_has_a_reason(author: Author) -> None:
    proposal, after = proposed()
    with pytest.raises(InvalidRequest, match=SIGNED):
        propose(state(), freezing(), "", author)
    with pytest.raises(InvalidRequest, match=SIGNED):
        promote(after, proposal, EVIDENCE, "", author)
    with pytest.raises(InvalidRequest, match=SIGNED):
        withdraw(after, proposal, "", author)


# --- what a policy that learns is frozen with ------------------------------------------------------------------------


LEARNS = learning()
SHY = replace(LEARNS, policy=ThompsonSpec(prior_beta=9.0, publish_every=7))


def frozen_state(changed: Experiment = SHY) -> tuple[ExperimentState, Snapshot]:
    running = started(LEARNS)
    learned = frozen(store_with(log(), running), running, changed)
    assert learned is not None
    return running, learned


def of_log(changed: Experiment, learned: Snapshot) -> Freezing:
    """What is frozen on the log that taught it."""
    return Freezing(changed, learned, learned.watermark[1], last_seq=1000, attempt=1)


def test_a_policy_that_learns_is_frozen_with_what_the_log_teaches_and_no_other_is() -> None:
    running, learned = frozen_state()
    of = of_log(SHY, learned)
    assert propose(running, of, "", AUTHOR)[0].snapshot == learned.hash
    with pytest.raises(InvalidRequest, match="send what it has learned"):
        propose(running, replace(of, learned=None), "", AUTHOR)
    with pytest.raises(InvalidRequest, match="which learns nothing: send nothing learned"):
        propose(state(), freezing(learned=learned), "", AUTHOR)
    with pytest.raises(InvalidRequest, match="this knows nothing"):
        propose(running, replace(of, learned=replace(learned, n_rewards=0)), "", AUTHOR)
    with pytest.raises(InvalidRequest, match=f"learned from row {learned.watermark[2]}, and the log ends at 3"):
        propose(running, replace(of, last_seq=3), "", AUTHOR)
    with pytest.raises(InvalidRequest, match="is of another log: name the server's own store by --log"):
        propose(running, replace(of, node_id="n2"), "", AUTHOR)


def test_what_was_learned_for_another_definition_is_refused() -> None:
    running, learned = frozen_state()
    bolder = replace(LEARNS, policy=ThompsonSpec(prior_alpha=9.0, publish_every=7))
    with pytest.raises(SnapshotRefused, match="configured differently"):
        propose(running, of_log(bolder, learned), "", AUTHOR)
    damaged = replace(learned, blob=learned.blob + b" ")
    with pytest.raises(SnapshotRefused, match="not what its name says"):
        propose(running, of_log(SHY, damaged), "", AUTHOR)


def test_what_is_frozen_is_what_a_learner_of_the_definition_would_know() -> None:
    running = started(LEARNS)
    entries = log()
    learned = frozen(store_with(entries, running), running, SHY)
    assert learned is not None
    ripe = [row for row in entries if getattr(row, "variant", "") and row.assigned_at + timedelta(minutes=5) <= at(59)]
    assert learned.n_rewards == len(ripe)
    assert 0 < learned.watermark[2] <= len(entries)
    assert frozen(store_with([], running), running, SHY) is None


# --- promotion and withdrawal ----------------------------------------------------------------------------------------


def test_a_promotion_is_an_update_that_names_its_evidence() -> None:
    proposal, after = proposed()
    settled, promoted, change = promote(after, proposal, EVIDENCE, "8", AUTHOR)
    plain, updated = update(after, CHANGED, "8", AUTHOR)
    assert promoted == plain
    assert (promoted.revision, promoted.epoch, promoted.etag) == (4, 3, "9")
    assert settled.standing is Standing.PROMOTED
    named = settled.settlement.evidence
    assert len(named) == 64
    assert change == replace(
        updated, action="promote", reason=f"attempt 1, by the evidence in report {named[:12]}: phones want less"
    )
    assert (settled.settlement.revision, settled.settlement.epoch) == (4, 3)
    assert replace(settled, standing=Standing.WAITING, settlement=None) == proposal


def test_a_forced_promotion_is_marked_as_such() -> None:
    proposal, after = proposed()
    settled, _, change = promote(after, proposal, "", "", AUTHOR, forced=True)
    assert (settled.standing, settled.settlement.evidence) == (Standing.FORCED, "")
    assert change.reason == "attempt 1, forced, without evidence: phones want less"


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ("", "needs evidence"),
        ("it is better", "JSON object"),
        ("[]", "JSON object"),
        ("[" * 100_000, "JSON object"),
        (json.dumps({"a": "b" * MOST_EVIDENCE}), "at most 2 MB"),
    ],
)
def test_without_evidence_nothing_is_promoted(evidence: str, words: str) -> None:
    proposal, after = proposed()
    with pytest.raises(InvalidRequest, match=words):
        promote(after, proposal, evidence, "", AUTHOR)
    with pytest.raises(InvalidRequest, match="one of the two"):
        promote(after, proposal, EVIDENCE, "", AUTHOR, forced=True)


def test_nothing_becomes_of_a_proposal_twice() -> None:
    proposal, after = proposed()
    promoted, later, _ = promote(after, proposal, EVIDENCE, "", AUTHOR)
    withdrawn, _, change = withdraw(after, proposal, "", AUTHOR)
    assert (change.action, change.fields, change.revision) == ("withdraw", ("attempt 1",), 3)
    for settled, word in ((promoted, "promoted"), (withdrawn, "withdrawn")):
        with pytest.raises(InvalidTransition, match=f"is {word} by kim: it waits no longer"):
            promote(later, settled, EVIDENCE, "", AUTHOR)
        with pytest.raises(InvalidTransition, match=f"is {word} by kim: it waits no longer"):
            withdraw(later, settled, "", AUTHOR)


def test_an_experiment_that_was_changed_since_needs_another_proposal() -> None:
    proposal, after = proposed()
    changed, _ = update(after, replace(HERO, seed="new"), after.etag, AUTHOR)
    assert [is_outdated(each, proposal) for each in (after, changed)] == [False, True]
    for forced in (False, True):
        with pytest.raises(InvalidTransition, match="changes revision 3, and 4 is there by now: propose it again"):
            promote(changed, proposal, "" if forced else EVIDENCE, "", AUTHOR, forced=forced)
    assert withdraw(changed, proposal, "", AUTHOR)[0].standing is Standing.WITHDRAWN


def test_a_promoted_policy_begins_with_what_it_was_frozen_with_unless_what_serves_means_the_same() -> None:
    running, learned = frozen_state()
    proposal, after, _ = propose(replace(running, snapshot="ab" * 32), of_log(SHY, learned), "", AUTHOR)
    assert promote(after, proposal, EVIDENCE, "", AUTHOR)[1].snapshot == learned.hash
    alike = replace(LEARNS, seed="other")
    running, learned = frozen_state(alike)
    proposal, after, _ = propose(replace(running, snapshot="ab" * 32), of_log(alike, learned), "", AUTHOR)
    assert promote(after, proposal, EVIDENCE, "", AUTHOR)[1].snapshot == "ab" * 32


def test_attempts_count_on() -> None:
    first, _ = proposed()
    assert next_attempt([]) == 1
    assert next_attempt([first, replace(first, attempt=5, standing=Standing.WITHDRAWN)]) == 6
