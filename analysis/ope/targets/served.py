"""An experiment's policy as the engine would serve it: from its file, or with what a snapshot learned.

Floor, shares and killed variants are in it: these are the integers from which the engine would have drawn. Where the
engine would not have drawn, because the context lacks what the file requires, it would have served the default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from analysis.arrays import Floats
from analysis.logs.crediting import micros
from analysis.ope.logged import Logged, Question
from analysis.ope.targets.answers import answers, answers_by_eligible
from analysis.texts import Name, text
from engine import drawing, files
from engine.candidates import NOTHING, Brought, reader_of
from engine.clock import to_micros
from engine.context import declared, fields
from engine.definition import define
from engine.errors import InvalidRequest, PolicyFailed, UnknownExperiment
from engine.expansion import expanded
from engine.experiments import Experiment, ExperimentState, ExposureRule
from engine.funnel import Population
from engine.learned import Learned, shown
from engine.policies import Policy, build
from engine.ports import Reader
from engine.randomness import ONE
from engine.records import BEFORE_THE_LOG, Candidate, Group, Snapshot
from engine.snapshots import verify
from engine.specs import FixedSpec
from engine.storage import open_reader, open_snapshots


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A policy as it serves an experiment, whose conditions are expanded; see `since` in `Target`."""

    experiment: Experiment
    policy: Policy
    name: Name
    since: int | None = None

    def probabilities(self, log: Logged) -> Floats:
        """Return what it would have drawn from, (n, k).

        Raises:
            InvalidRequest: it has a variant that the log never had, or would have served one that it could not draw.
        """
        if self.experiment.candidates is None:
            self._check(log)
        ask = answers_by_eligible if _reads_nothing(self.experiment) else answers
        return ask(log, self._answer)

    def _check(self, log: Logged) -> None:
        known = {str(name) for name in log.variants}
        new = [each.name for each in self.experiment.alive(self.experiment.variants) if each.name not in known]
        if new:
            what = f"{self.name} has a variant {new[0]!r}, and the log has {', '.join(sorted(known))}"
            raise InvalidRequest(f"{what}: no log says what would have come of a variant that nobody got")

    def _answer(self, question: Question) -> Sequence[float]:
        chances = self._chances(question)
        names = [variant.name for variant in question.eligible]
        if not chances.keys() <= set(names):
            missing, there = min(chances.keys() - set(names)), ", ".join(names)
            what = f"{self.name} would have served {missing!r}, where the log could draw {there} alone"
            raise PolicyFailed(f"{what}: leave such rows out, or judge only draws since a time when it could")
        return [chances.get(name, 0) / ONE for name in names]

    def _chances(self, question: Question) -> Mapping[str, int]:
        """Return the weights by name."""
        experiment, brought = self.experiment, self._brought(question)
        names = {variant.name for variant in question.eligible}
        excluded = frozenset(each.name for each in experiment.variants if each.name not in names)
        eligible = drawing.eligible_variants(experiment, Group.POLICY, excluded, brought.variants)
        context, flaw = declared(fields(experiment.context), question.context)
        if flaw or brought.flaw or not eligible:
            return {drawing.usual(experiment, excluded, brought.variants)[0]: ONE}
        weights = drawing.weighed(self.policy, experiment.policy, context, eligible)
        left = tuple([variant.name for variant in eligible])
        left, weights, _ = drawing.settled(experiment, left, weights, 0)
        return dict(zip(left, weights, strict=True))

    def _brought(self, question: Question) -> Brought:
        if self.experiment.candidates is None:
            return NOTHING
        candidates = [Candidate(variant.name, variant.features) for variant in question.eligible]
        return reader_of(self.experiment.candidates).read(candidates)


def of_file(file: str | Path | Experiment, population: Population | None = None) -> Served:
    """Return the policy of an experiment, or of one in a file; one that learns is untaught and answers as its prior.

    Segments and groups that its conditions name are those of the `population`.

    Raises:
        InvalidExperiment: the file cannot be read, or what it says is refused.
        InvalidRequest: its conditions name some, and no population is given.

    >>> import numpy as np
    >>> from engine.experiments import Variant
    >>> from engine.metrics import Metric
    >>> test = FixedSpec({"a": 0.75, "b": 0.25})
    >>> hero = Experiment("hero", (Variant("a"), Variant("b")), (Metric("click"),), policy=test)
    >>> log = Logged.of(("a", "b"), np.array([0]), np.ones(1), np.array([0.5]))
    >>> of_file(hero).probabilities(log).tolist()
    [[0.75, 0.25]]
    """
    if isinstance(file, Experiment):
        written, named = define(file), file.experiment_id
    else:
        written, named = files.read(file), Path(file).name
    experiment = expanded(written, population or Population())
    if population is None and experiment is not written:
        raise InvalidRequest(f"{named} names segments or groups of a population: give that, or a store's directory")
    name = text(f"ope.target.{'untaught' if experiment.policy.learns else 'file'}", file=named)
    return Served(experiment, build(experiment), name)


def of_snapshot(directory: str | Path, experiment_id: str, prefix: str) -> Served:
    """Return the policy that a snapshot of a store is, named by its hash or the first six digits, as defined today.

    It is judged on draws that were too young for it to have learned from.

    Raises:
        StoreUnavailable: there is no store in the directory.
        UnknownExperiment: it has no such experiment.
        UnknownSnapshot: the experiment has no such snapshot.
        SnapshotRefused: the snapshot does not verify, or the policy means something else today.
    """
    with closing(open_reader(directory)) as reader, closing(open_snapshots(directory)) as snapshots:
        state = reader.state(experiment_id)
        if state is None:
            raise UnknownExperiment(f"there is no experiment {experiment_id!r} in {directory}: check its name")
        found = Learned(snapshots, reader).named(state, prefix)
        definition = state.experiment.shadowed if found.is_shadow else state.experiment
        if definition is None:
            raise InvalidRequest(f"snapshot {shown(found.hash)} was a shadow's, and there is none any more")
        experiment = expanded(definition, reader.population().population)
        name = text("ope.target.snapshot", snapshot=shown(found.hash))
        return Served(experiment, verify(found, experiment), name, _since(reader, state, found))


def _since(reader: Reader, state: ExperimentState, snapshot: Snapshot) -> int | None:
    """Return when the first draw was made that a snapshot cannot have learned from, in microseconds, or None for all.

    It learned from what had matured by its watermark, and nothing matures before its age; of a draw whose exposure is
    reported it is not known when that began.
    """
    if snapshot.watermark == BEFORE_THE_LOG:
        return None
    name = state.experiment.experiment_id
    revisions = [reader.definition(name, revision) for revision in range(1, state.revision + 1)]
    return to_micros(snapshot.watermark[0]) - min(micros(_age(each)) for each in revisions if each) + 1


def _age(experiment: Experiment) -> timedelta:
    return experiment.maturity_age if experiment.exposure is ExposureRule.ASSIGNED else timedelta(0)


def _reads_nothing(experiment: Experiment) -> bool:
    """Whether answers depend on the names of what is eligible alone."""
    required = [each for each in (*experiment.context, *(experiment.candidates or ())) if each.required]
    return isinstance(experiment.policy, FixedSpec) and not required
