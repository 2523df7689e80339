"""What a contextual policy is configured with, as arguments of Vowpal Wabbit, and which configurations are refused.

Nothing here loads Vowpal Wabbit: a definition is also checked where it is not installed.

Which learner an explorer goes with was found by asking VW 9.9.0. Its own `--cb_type dm` learns propensity times reward,
so that our `dm` is its regression `mtr` told the propensity of `_NO_WEIGHT`: what was observed, each alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.specs import ContextualSpec, Explorer, LearnerType

CONTEXT, VARIANT = "context", "variant"
"""The sides of which products of features are made."""

_NO_WEIGHT = 1.0
_MOST_MODELS = 50
_MOST_BITS = 21
"""Writing 2**21 weights down takes ten milliseconds or two, in which nothing else in the process runs."""
_N_PARTS = range(2, 5)
_LETTERS = {CONTEXT: "U", VARIANT: "A"}

_ANY = frozenset(LearnerType)
_LEARNERS: Mapping[Explorer, frozenset[LearnerType]] = {
    Explorer.SQUARECB: frozenset({LearnerType.DM}),
    Explorer.REGCB: frozenset({LearnerType.DM}),
    Explorer.RND: frozenset({LearnerType.DM, LearnerType.MTR}),
    Explorer.EPSILON_DECAY: _ANY - {LearnerType.DM},
}
"""The learners of explorers that do not go with all of them."""

_WHY: Mapping[Explorer, str] = {
    Explorer.SQUARECB: "it is made of a regression of rewards as they are, and forgets propensities",
    Explorer.REGCB: "it is made of a regression of rewards as they are, and forgets propensities",
    Explorer.RND: "its bonus is the error of a regression",
    Explorer.EPSILON_DECAY: "it compares its models by their propensities",
}

_WARNINGS: Mapping[Explorer, str] = {
    Explorer.RND: "in Vowpal Wabbit 9.9.0 rnd is not even while untaught, and takes several times as long as squarecb",
    Explorer.COVER: "Vowpal Wabbit 9.9.0 has cover's test of when to predict inverted (its pull request 4838), and its "
    "policies go on disagreeing where they should have settled, so that the best variant may get no more than others",
    Explorer.REGCB: "in Vowpal Wabbit 9.9.0 regcb gives up variants wholly, so that the floor alone still tries them, "
    "and its time grows with the square of their number",
}


def warning(spec: ContextualSpec) -> str:
    """Return what is wrong with the spec's explorer in Vowpal Wabbit 9.9.0 as a clause, or an empty text.

    >>> warning(ContextualSpec())
    ''
    """
    return _WARNINGS.get(spec.explorer, "")


def contextual_problems(spec: ContextualSpec) -> Iterator[str]:
    """Yield a sentence for every rule that a contextual policy's own settings break.

    >>> list(contextual_problems(ContextualSpec(epsilon=0)))
    ['epsilon is 0 and must be in (0, 1]']
    """
    learners = _LEARNERS.get(spec.explorer, _ANY)
    if spec.learner not in learners:
        words = " or ".join(f"`{learner.value}`" for learner in LearnerType if learner in learners)
        yield f"{spec.explorer.value} cannot learn by `{spec.learner.value}`: {_WHY[spec.explorer]}, so take {words}"
    yield from _range_problems(spec)
    for product in spec.interactions:
        if len(product) not in _N_PARTS or not set(product) <= _LETTERS.keys():
            yield f"the interaction {list(product)} must have 2 to 4 parts, each `{CONTEXT}` or `{VARIANT}`"


def _range_problems(spec: ContextualSpec) -> Iterator[str]:
    positive = {"gamma": spec.gamma, "the temperature": spec.temperature, "the learning rate": spec.learning_rate}
    for name, value in positive.items():
        # VW computes with 32 bits, where smaller ones are 0 and greater ones infinite.
        if not 1e-6 <= value <= 1e6:
            yield f"{name} is {value:g} and must be a positive number, from 1e-6 to 1e6"
    if not 0 < spec.epsilon <= 1:
        yield f"epsilon is {spec.epsilon:g} and must be in (0, 1]"
    if not 1 <= spec.n_models <= _MOST_MODELS:
        yield f"`n_models` is {spec.n_models} and must be from 1 to {_MOST_MODELS}"
    if not 1 <= spec.n_first < 2**31:
        yield f"`n_first` is {spec.n_first} and must be at least 1"


def vw_arguments(spec: ContextualSpec, bits: int) -> tuple[str, ...]:
    """Return the arguments of Vowpal Wabbit, for 2**bits features.

    Costs are rewards with the sign turned: from -1 to 0.
    """
    vw_learner = LearnerType.MTR if spec.learner is LearnerType.DM else spec.learner
    learner = ("--cb_type", vw_learner.value, "--learning_rate", repr(float(spec.learning_rate)))
    # All models of an explorer share VW's 2**b weights: with several, fewer features would be told apart.
    rest = ("-b", str(min(bits + (_n_regressions(spec) - 1).bit_length(), _MOST_BITS)), "--random_seed", "0")
    return ("--cb_explore_adf", *_explorer(spec), *learner, *_products(spec), *rest)


def _explorer(spec: ContextualSpec) -> tuple[str, ...]:
    n_models = str(spec.n_models)
    arguments: Mapping[Explorer, tuple[str, ...]] = {
        Explorer.SQUARECB: ("--squarecb", "--gamma_scale", repr(float(spec.gamma))),
        Explorer.EPSILON: ("--epsilon", repr(float(spec.epsilon))),
        Explorer.EPSILON_DECAY: ("--epsilon_decay", "--initial_epsilon", repr(float(spec.epsilon))),
        Explorer.SOFTMAX: ("--softmax", "--lambda", repr(1.0 / spec.temperature)),
        Explorer.BAG: ("--bag", n_models),
        Explorer.FIRST: ("--first", str(spec.n_first)),
        Explorer.RND: ("--rnd", n_models),
        Explorer.COVER: ("--cover", n_models),
        Explorer.REGCB: ("--regcb", "--cb_min_cost", "-1", "--cb_max_cost", "0"),
    }
    return arguments[spec.explorer]


def _n_regressions(spec: ContextualSpec) -> int:
    """Return how many weights VW keeps for each feature: doubly robust learners have another regression each."""
    n_models = {
        Explorer.BAG: spec.n_models,
        Explorer.RND: spec.n_models + 1,
        Explorer.COVER: 2 * (spec.n_models + 1),
        Explorer.EPSILON_DECAY: 4,
    }
    return n_models.get(spec.explorer, 1) * (2 if spec.learner is LearnerType.DR else 1)


def _products(spec: ContextualSpec) -> Iterator[str]:
    yield from ("-q", _LETTERS[CONTEXT] + _LETTERS[VARIANT])
    for product in sorted({"".join(sorted(_LETTERS[part] for part in parts)) for parts in spec.interactions} - {"AU"}):
        yield from ("--interactions", product)


def told_propensity(spec: ContextualSpec, propensity: float) -> float:
    """Return the propensity that Vowpal Wabbit is told of a draw: its own, or none at all where learning is direct.

    SquareCB's oracle regresses what was observed as it is (algorithm 1 of Foster and Rakhlin, 2020). Told the real one,
    a regression would weigh a success at the floor a hundredfold, and the allocation would swing with each.
    """
    return _NO_WEIGHT if spec.learner is LearnerType.DM else propensity


def has_many_models(spec: ContextualSpec) -> bool:
    """Whether the explorer asks several models of the reward, so that its prediction is their mean."""
    return spec.explorer is Explorer.BAG
