"""Matured rewards are learned and written down as snapshots, which are verified before they serve.

Learning is a fold over the log in the order of seq: neither the wall clock nor chance takes part, so how the log was
cut into pages, and how often the learner was killed, changes no byte of what was learned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from engine.errors import SnapshotRefused
from engine.experiments import Experiment, ExperimentState, Status
from engine.ledger import RewardLedger
from engine.ports import Reader, SnapshotStore
from engine.records import Entry, Reward, Snapshot
from engine.skimming import Passed, Wanted
from engine.snapshots import Growth, verify, why_foreign
from engine.specs import LearningSpec

_PAGE = 2_000
"""Entries that are read at once: few enough that they are gone before Python looks for garbage among them."""

_LEARNS_WHILE = (Status.RUNNING, Status.PAUSED)

_log = logging.getLogger(__name__)


class Chain:
    """The snapshots of one policy of an experiment, each learned on top of the one before.

    It goes on after `resume`: rewards up to its watermark are passed over.
    """

    def __init__(
        self, experiment: Experiment, epoch: int, resume: Snapshot | None = None, *, is_shadow: bool = False
    ) -> None:
        spec = experiment.policy
        assert isinstance(spec, LearningSpec), "asked only of a policy that learns: see _policies"
        self.latest = resume
        self.is_shadow = is_shadow
        self._experiment, self._epoch, self._spec = experiment, epoch, spec
        self._growth: Growth | None = None
        self._waiting: list[Reward] = []

    def take(self, reward: Reward, fold_from: Callable[[Reward], int]) -> Snapshot | None:
        """Take the next reward in, and return the snapshot where one is due after it.

        It is due after `publish_every` rewards, at the first one that matured `publish_after` later than the last one
        of the snapshot before.
        """
        if self.latest is not None and reward.key <= self.latest.watermark:
            return None
        self._waiting.append(reward)
        if not self._is_due(reward):
            return None
        self.latest = self._grown().snapshot(self._epoch, is_shadow=self.is_shadow, fold_from=fold_from(reward))
        self._growth = None
        return self.latest

    def learn(self) -> None:
        """Learn what was taken in, so that it need not be held."""
        if self._waiting:
            self._grown()

    def _grown(self) -> Growth:
        if self._growth is None:
            self._growth = Growth(self._experiment, self.latest)
        self._growth.learn(self._waiting)
        self._waiting = []
        return self._growth

    def _is_due(self, reward: Reward) -> bool:
        n_rewards = len(self._waiting) + (self._growth.n_rewards if self._growth else 0)
        if n_rewards < self._spec.publish_every:
            return False
        return self.latest is None or reward.matures_at - self.latest.watermark[0] >= self._spec.publish_after


class Learner:
    """Folds the log into the snapshots of one experiment: of its policy, of its shadow's, or of both."""

    def __init__(self, state: ExperimentState, chains: Iterable[Chain], first_seq: int = 1) -> None:
        """Start at the experiment's first row, or where the chains that are furthest behind can go on from."""
        self.state = state
        self.chains = tuple(chains)
        resumed = (chain.latest.fold_from if chain.latest else 0 for chain in self.chains)
        self.read_to = max(first_seq - 1, min(resumed))
        self._ledger = RewardLedger(state.experiment)

    def feed(self, entries: Iterable[Entry | Passed]) -> Iterator[Snapshot]:
        """Take the log's next entries in and return the snapshots that are due; what was read before is passed over."""
        for entry in entries:
            if entry.seq <= self.read_to:
                continue
            self.read_to = entry.seq
            for reward in self._ledger.feed(entry):
                for chain in self.chains:
                    snapshot = chain.take(reward, self._ledger.fold_from)
                    if snapshot is not None:
                        yield snapshot
        for chain in self.chains:
            chain.learn()


