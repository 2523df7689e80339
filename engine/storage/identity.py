"""When two entries are the same one, and when a change is on time: the rules that every store keeps."""

from __future__ import annotations

from typing import TypeAlias

from engine.errors import ExperimentExists, StaleEtag
from engine.experiments import ExperimentState
from engine.proposals import Proposal, Standing
from engine.records import Assignment, Entry, Erasure, Exposure, Kept, KeptStatus, Outcome

AssignmentKey: TypeAlias = tuple[str, int]
"""An assignment's id and slot."""

Refused: TypeAlias = dict[str, Kept]
"""What became of the first slots of one append that were in the log before, by assignment id."""

POPULATION = ""
"""What the population has in place of an experiment's id."""


def identity(entry: Entry) -> tuple[object, ...] | None:
    """Return what an entry is known by, or None for an erasure: each one is an event of its own."""
    match entry:
        case Assignment() | Exposure():
            return type(entry), entry.assignment_id, entry.slot
        case Outcome():
            return Outcome, entry.outcome_id
        case Erasure():
            return None


def verdict(standing: Entry, entry: Entry) -> KeptStatus:
    """Return whether an entry says the same as the one that stands under its identity: DUPLICATE or CONFLICT."""
    same = _content(standing) == _content(entry) and _same_time(standing, entry)
    return KeptStatus.DUPLICATE if same else KeptStatus.CONFLICT


def note_refused(refused: Refused, entry: Entry, kept: Kept) -> Kept:
    """Note what became of an entry that was in the log before, where it is the first slot of an assignment."""
    if isinstance(entry, Assignment) and not entry.slot:
        refused[entry.assignment_id] = kept
    return kept


def refused_with_first(refused: Refused, entry: Entry) -> Kept | None:
    """Return what becomes of a further slot whose first one was in the log before: the same, and it is not kept.

    The slots of an assignment are one answer: of two answers under one id, the first stands with its slots alone.
    """
    return refused.get(entry.assignment_id) if isinstance(entry, Assignment) and entry.slot else None


def _content(entry: Entry) -> object:
    match entry:
        case Assignment():
            return entry.request_digest
        case Outcome():
            target = entry.assignment_id, entry.slot, entry.unit
            return entry.metric, entry.value, target, entry.void_of
        case _:
            # A unit meets a variant for the first time once: a later report adds nothing.
            return None


def _same_time(standing: Entry, entry: Entry) -> bool:
    if not isinstance(standing, Outcome) or not isinstance(entry, Outcome):
        return True
    # An outcome that was sent without a time bears that of its arrival, which a repetition cannot know.
    was_told = entry.occurred_at != entry.received_at
    return not was_told or entry.occurred_at == standing.occurred_at


def awaited(entry: Entry) -> AssignmentKey | None:
    """Return the assignment that must be in the log for the entry to be matched, or None where none is named."""
    if isinstance(entry, (Exposure, Outcome)) and entry.assignment_id:
        return entry.assignment_id, entry.slot
    return None


def check_etag(experiment_id: str, stored: str | None, expected: str) -> None:
    """Raise ExperimentExists or StaleEtag where the stored etag (None: no such experiment) is not the expected one."""
    if stored is not None and not expected:
        raise ExperimentExists(f"there is or was an experiment {experiment_id!r}: choose another id")
    if (stored or "") != expected:
        raise StaleEtag(f"{experiment_id!r} was changed in between: read it again, then change that")


def check_revision(stored: int, revision: int) -> None:
    """Raise StaleEtag where the population's stored revision is not the one before `revision`."""
    if stored != revision - 1:
        raise StaleEtag("the population was changed in between: read it again, then change that")


def check_filed(proposal: Proposal, stored: Standing | None) -> None:
    """Raise StaleEtag where a proposal that waits is there already, or one that does not settles none that waits.

    `stored` is where the attempt stands in the store, None where there is none.
    """
    name = f"attempt {proposal.attempt} of {proposal.experiment_id!r}"
    if proposal.standing is Standing.WAITING and stored is not None:
        raise StaleEtag(f"{name} is there already: propose it again")
    if proposal.standing is not Standing.WAITING and stored is not Standing.WAITING:
        raise StaleEtag(f"{name} does not wait: see what became of it")


def etag_before(state: ExperimentState) -> str:
    """Return the etag that an experiment had before the change that led to `state`."""
    return str(int(state.etag) - 1)
