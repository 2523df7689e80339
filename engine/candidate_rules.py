"""The rules of experiments whose requests bring candidates, or fill several slots."""

from __future__ import annotations

from collections.abc import Iterator

from engine.experiments import Experiment
from engine.metric_rules import bad_names
from engine.specs import ContextualSpec, FixedSpec, LearningSpec, PolicySpec

MAX_SLOTS = 100
"""The most positions that a request can fill."""


def candidate_problems(experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for every rule that candidates and slots break."""
    if experiment.candidates is not None:
        yield from bad_names("candidate field", (declared.name for declared in experiment.candidates))
        yield from _choosing_problems(experiment)
        if experiment.factors:
            yield "`factors` generate every variant, and requests bring `candidates`: give one of the two"
        if experiment.sticky:
            yield "a sticky unit keeps a declared variant, and requests bring `candidates`: give one of the two"
    yield from _slot_problems(experiment)
    if has_several_answers(experiment):
        yield from _share_problems(experiment)


def has_several_answers(experiment: Experiment) -> bool:
    """Whether what a unit gets is more than one declared variant, so that nothing else can depend on it."""
    return experiment.candidates is not None or experiment.slots > 1


def _policies(experiment: Experiment) -> Iterator[tuple[str, PolicySpec]]:
    """Yield the policy and the shadow, if there is one, with what each is called."""
    yield "the policy", experiment.policy
    if experiment.shadow is not None:
        yield "the shadow", experiment.shadow


def _choosing_problems(experiment: Experiment) -> Iterator[str]:
    """Yield what forbids a policy to choose among variants that it was never told of."""
    for what, policy in _policies(experiment):
        match policy:
            case FixedSpec(weights=weights) if not weights:
                pass
            case ContextualSpec(prior=None):
                pass
            case FixedSpec():
                yield f"{what} has weights, which name no candidate: leave them out"
            case ContextualSpec():
                yield f"{what} has a prior, which names no candidate: leave it out"
            case _:
                yield f"{what} is {policy.kind}, which knows no candidates: take contextual, or fixed without weights"


def _slot_problems(experiment: Experiment) -> Iterator[str]:
    slots, n_variants = experiment.slots, len(experiment.variants)
    if not 1 <= slots <= MAX_SLOTS:
        yield f"`slots` is {slots} and must be from 1 to {MAX_SLOTS}"
    elif experiment.candidates is None and slots > max(1, n_variants):
        yield f"`slots` is {slots} and there are {n_variants} variants to fill them: each fills one at most"
    if slots > 1 and experiment.sticky:
        yield "a sticky unit keeps one variant, and `slots` are filled by several: give one of the two"


def _share_problems(experiment: Experiment) -> Iterator[str]:
    for what, policy in _policies(experiment):
        if isinstance(policy, LearningSpec) and policy.shares:
            yield f"{what} has `shares`, which do not go with candidates or several slots: leave them out"