class LearnerPool:
    """Learns for all experiments that are running or paused, in one pass over the log.

    Call `step`, or go through `steps`, publish what it returns, call `done`, wait, and again. What is returned of one
    experiment depends on the log alone, and so does its order. A pool that raised is spent: make a new one, which
    resumes from what was stored.
    """

    def __init__(self, reader: Reader, snapshots: SnapshotStore, page_size: int = _PAGE) -> None:
        self._reader = reader
        self._snapshots = snapshots
        self._page_size = page_size
        self._learners: dict[str, Learner] = {}
        self._learning: frozenset[str] = frozenset()
        self._catalog_revision = -1
        self._read_to = 0

    def step(self) -> list[Snapshot]:
        """Read what is new in the log, and return the snapshots that are to be published, in order."""
        return list(self.steps())

    def steps(self) -> Iterator[Snapshot]:
        """Read what is new in the log, and yield the snapshots that are to be published, each once it is stored.

        Where the live pointer of an experiment is not at the snapshot that its learner goes on from, that one is
        first: a crash may have come between storing and publishing it.
        """
        yield from self._adopt()
        last_seq = self._reader.last_seq()
        for page in self._pages(last_seq):
            for learner in self._learners.values():
                for snapshot in learner.feed(page):
                    self._snapshots.add(snapshot)
                    yield snapshot
        self._read_to = last_seq

    def done(self) -> None:
        """Note that everything the last step returned was published."""
        self._snapshots.set_position(self._read_to)

    def _adopt(self) -> Iterator[Snapshot]:
        """Learn for what runs today, as it is defined today, and yield what should be live by now and is not."""
        self._look()
        for experiment_id in sorted(self._learning - self._learners.keys()):
            learner = self._open(experiment_id)
            if learner is not None:
                self._learners[experiment_id] = learner
                yield from _unpublished(learner)

    def _look(self) -> None:
        """Find out what learns, where the registry has changed, and let go of what is defined otherwise by now."""
        catalog_revision = self._reader.catalog_revision()
        if catalog_revision == self._catalog_revision:
            return
        self._catalog_revision = catalog_revision
        states = {state.experiment.experiment_id: state for state in self._reader.states() if _learns(state)}
        self._learning = frozenset(states)
        self._learners = {
            name: learner
            for name, learner in self._learners.items()
            if name in states and _same_definition(learner.state, states[name])
        }

    def _open(self, experiment_id: str) -> Learner | None:
        """Return a learner that goes on after the newest snapshots that verify, or None where there is nothing yet."""
        first_seq = self._reader.first_seq(experiment_id)
        state = self._reader.state(experiment_id) if first_seq else None
        if state is None or not _learns(state):
            return None
        policies = _policies(state.experiment)
        chains = [self._chain(state, experiment, is_shadow) for experiment, is_shadow in policies]
        return Learner(state, chains, first_seq)

    def _chain(self, state: ExperimentState, experiment: Experiment, is_shadow: bool) -> Chain:
        """Return the chain that goes on after the newest snapshot that verifies, or after the live one.

        A policy that was the shadow of another one before has its live snapshot from there, and none of its own yet.
        One that was promoted has what its proposal was frozen with.
        """
        experiment_id = experiment.experiment_id
        own = self._snapshots.newest(experiment_id, is_shadow=is_shadow)
        latest = next((snapshot for snapshot in own if _verifies(snapshot, experiment)), None)
        pointed = state.shadow_snapshot if is_shadow else state.snapshot
        live = self._snapshots.snapshot(experiment_id, pointed) or self._reader.frozen(experiment_id, pointed)
        if live and (latest is None or latest.watermark < live.watermark) and _verifies(live, experiment):
            latest = replace(live, is_shadow=is_shadow)
        resume = latest or self._root(experiment, is_shadow)
        return Chain(experiment, state.epoch, resume, is_shadow=is_shadow)

    def _root(self, experiment: Experiment, is_shadow: bool) -> Snapshot | None:
        """Return the learned state that the experiment was given before its start, where it has a meaning yet."""
        warm = None if is_shadow else self._reader.warm_start(experiment.experiment_id)
        return warm if warm and _verifies(warm, experiment) else None

    def _pages(self, to: int) -> Iterator[list[Entry | Passed]]:
        wanted = Wanted.by(learner.state.experiment for learner in self._learners.values())
        after = min((learner.read_to for learner in self._learners.values()), default=to)
        while after < to:
            page = self._reader.skim(wanted, after, min(self._page_size, to - after))
            yield page
            after = page[-1].seq if page else to


def _learns(state: ExperimentState) -> bool:
    return state.status in _LEARNS_WHILE and any(_policies(state.experiment))


def _same_definition(before: ExperimentState, after: ExperimentState) -> bool:
    return (before.revision, before.epoch) == (after.revision, after.epoch)


def _policies(experiment: Experiment) -> Iterator[tuple[Experiment, bool]]:
    """Yield the experiment as each of its policies that learn serves it, and whether that one is the shadow."""
    if experiment.policy.learns:
        yield experiment, False
    shadowed = experiment.shadowed
    if shadowed and shadowed.policy.learns:
        yield shadowed, True


def _unpublished(learner: Learner) -> Iterator[Snapshot]:
    state = learner.state
    for chain in learner.chains:
        live = state.shadow_snapshot if chain.is_shadow else state.snapshot
        is_held = state.pinned and not chain.is_shadow
        if chain.latest is not None and chain.latest.hash != live and not is_held:
            # Published in the epoch of today, in whichever it was written.
            yield replace(chain.latest, epoch=state.epoch)


def _verifies(snapshot: Snapshot, experiment: Experiment) -> bool:
    """Whether learning can go on from a snapshot; one that means something else by now is no cause for alarm."""
    if why_foreign(snapshot, experiment):
        return False
    try:
        verify(snapshot, experiment)
    except SnapshotRefused as refused:
        _log.warning("the learner goes back to an earlier snapshot: %s", refused)
        return False
    return True
