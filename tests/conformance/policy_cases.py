"""Every policy with some experiments, contexts and rewards: a new policy adds one line to SPECS."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.policies import Policy
from engine.randomness import draw, quantise
from engine.records import Assignment, Context, DrawKey, Reason, Reward, Unit
from engine.specs import (
    ContextualSpec,
    EpsilonGreedySpec,
    Explorer,
    FixedSpec,
    LearnerType,
    LinearSpec,
    PolicySpec,
    Posterior,
    Rule,
    SegmentsSpec,
    SoftmaxSpec,
    ThompsonSpec,
    Ucb1Spec,
)

RULES = SegmentsSpec(
    (
        Rule({"visits": {"$gte": 3}}, {"plain": 0.25, "bold: now|": 0.75}),
        Rule({"$or": [{"member": False}, {"likes: |": {"$in": ["b", "é ü 東京 🙂"]}}]}, {"grün": 1.0}),
    ),
    otherwise={"plain": 0.7, "last one": 0.3},
)
SPECS: dict[str, PolicySpec] = {
    "fixed": FixedSpec(),
    "fixed with weights": FixedSpec({"plain": 0.5, "bold: now|": 0.3, "grün": 0.15, "last one": 0.05}),
    "segments": RULES,
    "segments without rules": SegmentsSpec(),
    "thompson": ThompsonSpec(),
    "thompson that expects little": ThompsonSpec(prior_alpha=2.5, prior_beta=40.0),
    "thompson after rules": ThompsonSpec(prior=RULES),
    "thompson that fades": ThompsonSpec(half_life=timedelta(minutes=10)),
    "thompson in a window": ThompsonSpec(window=timedelta(minutes=10)),
    "gaussian": ThompsonSpec(posterior=Posterior.GAUSSIAN),
    "gaussian that fades": ThompsonSpec(posterior=Posterior.GAUSSIAN, half_life=timedelta(minutes=10)),
    "gaussian in a window": ThompsonSpec(posterior=Posterior.GAUSSIAN, window=timedelta(minutes=10)),
    "counts": ThompsonSpec(posterior=Posterior.GAMMA_POISSON),
    "counts that fade": ThompsonSpec(posterior=Posterior.GAMMA_POISSON, half_life=timedelta(minutes=10)),
    "counts in a window": ThompsonSpec(posterior=Posterior.GAMMA_POISSON, window=timedelta(minutes=10)),
    "epsilon greedy": EpsilonGreedySpec(),
    "epsilon greedy that fades": EpsilonGreedySpec(half_life=timedelta(minutes=10)),
    "epsilon greedy after rules": EpsilonGreedySpec(prior=RULES),
    "ucb1": Ucb1Spec(width=0.3),
    "ucb1 in a window": Ucb1Spec(width=0.3, window=timedelta(minutes=10)),
    "softmax": SoftmaxSpec(),
    "softmax that fades": SoftmaxSpec(half_life=timedelta(minutes=10)),
    "linear": LinearSpec(),
    "contextual": ContextualSpec(),
    "contextual, greedy": ContextualSpec(gamma=1000.0),
    "contextual after rules": ContextualSpec(prior=RULES),
    "contextual by epsilon": ContextualSpec(explorer=Explorer.EPSILON),
    "contextual by softmax": ContextualSpec(explorer=Explorer.SOFTMAX, temperature=0.05),
    "contextual by a bag": ContextualSpec(explorer=Explorer.BAG),
    "contextual by cover": ContextualSpec(explorer=Explorer.COVER),
    "contextual by rnd": ContextualSpec(explorer=Explorer.RND),
    "contextual by regcb": ContextualSpec(explorer=Explorer.REGCB),
    "contextual, first at random": ContextualSpec(explorer=Explorer.FIRST, n_first=100),
    "contextual by epsilon that decays": ContextualSpec(explorer=Explorer.EPSILON_DECAY, learner=LearnerType.MTR),
    "contextual by ips": ContextualSpec(explorer=Explorer.EPSILON, learner=LearnerType.IPS),
    "contextual by dr": ContextualSpec(explorer=Explorer.EPSILON, learner=LearnerType.DR),
}

VARIANTS = (
    Variant("plain"),
    Variant("bold: now|", features={"price": 1e9, "tags": ("a b", "c|d"), "new": True}),
    Variant("grün", features={"price": 0.0, "kind": "U:1\n|A x"}),
    Variant("last one", levels={"size": "big"}),
)
FIELDS = (
    ContextField("visits", FieldType.NUMBER),
    ContextField("plan", FieldType.TEXT),
    ContextField("member", FieldType.FLAG),
    ContextField("likes: |", FieldType.TEXTS),
)
CONTEXTS: list[Context] = [
    {},
    {"visits": 3.0, "plan": "pro", "member": True, "likes: |": ("a", "b")},
    {"visits": -1e30, "plan": "New York:1 |A id=x\nshared |U y", "member": False, "likes: |": ()},
    {"visits": 0.0, "plan": "", "likes: |": ("", "é ü 東京 🙂", "é ü 東京 🙂")},
    {"plan": "x" * 5000, "unknown field": "ignored"},
]
START = datetime(2024, 1, 1, tzinfo=UTC)


def experiment_with(spec: PolicySpec) -> Experiment:
    return Experiment("hero", VARIANTS, (Metric("click"),), context=FIELDS, policy=spec)


def chosen(experiment: Experiment) -> set[Explorer | LearnerType]:
    """Return what of Vowpal Wabbit an experiment asks for."""
    spec = experiment.policy
    return {spec.explorer, spec.learner} if isinstance(spec, ContextualSpec) else set()


def reward_of(
    seq: int, context: Context, eligible: Sequence[str], weights: Sequence[int], chosen: str, value: float
) -> Reward:
    assignment = Assignment(
        "hero",
        chosen,
        Reason.DRAWN,
        Unit("customer", str(seq)),
        START,
        START,
        assignment_id=f"{seq:032x}",
        draw_key=DrawKey.ASSIGNMENT,
        is_draw=True,
        eligible=tuple(eligible),
        distribution=tuple(weights),
        context=context,
        seq=seq,
    )
    return Reward(assignment, value, START + timedelta(seconds=seq), 1)


def some_rewards(n: int, seed: int = 0) -> list[Reward]:
    """Rewards of random draws: of all variants or three of them, in any of the contexts, whole or in between."""
    rng = np.random.default_rng(seed)
    rewards = []
    for seq in range(n):
        names = [variant.name for variant in VARIANTS]
        if rng.random() < 0.3:
            names.pop(int(rng.integers(4)))
        weights = quantise(list(rng.dirichlet(np.ones(len(names)))), 0.1)
        chosen = names[draw(weights, int(rng.integers(2**32)))]
        value = float(rng.choice([0.0, 1.0, rng.random()]))
        rewards.append(reward_of(seq, CONTEXTS[rng.integers(len(CONTEXTS))], names, weights, chosen, value))
    return rewards


def ask_all(policy: Policy) -> list[tuple[float, ...]]:
    subsets = [VARIANTS, VARIANTS[1:], VARIANTS[:3], VARIANTS[::3], VARIANTS[2:3]]
    return [tuple(policy.distribution(context, subset)) for context in CONTEXTS for subset in subsets]
