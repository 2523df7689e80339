"""The rules of an experiment: what is filled in when it was left out, and what is refused."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from engine.candidate_rules import candidate_problems
from engine.errors import InvalidExperiment
from engine.experiments import Experiment, Factor, FieldType, Variant
from engine.funnel_rules import funnel_in_one_form, funnel_problems
from engine.metric_rules import MAX_WINDOW, bad_names, metric_problems, plan_problems, with_windows
from engine.metrics import RewardTerm
from engine.policy_rules import policy_in_one_form, policy_problems
from engine.reward_rules import default_scale, reward_problems

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
MAX_VARIANTS = 1000
"""The most variants of an experiment, also of those that factors generate."""

MAX_PAYLOAD_DEPTH = 40
"""The deepest nesting of a payload."""

_NO_PAYLOAD = Variant("").payload


def define(experiment: Experiment) -> Experiment:
    """Return the experiment with everything filled in that was left out.

    Factors generate the variants, the first variant is control, the control is the default, the id is the seed, a
    policy that learns is rewarded by the first metric unless said otherwise, and a ratio has its metrics' window.

    Raises:
        InvalidExperiment: one sentence with every rule that is broken.

    >>> from engine.metrics import Metric
    >>> hero = define(Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),)))
    >>> hero.control, hero.default, hero.seed
    ('plain', 'plain', 'hero')
    """
    variants = experiment.variants or tuple(itertools.islice(combinations(experiment.factors), MAX_VARIANTS + 1))
    first = variants[0].name if variants else ""
    control = experiment.control or first
    complete = replace(
        funnel_in_one_form(experiment),
        variants=tuple(replace(each, payload=_canonical(each.payload) or each.payload) for each in variants),
        metrics=with_windows(experiment.metrics),
        control=control,
        default=experiment.default or control,
        policy=policy_in_one_form(experiment.policy),
        shadow=experiment.shadow and policy_in_one_form(experiment.shadow),
        seed=experiment.seed or experiment.experiment_id,
        reward=experiment.reward or default_reward(experiment),
    )
    complete = replace(complete, reward_scale=complete.reward_scale or default_scale(complete))
    problems = list(_problems(complete))
    if problems:
        raise InvalidExperiment(f"experiment {experiment.experiment_id!r}: " + "; ".join(problems))
    return complete


def _canonical(payload: str) -> str | None:
    """Return JSON text in one form, so that the spaces in it make no other experiment; None for what is no JSON."""
    try:
        value = json.loads(payload)
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError):
        return None
    return text if _depth(value) <= MAX_PAYLOAD_DEPTH else None


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def combinations(factors: tuple[Factor, ...]) -> Iterator[Variant]:
    """Yield a variant for every combination of levels, in the order of the factors, the first factor slowest.

    >>> [variant.name for variant in combinations((Factor("size", ("s", "l")), Factor("colour", ("red", "blue"))))]
    ['s-red', 's-blue', 'l-red', 'l-blue']
    """
    if not factors:
        return
    for levels in itertools.product(*(factor.levels for factor in factors)):
        by_factor = {factor.name: level for factor, level in zip(factors, levels, strict=True)}
        yield Variant("-".join(levels), json.dumps(by_factor, ensure_ascii=False), levels=by_factor)


def default_reward(experiment: Experiment) -> tuple[RewardTerm, ...]:
    """Return the reward of an experiment that names none: the first metric, for a policy or a shadow that learns."""
    learns = experiment.policy.learns or (experiment.shadow is not None and experiment.shadow.learns)
    return (RewardTerm(experiment.metrics[0].name, 1.0),) if learns and experiment.metrics else ()


def _problems(experiment: Experiment) -> Iterator[str]:
    yield from _naming_problems(experiment)
    yield from _variant_problems(experiment)
    yield from _blank_problems(experiment)
    yield from _factor_problems(experiment)
    yield from _context_problems(experiment)
    yield from metric_problems(experiment)
    yield from reward_problems(experiment)
    yield from policy_problems(experiment)
    yield from candidate_problems(experiment)
    yield from plan_problems(experiment)
    yield from funnel_problems(experiment)


def _naming_problems(experiment: Experiment) -> Iterator[str]:
    if not _ID.fullmatch(experiment.experiment_id):
        yield "its id must be 1 to 100 small letters, digits, '.', '_' or '-', and begin with a letter or digit"
    if not experiment.unit:
        yield "`unit` must name what is randomised, such as customer"
    if experiment.grace < timedelta(0):
        yield "`grace` must not be negative"
    if experiment.grace > MAX_WINDOW:
        yield f"`grace` must have {MAX_WINDOW.days} days at most"
    yield from bad_names("variant", (variant.name for variant in experiment.variants))
    yield from bad_names("factor", (factor.name for factor in experiment.factors))
    yield from bad_names("context field", (declared.name for declared in experiment.context))
    yield from bad_names("metric", (metric.name for metric in experiment.metrics))


def _variant_problems(experiment: Experiment) -> Iterator[str]:
    names = [variant.name for variant in experiment.variants]
    fewest = 2 if experiment.candidates is None else 1
    if len(names) > MAX_VARIANTS or (len(names) < fewest and not experiment.factors):
        yield f"it needs {fewest} to {MAX_VARIANTS} variants and has {_how_many(experiment)}"
    for role, name in (("control", experiment.control), ("default", experiment.default)):
        if names and name not in names:
            yield f"`{role}` names {name!r}, which is no variant (there are {', '.join(names)})"
    for variant in experiment.variants:
        if _canonical(variant.payload) is None:
            yield f"the payload of variant {variant.name!r} must be JSON of at most {MAX_PAYLOAD_DEPTH} levels"
        for name, value in variant.features.items():
            if isinstance(value, float) and not math.isfinite(value):
                yield f"feature {name!r} of variant {variant.name!r} must be a finite number"


def _blank_problems(experiment: Experiment) -> Iterator[str]:
    variants = experiment.variants
    for variant in variants:
        if variant.is_blank and variant.payload != _NO_PAYLOAD:
            yield f"variant {variant.name!r} is blank, which shows nothing, and has a payload: leave one of them out"
        if variant.is_blank and experiment.factors:
            yield (
                f"variant {variant.name!r} stands for a level of each factor, so it is not blank: "
                "name a level that shows nothing instead"
            )
    if variants and experiment.candidates is None and all(variant.is_blank for variant in variants):
        yield "every variant is blank: one at least must show something"


def _how_many(experiment: Experiment) -> int:
    return math.prod(len(f.levels) for f in experiment.factors) if experiment.factors else len(experiment.variants)


def _factor_problems(experiment: Experiment) -> Iterator[str]:
    for factor in experiment.factors:
        if len(factor.levels) < 2:
            yield f"factor {factor.name!r} needs at least two levels and has {len(factor.levels)}"
        yield from bad_names(f"level of factor {factor.name!r}", factor.levels)
    generated = itertools.islice(combinations(experiment.factors), MAX_VARIANTS + 1)
    if experiment.factors and [v.levels for v in generated] != [v.levels for v in experiment.variants]:
        yield "give either `variants` or `factors`: factors generate every variant"


def _context_problems(experiment: Experiment) -> Iterator[str]:
    flags = [declared.name for declared in experiment.context if declared.type is FieldType.FLAG]
    if experiment.requires_consent and experiment.requires_consent not in flags:
        yield f"`requires_consent` names {experiment.requires_consent!r}, which must be declared in `context` as a flag"
