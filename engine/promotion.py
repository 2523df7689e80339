"""How a changed definition is proposed, and becomes the experiment's next revision once its evidence is there.

A proposal is frozen before the draws that it is judged by: nobody can fit it to them. Attempts are numbered and no
number comes twice, because each one spends a part of what all of them together may be wrong by.

These rules hold what can be held without statistics, which the engine knows none of: that the proposal waits, that
the experiment is still what it was proposed for, and that evidence is there or is gone without for a stated reason.
They cannot say whether the evidence is right. `analysis.promoting` reads it off the log and asks for the promotion;
what it read is kept, so that anybody can look it up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

from engine import lifecycle
from engine.edits import HAS_UNITS, changed_fields, moves_units
from engine.errors import InvalidRequest, InvalidTransition
from engine.experiments import Change, ContextField, Experiment, ExperimentState, said
from engine.funnel import Funnel
from engine.learned import shown
from engine.lifecycle import Author
from engine.ports import Reader
from engine.proposals import Filed, Proposal, Settlement, Standing, found
from engine.randomness import content_hash
from engine.records import DrawKey, Snapshot
from engine.snapshots import verify
from engine.specs import LearningSpec

MOST_EVIDENCE = 2_000_000
"""The most bytes of a report that is kept with a promotion."""

_WHO = (*(field.name for field in fields(Funnel)), "requires_consent", "unit", "fallback_unit")
"""Fields that say who takes part: nobody knows what those bring who were never in."""


@dataclass(frozen=True, slots=True)
class Freezing:
    """What is to be frozen as which attempt: a changed definition, what its policy has learned, and the log's end.

    That is the row `last_seq` of `node_id`.
    """

    experiment: Experiment
    learned: Snapshot | None
    node_id: str
    last_seq: int
    attempt: int


def propose(
    state: ExperimentState, freezing: Freezing, etag: str, author: Author
) -> tuple[Proposal, ExperimentState, Change]:
    """Return a changed definition, frozen with what its policy has learned, and the experiment's state after that.

    Raises:
        InvalidRequest: nothing changes that is served, the log cannot speak about it, what was learned is missing, is
            too much or is of another log, or nobody signs for it or says why.
        InvalidExperiment: a rule is broken.
        InvalidTransition: the experiment is neither running nor paused.
        SnapshotRefused: what was learned is not for this definition.
        StaleEtag: somebody was faster.
    """
    check_reason(author.reason)
    name, status = state.experiment.experiment_id, state.status
    if status not in HAS_UNITS:
        raise InvalidTransition(f"{name!r} is {said(status)}: a change is proposed for what runs, so start it first")
    defined = lifecycle.update(state, freezing.experiment, etag or state.etag, author)[0].experiment
    _check_changed(state, defined)
    check_spoken_of(state.experiment, defined)
    _check_learned(defined, freezing)
    proposal = Proposal(
        experiment=defined,
        attempt=freezing.attempt,
        base_revision=state.revision,
        frozen_at=author.at,
        frozen_node=freezing.node_id,
        frozen_seq=freezing.last_seq,
        actor=author.actor,
        reason=author.reason,
        snapshot=freezing.learned.hash if freezing.learned else "",
    )
    fields = (f"attempt {freezing.attempt}", *changed_fields(state.experiment, defined))
    return proposal, *lifecycle.signed(state, etag, author, "propose", fields)


def promote(
    state: ExperimentState, proposal: Proposal, evidence: str, etag: str, author: Author, *, forced: bool = False
) -> tuple[Proposal, ExperimentState, Change]:
    """Return a promoted proposal, and the experiment's state with its definition: a new revision, as by any update.

    It begins an epoch whatever it changes, so that what comes of it can be told from what came before. Where all that
    was learned before means nothing under it, the policy begins with what the proposal was frozen with.

    Raises:
        InvalidRequest: evidence is missing or is none, or is there though it is forced; or nobody signs for it or says
            why.
        InvalidTransition: the proposal does not wait, the experiment was changed since, or it is over.
        StaleEtag: somebody was faster.
    """
    check_reason(author.reason)
    check_promotable(state, proposal)
    _check_evidence(evidence, forced=forced)
    after, change = lifecycle.update(state, proposal.experiment, etag or state.etag, author)
    after = replace(after, epoch=state.epoch + 1)
    if after.experiment.policy.learns and not after.snapshot:
        after = replace(after, snapshot=proposal.snapshot)
    standing = Standing.FORCED if forced else Standing.PROMOTED
    settled = _settled(proposal, standing, after, author, evidence)
    told = f"attempt {proposal.attempt}, {_by(settled)}: {author.reason}"
    return settled, after, replace(change, action="promote", epoch=after.epoch, reason=told)


def withdraw(
    state: ExperimentState, proposal: Proposal, etag: str, author: Author
) -> tuple[Proposal, ExperimentState, Change]:
    """Return a proposal that waits no longer, and the experiment's state after that; its number stays spent.

    Raises:
        InvalidRequest: nobody signs for it or says why.
        InvalidTransition: the proposal does not wait.
        StaleEtag: somebody was faster.
    """
    check_reason(author.reason)
    _check_waits(proposal)
    after, change = lifecycle.signed(state, etag, author, "withdraw", (f"attempt {proposal.attempt}",))
    return _settled(proposal, Standing.WITHDRAWN, after, author), after, change


def check_reason(reason: str) -> None:
    """Raise InvalidRequest where nothing is said."""
    if not reason.strip():
        raise InvalidRequest("a definition is proposed, promoted and withdrawn for a reason: say it in `reason`")


def check_promotable(state: ExperimentState, proposal: Proposal) -> None:
    """Raise InvalidTransition where a proposal waits no longer, or its experiment is not what it was proposed for."""
    _check_waits(proposal)
    name = proposal.experiment_id
    if state.status not in HAS_UNITS:
        raise InvalidTransition(f"{name!r} is {said(state.status)}: nothing becomes its next revision any more")
    if is_outdated(state, proposal):
        raise InvalidTransition(
            f"attempt {proposal.attempt} of {name!r} changes revision {proposal.base_revision}, and "
            f"{state.revision} is there by now: propose it again"
        )


def is_outdated(state: ExperimentState, proposal: Proposal) -> bool:
    """Return whether a proposal waits in vain: what it would change was changed since."""
    return proposal.settlement is None and state.revision != proposal.base_revision


def check_spoken_of(before: Experiment, proposed: Experiment) -> None:
    """Raise InvalidRequest where the log of one definition says nothing of what another one would serve, or to whom."""
    who = [name for name in changed_fields(before, proposed) if name in _WHO]
    if who:
        what = " and ".join(f"`{name}`" for name in who)
        raise InvalidRequest(f"the log knows those alone who are in: change {what} by `armlift apply`, by itself")
    unknown = list(_unheard_of(before, proposed))
    if unknown:
        raise InvalidRequest(f"nothing in the log says what {' or '.join(unknown)} earns: test it as an A/B test")
    missing = list(_unseen(before, proposed)) if proposed.policy.draw_key is DrawKey.ASSIGNMENT else []
    if missing:
        raise InvalidRequest(
            f"the log has no {' or '.join(missing)} for its policy to see: declare it first, and propose the change "
            "once draws came with it"
        )


def _unheard_of(before: Experiment, proposed: Experiment) -> Iterator[str]:
    """Yield the variants that nobody was shown: the name of one that has another payload is not the same variant."""
    served = {variant.name: variant.payload for variant in before.alive(before.variants)}
    for variant in proposed.alive(proposed.variants):
        if variant.name not in served:
            yield f"the variant {variant.name!r}"
        elif variant.payload != served[variant.name]:
            yield f"the new payload of {variant.name!r}"
    if proposed.candidates is not None and before.candidates is None:
        yield "what requests would bring along"
    if proposed.slots > before.slots:
        yield f"slot {before.slots + 1}"


def _unseen(before: Experiment, proposed: Experiment) -> Iterator[str]:
    """Yield the fields that a policy would be told, and that are not logged."""
    yield from _new_fields(before.context, proposed.context, "field")
    yield from _new_fields(before.candidates or (), proposed.candidates or (), "feature")


def _new_fields(before: Sequence[ContextField], after: Sequence[ContextField], word: str) -> Iterator[str]:
    declared = {(field.name, field.type) for field in before}
    return (f"{word} {field.name!r}" for field in after if (field.name, field.type) not in declared)


def _check_changed(state: ExperimentState, defined: Experiment) -> None:
    """Raise InvalidRequest where a definition would serve as the one that is there does: no draw could speak for it."""
    name, changed = defined.experiment_id, changed_fields(state.experiment, defined)
    if not changed:
        raise InvalidRequest(f"nothing changes: {name!r} is like this already")
    if "killed" not in changed and not moves_units(state, replace(state, experiment=defined)):
        raise InvalidRequest(f"{' and '.join(changed)} of {name!r} change nothing that is served: use `armlift apply`")


def _check_learned(experiment: Experiment, freezing: Freezing) -> None:
    name, kind, learned = experiment.experiment_id, experiment.policy.kind, freezing.learned
    if learned is None:
        if experiment.policy.learns:
            raise InvalidRequest(f"the proposed policy of {name!r} learns: send what it has learned, to be frozen")
        return
    if not experiment.policy.learns:
        raise InvalidRequest(f"the proposed policy of {name!r} is {kind}, which learns nothing: send nothing learned")
    if learned.n_rewards < 1 or not learned.blob:
        raise InvalidRequest("what is frozen has learned from at least one reward of the log: this knows nothing")
    _, node, seq = learned.watermark
    if node != freezing.node_id:
        raise InvalidRequest("what was learned is of another log: name the server's own store by --log")
    if seq > freezing.last_seq:
        raise InvalidRequest(f"it learned from row {seq}, and the log ends at {freezing.last_seq}")
    verify(learned, experiment)


def _check_waits(proposal: Proposal) -> None:
    if proposal.settlement is not None:
        raise InvalidTransition(
            f"attempt {proposal.attempt} of {proposal.experiment_id!r} is {proposal.standing.value} by "
            f"{proposal.settlement.actor}: it waits no longer"
        )


def _check_evidence(evidence: str, *, forced: bool) -> None:
    if forced and evidence:
        raise InvalidRequest("what is forced has no evidence: send one of the two")
    if forced:
        return
    if not evidence:
        raise InvalidRequest(
            "a promotion needs evidence: `armlift policy promote` brings it, or goes without by `--force`"
        )
    if len(evidence.encode()) > MOST_EVIDENCE:
        raise InvalidRequest(f"evidence has at most {MOST_EVIDENCE / 1e6:g} MB: send the evaluation alone")
    if not _is_report(evidence):
        raise InvalidRequest("evidence is the evaluation as a JSON object: this is none")


def _is_report(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _settled(
    proposal: Proposal, standing: Standing, after: ExperimentState, author: Author, evidence: str = ""
) -> Proposal:
    named = content_hash(evidence.encode()) if evidence else ""
    settlement = Settlement(author.at, author.actor, author.reason, after.revision, after.epoch, named)
    return replace(proposal, standing=standing, settlement=settlement)


def _by(settled: Proposal) -> str:
    assert settled.settlement is not None, "it was settled just now"
    evidence = settled.settlement.evidence
    return f"by the evidence in report {shown(evidence)}" if evidence else "forced, without evidence"


def of_shadow(experiment: Experiment) -> Experiment:
    """Return an experiment as it would be if its shadow served, with the control share of what serves now.

    Raises:
        InvalidRequest: it has no shadow.
    """
    shadowed = experiment.shadowed
    if shadowed is None:
        raise InvalidRequest(f"{experiment.experiment_id!r} has no shadow: propose a file, or give it a shadow first")
    policy = shadowed.policy
    if not isinstance(policy, LearningSpec):
        return shadowed
    return replace(shadowed, policy=replace(policy, control_share=experiment.policy.control_share))


def kept(reader: Reader, experiment_id: str, attempt: int) -> Filed:
    """Return an attempt of an experiment with the report that decided.

    Raises:
        UnknownProposal: there was no such attempt.
    """
    proposal = found(reader.proposals(experiment_id), experiment_id, attempt)
    named = proposal.settlement.evidence if proposal.settlement else ""
    return Filed(proposal, evidence=reader.evidence(experiment_id, named) if named else "")


def next_attempt(proposals: Iterable[Proposal]) -> int:
    """Return the number of an experiment's next attempt.

    >>> next_attempt([])
    1
    """
    return max((proposal.attempt for proposal in proposals), default=0) + 1
