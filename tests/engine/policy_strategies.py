"""Random policies of every kind and rewards to learn from, each with every field that it can have."""

from dataclasses import fields
from datetime import timedelta

from hypothesis import strategies as st

from engine.metric_rules import MAX_WINDOW
from engine.metrics import Aggregation, RewardTerm
from engine.policies.explorers import contextual_problems
from engine.reward_rules import default_scale, why_no_reward
from engine.specs import (
    POLICY_SPECS,
    ContextualSpec,
    EpsilonGreedySpec,
    Explorer,
    FixedSpec,
    LearnerType,
    LinearSpec,
    Posterior,
    SoftmaxSpec,
    ThompsonSpec,
    Ucb1Spec,
)
from tests.engine.funnel_strategies import (
    any_segments,
    any_texts,
    any_times,
    any_weights,
    segments_of,
    shares,
    shares_of,
    times,
)

floors = st.floats(1e-6, 1)
positive = st.floats(1e-6, 1e6)
interactions = st.lists(
    st.lists(st.sampled_from(["context", "variant"]), min_size=2, max_size=4).map(tuple), max_size=2
)
drifts = st.sampled_from(["half_life", "window"]).flatmap(lambda name: st.fixed_dictionaries({name: times})) | st.just(
    {}
)


@st.composite
def learning_settings(draw, variant_names, alive, context, *, may_hold, serves):
    """Return what every policy that learns has. `may_hold` names variants that can have a share of their own."""
    own = draw(st.just({}) | held(may_hold)) if may_hold and serves else {}
    prior = st.none() | segments_of(variant_names, alive, context, st.just(0.0))
    return {
        "floor": draw(st.floats(1e-6, 0.99)) * (1 - sum(own.values())) if own else draw(floors),
        "control_share": draw(st.floats(0, 0.99)) if serves else 0.0,
        "shares": own,
        "publish_every": draw(st.integers(1, 10**6)),
        "publish_after": draw(st.timedeltas(timedelta(0), MAX_WINDOW)),
        "prior": draw(prior) if alive else None,
    }


def held(names):
    """Return shares of some variants that leave room for others."""
    held_ones = st.lists(st.sampled_from(names), min_size=1, unique=True)
    parts = held_ones.flatmap(lambda chosen: shares_of([*chosen, ""]))
    return parts.map(lambda parts: {name: share for name, share in parts.items() if name})


def own_settings(posteriors):
    """Return by kind what a policy that learns has beside that."""
    return {
        "thompson": st.sampled_from(posteriors).flatmap(thompson_settings),
        "epsilon_greedy": st.fixed_dictionaries({"epsilon": st.floats(0, 1)}),
        "ucb1": st.fixed_dictionaries({"width": positive}),
        "softmax": st.fixed_dictionaries({"temperature": positive}),
        "linear": st.fixed_dictionaries({"width": positive, "prior_weight": positive}),
        "contextual": st.sampled_from(Explorer).flatmap(contextual_settings),
    }


def contextual_settings(explorer):
    specs = [ContextualSpec(explorer=explorer, learner=learner) for learner in LearnerType]
    return st.fixed_dictionaries(
        {
            "explorer": st.just(explorer),
            "learner": st.sampled_from([spec.learner for spec in specs if not list(contextual_problems(spec))]),
            **dict.fromkeys(("gamma", "temperature", "learning_rate"), positive),
            "epsilon": floors,
            "n_models": st.integers(1, 50),
            "n_first": st.integers(1, 10**6),
            "interactions": interactions.map(tuple),
        }
    )


def thompson_settings(posterior):
    if posterior is Posterior.GAUSSIAN:
        prior = {"prior_mean": st.floats(0, 1), "prior_weight": positive}
    else:
        prior = {"prior_alpha": st.floats(1, 99), "prior_beta": st.floats(1, 99)}
    return st.fixed_dictionaries({"posterior": st.just(posterior), **prior})


@st.composite
def learners_of(draw, kind, common, posteriors):
    forgets = drifts if kind in AVERAGES else st.just({})
    return LEARNERS[kind](**draw(common), **draw(own_settings(posteriors)[kind]), **draw(forgets))


