"""Proposals through the service: frozen, promoted once, forced, withdrawn, and what a promoted policy begins with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest
from armlift.v1 import promotion_pb2 as contract
from armlift.v1.learning_pb2 import PublishSnapshotRequest
from armlift.v1.learning_pb2_grpc import LearningServiceStub
from armlift.v1.promotion_pb2_grpc import PromotionServiceStub

from engine import errors
from engine.clock import RequestClock
from engine.definition import define
from engine.experiments import Experiment, Status, Variant
from engine.explanation import Verdict
from engine.freezing import frozen
from engine.funnel import Funnel
from engine.learning import LearnerPool
from engine.proposals import Proposal, Standing
from engine.recompute import Recomputer
from engine.records import Assignment, Snapshot
from engine.service.definitions import from_experiment
from engine.service.proposals import from_frozen, from_proposal, to_proposal
from engine.service.snapshots import from_learned
from engine.service.status import hearing
from engine.specs import FixedSpec, ThompsonSpec
from engine.storage import find_snapshot_in, open_reader, open_snapshots

EVIDENCE = json.dumps({"policy": "attempt 1", "verdict": "evaluable"})
BOLDER = FixedSpec({"plain": 0.1, "bold": 0.8, "loud": 0.1})
LEARNS = ThompsonSpec(publish_every=10, publish_after=timedelta(0))
SHY = ThompsonSpec(prior_beta=5.0, publish_every=10, publish_after=timedelta(0))


@pytest.fixture
def bolder(hero: Experiment) -> Experiment:
    return replace(hero, policy=BOLDER)


@pytest.fixture
def stub(service: Any) -> Iterator[Any]:
    with grpc.insecure_channel(service.address) as channel:
        yield PromotionServiceStub(channel)


def propose(service: Any, changed: Experiment, reason: str = "more of it") -> Proposal:
    return service.management.promotions.propose(changed, None, "", reason)


def promote(service: Any, attempt: int = 1, **fields: Any) -> Any:
    given = {"evidence": EVIDENCE, "reason": "it earns more"} | fields
    return service.management.promotions.promote("hero", attempt, **given)


def node(service: Any) -> str:
    with closing(open_reader(service.directory)) as reader:
        return reader.node_id


def actions(service: Any, name: str = "hero") -> list[tuple[str, str]]:
    return [(change.action, change.reason) for change in service.management.history(name)][2:]


def test_what_is_proposed_is_frozen_and_serves_nobody(service: Any, bolder: Experiment, at: datetime) -> None:
    for number in range(3):
        service.client.assign("hero", unit=f"u{number}", at=at)
    before = service.management.get("hero")
    proposal = propose(service, bolder)
    assert proposal == Proposal(define(bolder), 1, 1, at, node(service), 3, "tests", "more of it")
    after = service.management.get("hero")
    assert after == replace(before, etag="3")
    assert list(service.management.promotions.all("hero")) == [proposal]
    assert service.management.promotions.get("hero", 1) == (proposal, "")
    with closing(open_reader(service.directory)) as reader:
        assert reader.proposals("hero") == [proposal]
    assert actions(service) == [("propose", "more of it")]


def test_a_promotion_is_the_next_revision_and_keeps_the_report_that_decided(
    service: Any, bolder: Experiment, at: datetime
) -> None:
    proposal = propose(service, bolder)
    settled, state = promote(service)
    assert (state.experiment, state.revision, state.epoch) == (proposal.experiment, 2, 2)
    assert state == service.management.get("hero")
    assert settled.standing is Standing.PROMOTED
    assert (settled.settlement.actor, settled.settlement.epoch) == ("tests", 2)
    assert service.management.promotions.get("hero", 1) == (settled, EVIDENCE)
    named = f"attempt 1, by the evidence in report {settled.settlement.evidence[:12]}: it earns more"
    assert actions(service)[1:] == [("promote", named)]
    assert service.client.assign("hero", unit="u1", at=at).epoch == 2


def test_a_promotion_moves_those_who_require_it(service: Any, hero: Experiment, bolder: Experiment) -> None:
    requires = Funnel(prerequisites={"hero": ("bold",)})
    service.start(replace(hero, experiment_id="after", funnel=requires))
    propose(service, bolder)
    assert service.management.get("after").epoch == 1
    promote(service)
    assert service.management.get("after").epoch == 2
    assert actions(service, "after")[0][0] == "prerequisite"


def test_nothing_is_promoted_twice_or_after_it_was_withdrawn(
    service: Any, bolder: Experiment, hero: Experiment
) -> None:
    propose(service, bolder)
    promote(service)
    with pytest.raises(errors.InvalidTransition, match="is promoted by tests: it waits no longer"):
        promote(service)
    propose(service, hero, "back again")
    assert service.management.promotions.withdraw("hero", 2, "a mistake").standing is Standing.WITHDRAWN
    with pytest.raises(errors.InvalidTransition, match="is withdrawn by tests"):
        promote(service, 2, evidence="", forced=True)
    assert service.management.get("hero").revision == 2
    assert propose(service, hero, "once more").attempt == 3, "a number never comes twice"
    assert [action for action, _ in actions(service)] == ["propose", "promote", "propose", "withdraw", "propose"]


def test_what_was_proposed_for_another_revision_is_proposed_again(
    service: Any, bolder: Experiment, hero: Experiment
) -> None:
    for changed in (bolder, replace(hero, policy=FixedSpec({"plain": 0.2, "bold": 0.7, "loud": 0.1}))):
        propose(service, changed)
    promote(service)
    for fields in ({}, {"evidence": "", "forced": True}):
        with pytest.raises(errors.InvalidTransition, match="changes revision 1, and 2 is there by now"):
            promote(service, 2, **fields)
    assert service.management.promotions.get("hero", 2)[0].standing is Standing.WAITING


def test_what_is_forced_is_marked_and_has_no_report(service: Any, bolder: Experiment) -> None:
    propose(service, bolder)
    with pytest.raises(errors.InvalidRequest, match="needs evidence"):
        promote(service, evidence="")
    settled, _ = promote(service, evidence="", forced=True, reason="today")
    assert settled.standing is Standing.FORCED
    assert service.management.promotions.get("hero", 1) == (settled, "")
    assert actions(service)[-1] == ("promote", "attempt 1, forced, without evidence: today")


def test_what_the_log_cannot_speak_about_is_refused(service: Any, hero: Experiment, bolder: Experiment) -> None:
    with pytest.raises(errors.InvalidRequest, match="test it as an A/B test"):
        propose(service, replace(hero, variants=(*hero.variants, Variant("new"))))
    with pytest.raises(errors.UnknownExperiment):
        propose(service, replace(bolder, experiment_id="nowhere"))
    with pytest.raises(errors.InvalidRequest, match="for a reason"):
        propose(service, bolder, " ")
    with pytest.raises(errors.StaleEtag):
        service.management.promotions.propose(bolder, None, "9", "more of it")
    for act in (
        lambda: list(service.management.promotions.all("nowhere")),
        lambda: service.management.promotions.get("nowhere", 1),
        lambda: service.management.promotions.withdraw("nowhere", 1, "x"),
    ):
        with pytest.raises(errors.UnknownExperiment):
            act()
    with pytest.raises(errors.UnknownProposal, match="has no attempt 1: see `armlift policy proposals hero`"):
        promote(service)
    assert actions(service) == []


def test_a_proposal_of_an_experiment_that_is_over_is_not_promoted(service: Any, bolder: Experiment) -> None:
    propose(service, bolder)
    service.management.move("hero", Status.CONCLUDED, "over")
    with pytest.raises(errors.InvalidTransition, match="concluded: nothing becomes its next revision any more"):
        promote(service)


def test_what_was_learned_from_the_log_of_another_server_is_refused(
    tmp_path: Any, serve: Callable[..., Any], hero: Experiment, taught: Snapshot
) -> None:
    """The learner would go on from a row of that other log."""
    with serve(tmp_path / "other", RequestClock()) as other:
        other.start(replace(hero, policy=LEARNS))
        with pytest.raises(errors.InvalidRequest, match="is of another log: name the server's own store by --log"):
            other.management.promotions.propose(replace(hero, policy=SHY), taught, "", "shyer")


def test_many_who_propose_at_once_have_an_attempt_each_and_one_promotes(service: Any, hero: Experiment) -> None:
    def proposed(number: int) -> int:
        return propose(service, replace(hero, seed=f"seed {number}")).attempt

    def promoted(attempt: int) -> bool:
        try:
            promote(service, attempt)
        except errors.InvalidTransition:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(proposed, range(8))) == [*range(1, 9)]
        assert sum(pool.map(promoted, range(1, 9))) == 1
        assert sum(pool.map(promoted, [3] * 4)) == 0
    assert service.management.get("hero").revision == 2
    standings = [each.standing for each in service.management.promotions.all("hero")]
    assert standings.count(Standing.PROMOTED) == 1


def test_proposals_come_a_page_at_a_time(service: Any, hero: Experiment, stub: Any) -> None:
    for number in range(3):
        propose(service, replace(hero, seed=f"seed {number}"))
    first = stub.ListProposals(contract.ListProposalsRequest(experiment_id="hero", page_size=2))
    assert [each.attempt for each in first.proposals] == [1, 2]
    request = contract.ListProposalsRequest(experiment_id="hero", page_size=2, page_token=first.next_page_token)
    rest = stub.ListProposals(request)
    assert ([each.attempt for each in rest.proposals], rest.next_page_token) == ([3], "")


def test_a_proposal_is_there_after_a_restart(
    tmp_path: Any, serve: Callable[..., Any], hero: Experiment, bolder: Experiment
) -> None:
    with serve(tmp_path / "store", RequestClock()) as service:
        service.start(hero)
        proposal = propose(service, bolder)
    with serve(tmp_path / "store", RequestClock()) as service:
        assert list(service.management.promotions.all("hero")) == [proposal]
        settled, state = promote(service)
    with serve(tmp_path / "store", RequestClock()) as service:
        assert service.management.promotions.get("hero", 1) == (settled, EVIDENCE)
        assert service.management.get("hero") == state


# --- a policy that learns --------------------------------------------------------------------------------------------


def visited(service: Any, at: datetime, n: int = 40) -> None:
    """Some units come, those with `bold` click, and one comes much later, so that all others have matured."""
    for number in range(n):
        answer = service.client.assign("hero", unit=f"u{number}", at=at)
        if answer.variant == "bold":
            service.client.record("click", answer=answer, at=at + timedelta(minutes=1))
    service.client.assign("hero", unit="late", at=at + timedelta(hours=3))


def learned(service: Any, changed: Experiment) -> Snapshot:
    with closing(open_reader(service.directory)) as reader:
        found = frozen(reader, reader.state("hero"), changed)
    assert found is not None
    return found


def learn(service: Any) -> list[Snapshot]:
    """Do what the learner's process does, once."""
    with (
        closing(open_reader(service.directory)) as reader,
        closing(open_snapshots(service.directory, write=True)) as snapshots,
        grpc.insecure_channel(service.address) as channel,
    ):
        pool = LearnerPool(reader, snapshots)
        made = pool.step()
        for each in made:
            named = {"experiment_id": "hero", "epoch": each.epoch, "snapshot": each.hash}
            LearningServiceStub(channel).PublishSnapshot(PublishSnapshotRequest(**named))
        pool.done()
    return made


