"""What a policy has learned, written down: how a snapshot is made, and how it is verified before it serves."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import Experiment, Variant
from engine.learned import name_of
from engine.policies import LearningPolicy, Policy, configuration, learned_policy
from engine.policies.features import schema
from engine.records import Assignment, Probe, Reward, Snapshot
from engine.understanding import Understanding

PROBE_TOLERANCE = 1e-6
"""How far a restored policy's probabilities may be from those that were written down with it."""

_N_PROBES = 3
_N_CANDIDATES = 20
"""The most candidates that a probe asks about."""

_log = logging.getLogger(__name__)


class Growth:
    """What a policy learns on top of a snapshot (None: of nothing), until it is written down as the next one.

    How the rewards were cut into calls of `learn` changes no byte of it. Rewards that the experiment does not
    understand, such as those of forgotten units, are counted and not learned from.
    """

    def __init__(self, experiment: Experiment, parent: Snapshot | None) -> None:
        self.parent = parent
        self.n_rewards = 0
        self._experiment = experiment
        # Restored for each snapshot, because the bytes that VW writes depend on it: so a killed learner and an
        # undisturbed one write the same.
        self._policy = learned_policy(experiment, parent.blob if parent else b"")
        self._understanding = Understanding(experiment)
        self._recent: list[Assignment] = []
        self._watermark = parent.watermark if parent else None

    def learn(self, rewards: Sequence[Reward]) -> None:
        """Learn from rewards, in order."""
        if not rewards:
            return
        lessons = [lesson for reward in rewards if (lesson := self._understanding.of(reward)) is not None]
        _teach(self._policy, lessons)
        self.n_rewards += len(rewards)
        self._watermark = rewards[-1].key
        self._recent = _latest([*(lesson.assignment for lesson in reversed(lessons)), *self._recent])

    def snapshot(self, epoch: int, *, is_shadow: bool = False, fold_from: int = 0) -> Snapshot:
        """Return what the policy knows; at least one reward was learned."""
        assert self._watermark is not None, "there is nothing to write down before the first reward"
        blob = self._policy.serialize()
        unnamed = Snapshot(
            hash="",
            experiment_id=self._experiment.experiment_id,
            epoch=epoch,
            policy=self._experiment.policy.kind,
            blob=blob,
            parent=self.parent.hash if self.parent else "",
            watermark=self._watermark,
            n_rewards=(self.parent.n_rewards if self.parent else 0) + self.n_rewards,
            library=self._policy.library,
            arguments=self._policy.arguments,
            schema=schema(self._experiment),
            probes=_probes(self._experiment, blob, self._recent),
            is_shadow=is_shadow,
            n_warm=self.parent.n_warm if self.parent else 0,
            fold_from=fold_from,
        )
        return replace(unnamed, hash=name_of(unnamed))


def verify(snapshot: Snapshot, experiment: Experiment) -> Policy:
    """Return the policy in a snapshot, ready to serve.

    Raises:
        SnapshotRefused: its content is not what its name says, another library, configuration or schema wrote it, or
            the restored policy answers its probes differently.
    """
    if why := why_foreign(snapshot, experiment):
        raise _refused(snapshot, f"{why}: learn it anew")
    if name_of(snapshot) != snapshot.hash:
        raise _refused(snapshot, "its content is not what its name says: restore learning.db from a backup")
    policy = learned_policy(experiment, snapshot.blob)
    if not all(_answers(policy, experiment, probe) for probe in snapshot.probes):
        raise _refused(snapshot, "restored, it does not answer as its learner did: learn it anew")
    return policy


def why_foreign(snapshot: Snapshot, experiment: Experiment) -> str:
    """Return why the learned state means something else than the experiment's policy would learn today, or nothing.

    Raises:
        SnapshotRefused: the experiment's policy does not learn.
    """
    library, arguments = configuration(experiment)
    if snapshot.policy != experiment.policy.kind or snapshot.arguments != arguments:
        return "its policy was configured differently"
    if snapshot.schema != schema(experiment):
        return "it knows other fields, variants or rewards than the experiment has"
    if snapshot.library != library:
        return f"{snapshot.library} wrote it and this is {library}"
    return ""


def learns_alike(before: Experiment, after: Experiment) -> bool:
    """Whether what is learned for one definition of an experiment means the same under the other.

    >>> from dataclasses import replace
    >>> from engine.metrics import Metric
    >>> from engine.specs import ThompsonSpec
    >>> variants = Variant("a"), Variant("b")
    >>> hero = Experiment("hero", variants, (Metric("click"),), policy=ThompsonSpec())
    >>> reseeded, convinced = replace(hero, seed="new"), replace(hero, policy=ThompsonSpec(prior_beta=9.0))
    >>> learns_alike(hero, reseeded), learns_alike(hero, convinced)
    (True, False)
    """
    if before.policy.kind != after.policy.kind or not after.policy.learns or schema(before) != schema(after):
        return False
    return before.policy == after.policy or configuration(before) == configuration(after)


def _teach(policy: LearningPolicy, lessons: Sequence[Reward]) -> None:
    try:
        policy.learn(lessons)
    except PolicyFailed:
        # Nothing was learned. One row that nobody can learn from must not keep all others from being learned.
        for lesson in lessons:
            _teach_one(policy, lesson)


def _teach_one(policy: LearningPolicy, lesson: Reward) -> None:
    try:
        policy.learn([lesson])
    except PolicyFailed as failed:
        _log.warning("assignment %s is passed over: %s", lesson.assignment.assignment_id, failed)


def _probes(experiment: Experiment, blob: bytes, recent: Sequence[Assignment]) -> tuple[Probe, ...]:
    # A policy of its own answers, because being asked changes the bytes that VW writes.
    policy = learned_policy(experiment, blob)
    return tuple(_asked(policy, experiment, assignment) for assignment in recent)


def _asked(policy: Policy, experiment: Experiment, assignment: Assignment) -> Probe:
    """Return what the policy answers in an assignment's context: of its candidates, or of the declared variants."""
    context = dict(assignment.context)
    candidates = assignment.candidates[:_N_CANDIDATES]
    variants = tuple(map(Variant.of, candidates)) or experiment.variants
    probabilities = tuple(map(float, policy.distribution(context, variants)))
    return Probe(context, tuple([variant.name for variant in variants]), probabilities, candidates)


def _latest(assignments: Iterable[Assignment]) -> list[Assignment]:
    """Return the first few of distinct contexts."""
    found: list[Assignment] = []
    for each in assignments:
        if all(each.context != known.context for known in found):
            found.append(each)
        if len(found) == _N_PROBES:
            break
    return found


def _answers(policy: Policy, experiment: Experiment, probe: Probe) -> bool:
    """Whether a policy gives the probe's probabilities; NaN is none."""
    by_name = {variant.name: variant for variant in (*experiment.variants, *map(Variant.of, probe.candidates))}
    try:
        answer = policy.distribution(probe.context, [by_name[name] for name in probe.eligible])
    except (PolicyFailed, KeyError):
        return False
    return len(answer) == len(probe.probabilities) and all(
        abs(given - expected) <= PROBE_TOLERANCE for given, expected in zip(answer, probe.probabilities, strict=True)
    )


def _refused(snapshot: Snapshot, why: str) -> SnapshotRefused:
    return SnapshotRefused(f"snapshot {snapshot.hash[:12]} of {snapshot.experiment_id!r} is refused: {why}")