AVERAGES = {"thompson": ThompsonSpec, "epsilon_greedy": EpsilonGreedySpec, "ucb1": Ucb1Spec, "softmax": SoftmaxSpec}
LEARNERS = {**AVERAGES, "linear": LinearSpec, "contextual": ContextualSpec}


def policies_of(variant_names, alive, context, *, learnable, may_hold=(), serves=True, counts=True):
    """Return policies of every kind that is possible, by kind: of those that serve, or of shadows."""
    posteriors = [each for each in Posterior if counts or each is not Posterior.GAMMA_POISSON]
    common = learning_settings(variant_names, alive, context, may_hold=list(may_hold), serves=serves)
    by_kind = {
        "fixed": st.builds(FixedSpec, st.just({}) | shares_of(variant_names)),
        "segments": segments_of(variant_names, alive, context, st.just(0.0) | floors),
        **{kind: learners_of(kind, common, posteriors) for kind in LEARNERS},
    }
    assert by_kind.keys() == POLICY_SPECS.keys()
    return {kind: each for kind, each in by_kind.items() if (learnable or kind not in LEARNERS) and not each.is_empty}


def one_of(by_kind):
    """Return policies of any kind, each as often."""
    return st.sampled_from(list(by_kind.values())).flatmap(lambda each: each)


def policies_for_candidates(variant_names, context, *, learnable, serves=True):
    """Return policies that can choose among variants that they were never told of."""
    common = learning_settings(variant_names, "", context, may_hold=[], serves=serves)
    even = st.just(FixedSpec())
    return even | learners_of("contextual", common, [Posterior.BETA]) if learnable else even


# --- policies that can be sent, right or not -----------------------------------------------------------------------

any_drifts = st.sampled_from(["half_life", "window"]).flatmap(lambda name: st.fixed_dictionaries({name: any_times}))
# In the contract 0 is what an older client leaves out.
not_nought = shares.filter(bool)
some = st.integers(1, 10_000)
any_settings = {
    **dict.fromkeys(("floor", "control_share", "prior_alpha", "prior_beta", "prior_mean", "gamma"), shares),
    **dict.fromkeys(("prior_weight", "width", "epsilon", "temperature", "learning_rate"), not_nought),
    **dict.fromkeys(("publish_every", "n_models", "n_first"), some),
    "shares": any_weights,
    "publish_after": any_times,
    "prior": st.none() | any_segments,
    "posterior": st.sampled_from(Posterior),
    "explorer": st.sampled_from(Explorer),
    "learner": st.sampled_from(LearnerType),
    "interactions": st.lists(any_texts, max_size=2).map(tuple),
}


@st.composite
def any_learners(draw, spec):
    own = {field.name: any_settings[field.name] for field in fields(spec) if field.name in any_settings}
    forgets = any_drifts | st.just({}) if spec in AVERAGES.values() else st.just({})
    return spec(**draw(st.fixed_dictionaries(own)), **draw(forgets))


any_policies = st.one_of(
    st.builds(FixedSpec, any_weights), any_segments, *(any_learners(spec) for spec in LEARNERS.values())
)

# --- rewards -------------------------------------------------------------------------------------------------------


def term_shapes(metric):
    """Return every sign and aggregation with which a metric can be a term of the reward."""
    return [
        (sign, aggregation)
        for sign in (1.0, -1.0)
        for aggregation in Aggregation
        if not why_no_reward(metric, sign, aggregation)
    ]


@st.composite
def terms_of(draw, metric):
    sign, aggregation = draw(st.sampled_from(term_shapes(metric)))
    return RewardTerm(metric.name, sign * draw(st.floats(0.01, 100)), aggregation)


@st.composite
def rewards_of(draw, learnable):
    chosen = draw(st.lists(st.sampled_from(learnable), min_size=1, unique_by=lambda metric: metric.name))
    return tuple(draw(terms_of(metric)) for metric in chosen)


@st.composite
def scales_of(draw, experiment):
    """Return the reward's scale, or None for what the terms say, and the default, which lies on it."""
    scale = draw(st.none() | st.tuples(st.just(0.0) | st.floats(-1e3, -1e-3), st.floats(1e-3, 1e3)))
    low, high = scale or default_scale(experiment)
    return {"reward_scale": scale, "reward_default": min(high, max(low, draw(st.just(0.0) | st.floats(low, high))))}