@pytest.fixture
def taught(service: Any, hero: Experiment, at: datetime) -> Snapshot:
    """The experiment learns by now; what a shyer policy of it is frozen with."""
    service.management.apply(replace(hero, policy=LEARNS), "it is to learn")
    visited(service, at)
    learn(service)
    shy = replace(hero, policy=SHY)
    frozen_with = learned(service, shy)
    assert service.management.promotions.propose(shy, frozen_with, "", "shyer").snapshot == frozen_with.hash
    return frozen_with


def test_a_promoted_policy_serves_what_it_was_frozen_with_and_its_rows_recompute(
    service: Any, taught: Snapshot, at: datetime
) -> None:
    assert service.management.get("hero").snapshot != taught.hash
    _, state = promote(service)
    assert state.snapshot == taught.hash
    answer = service.client.assign("hero", unit="u1", at=at + timedelta(hours=4))
    assert answer.snapshot == taught.hash
    with closing(open_reader(service.directory)) as reader:
        rows = [row for row in reader.entries() if isinstance(row, Assignment) and row.snapshot == taught.hash]
        recomputer = Recomputer(reader, find_snapshot_in(service.directory))
        assert {recomputer.explain(row).verdict for row in rows} == {Verdict.REPRODUCED}
    (live,) = [each for each in service.management.snapshots("hero") if each.is_live]
    assert (live.hash, live.n_rewards) == (taught.hash, taught.n_rewards)


