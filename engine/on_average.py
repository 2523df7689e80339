"""What a policy predicts and why, on average over the contexts in which it was asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import fsum

from engine.experiments import Experiment, Variant
from engine.policies import LearningPolicy
from engine.ports import Reader
from engine.records import Assignment, Candidate, Context, Snapshot
from engine.understanding import Readable

_N_CASES = 500
_N_LOOKED_THROUGH = 20_000


@dataclass(frozen=True, slots=True)
class Case:
    """A context in which variants were eligible."""

    context: Context
    eligible: tuple[Variant, ...]


@dataclass(frozen=True, slots=True)
class OnAverage:
    """The averages over `n` cases.

    `predicted` is the reward in [0, 1] of each variant over the cases in which it was eligible. `because` is by field
    and variant by how much the field moves that, over all cases, those without the field included; `sizes` is by field
    how much it moves it up or down, whatever the variant.
    """

    n: int
    predicted: Mapping[str, float]
    because: Mapping[str, Mapping[str, float]]
    sizes: Mapping[str, float]


def on_average(policy: LearningPolicy, cases: Sequence[Case]) -> OnAverage:
    """Return the averages over cases.

    >>> from engine.metrics import Metric
    >>> from engine.policies import learned_policy
    >>> from engine.specs import ThompsonSpec
    >>> variants = Variant("a"), Variant("b")
    >>> policy = learned_policy(Experiment("hero", variants, (Metric("click"),), policy=ThompsonSpec()))
    >>> on_average(policy, [Case({}, variants)])
    OnAverage(n=1, predicted={'a': 0.5, 'b': 0.5}, because={}, sizes={})
    """
    predicted: dict[str, list[float]] = {}
    moved: dict[str, dict[str, list[float]]] = {}
    for case in cases:
        rewards = policy.expected_rewards(case.context, case.eligible)
        for variant, reward in zip(case.eligible, rewards, strict=True):
            predicted.setdefault(variant.name, []).append(reward)
            for field, by in policy.contributions(case.context, variant).items():
                moved.setdefault(field, {}).setdefault(variant.name, []).append(by)
    return OnAverage(
        len(cases),
        {name: fsum(rewards) / len(rewards) for name, rewards in predicted.items()},
        {field: _means(by_variant, predicted) for field, by_variant in moved.items()},
        {field: _size(by_variant) / sum(map(len, predicted.values())) for field, by_variant in moved.items()},
    )


def _means(by_variant: Mapping[str, Sequence[float]], predicted: Mapping[str, Sequence[float]]) -> Mapping[str, float]:
    return {name: fsum(moved) / len(predicted[name]) for name, moved in by_variant.items()}


def _size(by_variant: Mapping[str, Iterable[float]]) -> float:
    return fsum(abs(by) for moved in by_variant.values() for by in moved)


def cases_of(reader: Reader, experiment: Experiment, snapshot: Snapshot) -> list[Case]:
    """Return the latest cases of a log; where it has none those of the snapshot's probes, else an empty context."""
    logged = [(row.context, row.candidates) for row in _latest_draws(reader, experiment.experiment_id)]
    probed = [(probe.context, probe.candidates) for probe in snapshot.probes]
    return [_case(experiment, context, brought) for context, brought in logged or probed or [({}, ())]]


def _case(experiment: Experiment, context: Context, brought: Iterable[Candidate]) -> Case:
    features = Readable(experiment.candidates or ())
    candidates = [Variant(each.name, features=features.of(each.features)) for each in brought]
    return Case(Readable(experiment.context).of(context), tuple(candidates or experiment.alive(experiment.variants)))


def _latest_draws(reader: Reader, experiment_id: str) -> Iterator[Assignment]:
    """Yield the latest draws of units that are not forgotten, of what the log's last pages hold."""
    entries = reader.entries(max(0, reader.last_seq() - _N_LOOKED_THROUGH), _N_LOOKED_THROUGH)
    rows = (entry for entry in reversed(entries) if isinstance(entry, Assignment) and entry.is_draw and entry.unit.id)
    yield from islice((row for row in rows if row.experiment_id == experiment_id), _N_CASES)
