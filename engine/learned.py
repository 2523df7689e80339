"""What was learned for an experiment: the learner's snapshots, what it began with, and what was promoted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from engine.errors import InvalidRequest, UnknownSnapshot
from engine.experiments import ExperimentState
from engine.ports import Reader, SnapshotStore
from engine.proposals import SERVED
from engine.randomness import content_hash
from engine.records import BEFORE_THE_LOG, Snapshot

N_LISTED = 10
"""So many snapshots are listed; the files keep all that rows may name."""

_SHORTEST, _LONGEST = 6, 64
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Summary:
    """What a snapshot is, without what was learned. `learned_to` is when the last of its rewards matured, if any."""

    hash: str
    epoch: int
    parent: str
    n_rewards: int
    n_warm: int
    learned_to: datetime | None
    library: str
    arguments: tuple[str, ...]
    is_live: bool
    n_bytes: int


class Learned:
    """Finds snapshots in the learner's file, among warm starts, and among what promoted proposals were frozen with."""

    def __init__(self, snapshots: SnapshotStore, reader: Reader) -> None:
        self._snapshots = snapshots
        self._reader = reader

    def listed(self, state: ExperimentState, *, is_shadow: bool = False) -> list[Snapshot]:
        """Return the latest ten snapshots, the latest first, and the live one if it is older."""
        found = list(islice(self.newest(state, is_shadow=is_shadow), N_LISTED))
        live = state.shadow_snapshot if is_shadow else state.snapshot
        older = self._find(state, live) if live and live not in {snapshot.hash for snapshot in found} else None
        return [*found, older] if older else found

    def newest(self, state: ExperimentState, *, is_shadow: bool = False) -> Iterator[Snapshot]:
        """Yield the learner's snapshots, the newest first, and then what the experiment was given, the latest first."""
        experiment_id = state.experiment.experiment_id
        yield from self._snapshots.newest(experiment_id, is_shadow=is_shadow)
        if not is_shadow:
            yield from self._given(experiment_id)

    def named(self, state: ExperimentState, text: str) -> Snapshot:
        """Return the snapshot of this hash, or of at least its first six digits.

        Raises:
            InvalidRequest: the text is no hash, or several begin so.
            UnknownSnapshot: none does.
        """
        name, prefix = state.experiment.experiment_id, _hex_digits(text)
        given = {snapshot.hash for snapshot in self._given(name) if snapshot.hash.startswith(prefix)}
        hashes = sorted(given.union(self._snapshots.matching(name, prefix)))
        if len(hashes) > 1:
            several = " or ".join(map(shown, hashes[:3]))
            raise InvalidRequest(f"{len(hashes)} snapshots of {name!r} begin with {prefix}: give more, as {several}")
        found = self._find(state, hashes[0]) if hashes else None
        if found is None:
            raise UnknownSnapshot(f"no snapshot of {name!r} begins with {prefix}: see `armlift policy list {name}`")
        return found

    def _find(self, state: ExperimentState, hash: str) -> Snapshot | None:
        experiment_id = state.experiment.experiment_id
        given = (snapshot for snapshot in self._given(experiment_id) if snapshot.hash == hash)
        return self._snapshots.snapshot(experiment_id, hash) or next(given, None)

    def _given(self, experiment_id: str) -> Iterator[Snapshot]:
        """Yield what did not come from the learner: with what proposals were promoted, and the warm start."""
        served = [each for each in self._reader.proposals(experiment_id) if each.standing in SERVED and each.snapshot]
        for proposal in reversed(served):
            frozen = self._reader.frozen(experiment_id, proposal.snapshot)
            if frozen:
                yield frozen
        warm = self._reader.warm_start(experiment_id)
        if warm:
            yield warm


def summarised(snapshot: Snapshot, state: ExperimentState) -> Summary:
    """Return what a snapshot is, in an experiment's state: what a shadow learned serves once that was promoted."""
    live = (state.snapshot, state.shadow_snapshot) if snapshot.is_shadow else (state.snapshot,)
    learned_to = None if snapshot.watermark == BEFORE_THE_LOG else snapshot.watermark[0]
    return Summary(
        hash=snapshot.hash,
        epoch=snapshot.epoch,
        parent=snapshot.parent,
        n_rewards=snapshot.n_rewards,
        n_warm=snapshot.n_warm,
        learned_to=learned_to,
        library=snapshot.library,
        arguments=snapshot.arguments,
        is_live=snapshot.hash in live,
        n_bytes=len(snapshot.blob),
    )


def name_of(snapshot: Snapshot) -> str:
    """Return the hash of a snapshot: of its bytes and of what gives them their meaning, 64 hex digits.

    Two policies may write the same bytes and mean different things: one name is never both.
    """
    return content_hash(
        snapshot.blob, snapshot.policy, snapshot.library, json.dumps(snapshot.arguments), snapshot.schema
    )


def shown(hash: str) -> str:
    """Return a hash as people read it: its first twelve digits, or that there is nothing.

    >>> shown("3f" * 32), shown("")
    ('3f3f3f3f3f3f', 'nothing')
    """
    return hash[:_SHOWN] or "nothing"


def _hex_digits(text: str) -> str:
    digits = text.strip().lower()
    if not _SHORTEST <= len(digits) <= _LONGEST or set(digits) - set("0123456789abcdef"):
        raise InvalidRequest(f"{text[:80]!r} is no snapshot's hash: give at least its first {_SHORTEST} hex digits")
    return digits
