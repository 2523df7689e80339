"""Matured rewards are learned and written down as snapshots, which are verified before they serve.

Learning is a fold over the log in the order of seq: neither the wall clock nor chance takes part, so how the log was
cut into pages, and how often the learner was killed, changes no byte of what was learned.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import Experiment, ExperimentState, Status
from engine.policies import Policy, learned_policy
from engine.policies.features import schema
from engine.ports import Reader, SnapshotStore
from engine.randomness import content_hash
from engine.records import Context, Entry, Probe, Reward, Snapshot
from engine.rewards import RewardLedger
from engine.specs import LearningSpec

PROBE_TOLERANCE = 1e-6
"""How far a restored policy's probabilities may be from those that were written down with it."""

_N_PROBES = 3
_LEARNS_WHILE = (Status.RUNNING, Status.PAUSED)

_log = logging.getLogger(__name__)


def next_snapshot(experiment: Experiment, epoch: int, parent: Snapshot | None, rewards: Sequence[Reward]) -> Snapshot:
    """Return what the policy knows after it learned these rewards on top of `parent` (None: nothing before).

    Rewards of forgotten units are counted and not learned from, because their context is gone.
    """
    # Restored each time, because the bytes that VW writes depend on it: so a killed learner and an undisturbed one
    # write the same.
    policy = learned_policy(experiment, parent.blob if parent else b"")
    policy.learn([reward for reward in rewards if reward.assignment.unit.id])
    blob = policy.serialize()
    return Snapshot(
        hash=content_hash(blob),
        experiment_id=experiment.experiment_id,
        epoch=epoch,
        policy=experiment.policy.kind,
        blob=blob,
        parent=parent.hash if parent else "",
        watermark=rewards[-1].key,
        n_rewards=(parent.n_rewards if parent else 0) + len(rewards),
        library=policy.library,
        arguments=policy.arguments,
        schema=schema(experiment),
        probes=_probes(experiment, blob, rewards),
    )


def verify(snapshot: Snapshot, experiment: Experiment) -> Policy:
    """Return the policy in a snapshot, ready to serve.

    Raises:
        SnapshotRefused: its content is not what its name says, another library, configuration or schema wrote it, or
            the restored policy answers its probes differently.
    """
    if content_hash(snapshot.blob) != snapshot.hash:
        raise _refused(snapshot, "its content is not what its name says: restore learning.db from a backup")
    expected = learned_policy(experiment)
    if snapshot.library != expected.library:
        raise _refused(snapshot, f"{snapshot.library} wrote it and this is {expected.library}: learn it anew")
    if snapshot.policy != experiment.policy.kind or snapshot.arguments != expected.arguments:
        raise _refused(snapshot, "its policy was configured differently: learn it anew")
    if snapshot.schema != schema(experiment):
        raise _refused(snapshot, "it knows other fields or variants than the experiment has: learn it anew")
    policy = learned_policy(experiment, snapshot.blob)
    if not all(_answers(policy, experiment, probe) for probe in snapshot.probes):
        raise _refused(snapshot, "restored, it does not answer as its learner did: learn it anew")
    return policy


class Learner:
    """Folds the log into the snapshots of one experiment's epoch.

    It is fed from the log's very beginning, also after a restart: what `resume` has learned is then not learned again.
    """

    def __init__(self, state: ExperimentState, resume: Snapshot | None = None) -> None:
        spec = state.experiment.policy
        assert isinstance(spec, LearningSpec), "asked only of a policy that learns: see _learns"
        self.resume = resume
        self._experiment, self._epoch, self._publish_every = state.experiment, state.epoch, spec.publish_every
        self._ledger = RewardLedger(state.experiment, state.epoch)
        self._last = resume
        self._n_to_skip = resume.n_rewards if resume else 0
        self._rewards: list[Reward] = []

    def feed(self, entries: Iterable[Entry]) -> list[Snapshot]:
        """Take the log's next entries in and return the snapshots that are due, one after `publish_every` rewards.

        `resume` itself is returned too, at its place in the log, so that the caller sees whether it was published.

        Raises:
            SnapshotRefused: `resume` did not learn from this log.
        """
        rewards = (reward for entry in entries for reward in self._ledger.feed(entry))
        return [snapshot for reward in rewards if (snapshot := self._take(reward)) is not None]

    def _take(self, reward: Reward) -> Snapshot | None:
        if self._n_to_skip:
            return self._skip(reward)
        self._rewards.append(reward)
        if len(self._rewards) < self._publish_every:
            return None
        self._last = next_snapshot(self._experiment, self._epoch, self._last, self._rewards)
        self._rewards = []
        return self._last

    def _skip(self, reward: Reward) -> Snapshot | None:
        self._n_to_skip -= 1
        if self._n_to_skip or self.resume is None:
            return None
        if reward.key != self.resume.watermark:
            raise _refused(self.resume, "it learned from another log: move learning.db away, and it is learned anew")
        return self.resume