def test_the_learner_goes_on_from_what_was_frozen(service: Any, taught: Snapshot, at: datetime) -> None:
    promote(service)
    for number in range(20):
        service.client.assign("hero", unit=f"v{number}", at=at + timedelta(hours=4))
    service.client.assign("hero", unit="last", at=at + timedelta(hours=8))
    made = learn(service)
    assert made[0].parent == taught.hash
    assert [each.n_rewards for each in made] == [taught.n_rewards + 10, taught.n_rewards + 20]
    assert service.management.get("hero").snapshot == made[-1].hash
    assert service.management.pin("hero", taught.hash[:10], "back to where it was promoted").hash == taught.hash
    assert learn(service) == []


def test_what_was_learned_is_sent_for_a_policy_that_learns_and_for_no_other(
    service: Any, hero: Experiment, bolder: Experiment, taught: Snapshot
) -> None:
    with pytest.raises(errors.InvalidRequest, match="send what it has learned"):
        propose(service, replace(hero, policy=SHY))
    with pytest.raises(errors.InvalidRequest, match="send nothing learned"):
        service.management.promotions.propose(bolder, taught, "", "bolder")
    other = replace(hero, policy=ThompsonSpec(prior_beta=6.0))
    with pytest.raises(errors.SnapshotRefused, match="configured differently"):
        service.management.promotions.propose(other, taught, "", "shyer still")
    with pytest.raises(errors.InvalidRequest, match=r"has 4\.2 MB, and 4 MB are the most"):
        service.management.promotions.propose(replace(hero, policy=SHY), replace(taught, blob=bytes(4_200_000)), "", "")
    assert [each.attempt for each in service.management.promotions.all("hero")] == [1]


def test_a_state_without_its_times_is_refused_in_words(hero: Experiment, taught: Snapshot, stub: Any) -> None:
    shy = from_experiment(replace(hero, policy=SHY))
    for state, words in (
        (contract.FrozenState(), "knows nothing"),
        (contract.FrozenState(learned=from_learned(taught), learned_seq=1, n_rewards=1), "of another log"),
    ):
        request = contract.ProposeChangeRequest(experiment=shy, state=state, actor="kim", reason="x")
        with pytest.raises(errors.InvalidRequest, match=words):
            _called(stub, request)


def _called(stub: Any, request: Any) -> None:
    with hearing():
        stub.ProposeChange(request)


def test_messages_carry_all_of_a_proposal(hero: Experiment, taught: Snapshot, service: Any) -> None:
    settled, _ = promote(service)
    for proposal in (settled, replace(settled, standing=Standing.WAITING, settlement=None)):
        assert to_proposal(from_proposal(proposal)) == proposal
    message = from_frozen(taught)
    assert (message.n_rewards, message.learned.n_lessons) == (taught.n_rewards, taught.n_rewards + taught.n_warm)