class LearnerPool:
    """Learns for all experiments that are running or paused, in one pass over the log.

    Call `step`, publish what it returns, call `done`, wait, and again. The order of what is returned depends on the log
    alone. A pool whose `step` raised is spent: make a new one, which resumes from what was stored.
    """

    def __init__(self, reader: Reader, snapshots: SnapshotStore, page_size: int = 10_000) -> None:
        self._reader = reader
        self._snapshots = snapshots
        self._page_size = page_size
        self._learners: dict[tuple[str, int], Learner] = {}
        self._read_to = 0

    def step(self) -> list[Snapshot]:
        """Read what is new in the log, and return the snapshots that were stored and are to be published, in order."""
        states = [state for state in self._reader.states() if _learns(state)]
        learning = {(state.experiment.experiment_id, state.epoch): state for state in states}
        newcomers = {key: self._open(state) for key, state in learning.items() if key not in self._learners}
        due = self._read(newcomers.values(), 0, self._read_to)
        self._learners = {key: newcomers.get(key) or self._learners[key] for key in learning}
        last_seq = self._reader.last_seq()
        due += self._read(self._learners.values(), self._read_to, last_seq)
        self._read_to = last_seq
        return due

    def done(self) -> None:
        """Note that everything the last step returned was published."""
        self._snapshots.set_position(self._read_to)

    def _open(self, state: ExperimentState) -> Learner:
        """Return a learner that goes on after the newest snapshot of the epoch that verifies."""
        for snapshot in reversed(self._snapshots.snapshots(state.experiment.experiment_id)):
            if snapshot.epoch == state.epoch and _verifies(snapshot, state.experiment):
                return Learner(state, snapshot)
        return Learner(state)

    def _read(self, learners: Iterable[Learner], after: int, to: int) -> list[Snapshot]:
        learners = list(learners)
        published_to = self._snapshots.position()
        due = []
        for entry in self._entries(after, to) if learners else ():
            for learner in learners:
                for snapshot in learner.feed((entry,)):
                    # The resumed snapshot is due once more where a crash came between storing and publishing it.
                    if snapshot is not learner.resume or entry.seq > published_to:
                        self._snapshots.add(snapshot)
                        due.append(snapshot)
        return due

    def _entries(self, after: int, to: int) -> Iterator[Entry]:
        while after < to:
            page = self._reader.entries(after, self._page_size)
            yield from (entry for entry in page if entry.seq <= to)
            after = page[-1].seq if page else to


def _learns(state: ExperimentState) -> bool:
    return state.experiment.policy.learns and state.status in _LEARNS_WHILE


def _verifies(snapshot: Snapshot, experiment: Experiment) -> bool:
    try:
        verify(snapshot, experiment)
    except SnapshotRefused as refused:
        _log.warning("the learner goes back to an earlier snapshot: %s", refused)
        return False
    return True


def _probes(experiment: Experiment, blob: bytes, rewards: Sequence[Reward]) -> tuple[Probe, ...]:
    # A policy of its own answers, because being asked changes the bytes that VW writes.
    policy = learned_policy(experiment, blob)
    names = tuple(variant.name for variant in experiment.variants)
    return tuple(
        Probe(context, names, tuple(map(float, policy.distribution(context, experiment.variants))))
        for context in _last_contexts(rewards)
    )


def _last_contexts(rewards: Sequence[Reward]) -> list[Context]:
    """Return the last few distinct contexts, the latest first."""
    found: list[Context] = []
    for reward in reversed(rewards):
        context = dict(reward.assignment.context)
        if context not in found:
            found.append(context)
        if len(found) == _N_PROBES:
            break
    return found


def _answers(policy: Policy, experiment: Experiment, probe: Probe) -> bool:
    """Whether a policy gives the probe's probabilities; NaN is none."""
    by_name = {variant.name: variant for variant in experiment.variants}
    try:
        answer = policy.distribution(probe.context, [by_name[name] for name in probe.eligible])
    except (PolicyFailed, KeyError):
        return False
    return len(answer) == len(probe.probabilities) and all(
        abs(given - expected) <= PROBE_TOLERANCE for given, expected in zip(answer, probe.probabilities, strict=True)
    )


def _refused(snapshot: Snapshot, why: str) -> SnapshotRefused:
    return SnapshotRefused(f"snapshot {snapshot.hash[:12]} of {snapshot.experiment_id!r} is refused: {why}")
