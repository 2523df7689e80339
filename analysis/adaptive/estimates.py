"""A variant's value and its lift over another, had every draw been this variant: by the rule of `weighting`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analysis.adaptive import means, ratios, weighting
from analysis.adaptive.means import Mean
from analysis.adaptive.ratios import Pair
from analysis.adaptive.scored import Part, Scored
from analysis.adaptive.scoring import effective_size
from analysis.adaptive.weighting import Weighting
from analysis.arrays import Floats
from analysis.estimate import LEVEL, Estimate, Scale, error_rate, not_evaluable
from analysis.lifts.comparison import Comparison
from analysis.logs import metrics
from analysis.logs.crediting import Counted
from analysis.sequential import planned
from analysis.texts import Name, Text, count, text

MIN_EVENTS = 5
"""An estimate needs so many effective outcomes of each variant (and, of a share, effective draws without one)."""


def value(found: Scored, variant: int, weights: Weighting | None = None) -> Estimate:
    """Return what a draw brings, had every draw been the variant; `weights` None goes by the rule."""
    part = found.of(variant)
    estimand = _estimand(found, "value", part)
    scale = scale_of(found)
    chosen = _weighting(found, part, weights)
    if isinstance(chosen, Text):
        return not_evaluable(chosen, estimand, part.n_own, scale=scale)
    mean = Mean.of(part.scores, _weights(found, part, chosen))
    low, high = means.interval(mean, error_rate(LEVEL, 1))
    note = _note(part, chosen)
    return Estimate(mean.value, low, high, part.n_own, _method(chosen), estimand, scale, note=note)


def lift(found: Scored, variant: int, other: int, family: int = 1, weights: Weighting | None = None) -> Comparison:
    """Return the lift of a variant over another; `family` intervals of this kind hold together.

    With planned looks they hold at all of those together (Bonferroni).
    """
    part = found.against(variant, other)
    estimands = _estimand(found, "difference", part), _estimand(found, "relative", part)
    scales = scale_of(found).difference, Scale.RELATIVE
    chosen = _weighting(found, part, weights)
    if isinstance(chosen, Text):
        nothing = [not_evaluable(chosen, of, part.n_own, scale=at) for of, at in zip(estimands, scales, strict=True)]
        return Comparison(*nothing)
    weight = _weights(found, part, chosen)
    method, note = _method(chosen), _note(part, chosen)
    blanks = [
        Estimate(None, None, None, part.n_own, method, of, at, note=note, family=family)
        for of, at in zip(estimands, scales, strict=True)
    ]
    looks = planned.n_looks(found.frame.experiment.plan)
    absolute = _absolute(Mean.of(part.scores, weight), blanks[0], looks)
    relative = _relative(found, part, weight, blanks[1], looks)
    return Comparison(*(planned.shared(one, looks) for one in (absolute, relative)))


def scale_of(found: Scored) -> Scale:
    """Return how a value is written."""
    return metrics.scale(found.metric)


def effective_events(found: Scored, part: Part, variant: int, weights: Floats | None = None) -> float:
    """Return how many equally weighted outcomes of a variant's draws would say as much as those that there are.

    Of a share, draws without an outcome count as well, and the fewer of both are returned: near 1 it is as hard to know
    as near 0. `weights` (n,) None are uniform.
    """
    drawn = part.drawn
    own = drawn.variant == variant
    size = (1.0 if weights is None else weights[own]) / drawn.propensity[own]
    values = drawn.values[own]
    happened = effective_size(size * np.abs(values))
    return min(happened, effective_size(size * (1 - values))) if found.is_share else happened


def difference(found: Scored, part: Part, family: int) -> Estimate:
    """Return the uniformly weighted difference as it is known, without an interval: what a sequence is put around."""
    estimand, scale = _estimand(found, "difference", part), scale_of(found).difference
    if not len(part.scores):
        return not_evaluable(_nothing(found, part), estimand, scale=scale)
    mean = float(part.scores.mean())
    return Estimate(mean, None, None, part.n_own, _method(Weighting.UNIFORM), estimand, scale, family=family)


def _absolute(mean: Mean, blank: Estimate, looks: int) -> Estimate:
    low, high = means.interval(mean, error_rate(LEVEL, blank.family * looks))
    return replace(blank, value=mean.value, low=low, high=high, p_value=min(1.0, looks * means.p_value(mean)))


def _relative(found: Scored, part: Part, weights: Floats, blank: Estimate, looks: int) -> Estimate:
    plus, minus = _columns(found, part)
    pair = Pair.of(plus, minus, weights)
    interval = ratios.interval(pair, error_rate(LEVEL, blank.family * looks))
    if interval is None:
        return not_evaluable(text("not_evaluable.not_identified"), blank.estimand, blank.n, scale=blank.scale)
    value = (pair.plus - pair.minus) / abs(pair.minus)
    return replace(
        blank, value=value, low=interval[0], high=interval[1], method=text("adaptive.fieller", method=blank.method)
    )


def _columns(found: Scored, part: Part) -> tuple[Floats, Floats]:
    """The scores of the two variants of a difference in the draws that could have been both, (n,) each."""
    rows = found.drawn.could_be(part.compared)
    plus, minus = part.compared
    return found.scores[rows, plus], found.scores[rows, minus]


def _weighting(found: Scored, part: Part, wanted: Weighting | None) -> Weighting | Text:
    """Return the weights that the rule allows, or in words why there are none."""
    if not len(part.scores):
        return _nothing(found, part)
    for weights in Weighting if wanted is None else (wanted,):
        if _suffices(found, part, weights):
            return text("not_evaluable.same_side") if _is_constant(part) else weights
    return text("adaptive.few_events", n=count(MIN_EVENTS))


def _nothing(found: Scored, part: Part) -> Text:
    if not len(found.drawn):
        return text("adaptive.nothing_yet")
    return text("adaptive.never" if len(part.compared) == 1 else "adaptive.never_together")


def _is_constant(part: Part) -> bool:
    """Whether a variant's draws all brought the same."""
    own = [part.drawn.values[part.drawn.variant == variant] for variant in part.compared]
    return any(np.ptp(values) == 0 for values in own)


def _suffices(found: Scored, part: Part, chosen: Weighting) -> bool:
    weights = None if chosen is Weighting.UNIFORM else _weights(found, part, chosen)
    return all(effective_events(found, part, variant, weights) >= MIN_EVENTS for variant in part.compared)


def _weights(found: Scored, part: Part, chosen: Weighting) -> Floats:
    return weighting.of(chosen, part.drawn, part.compared, reads_context=found.reads_context)


def _estimand(found: Scored, kind: str, part: Part) -> Text:
    names = [found.frame.variants[place] for place in part.compared]
    of = metrics.estimand(found.metric, Counted.ASSIGNMENT, found.sample.cut)
    return text(f"adaptive.{kind}", of=of, variant=names[0], **_control(names[1:]))


def _control(names: Sequence[Name]) -> dict[str, Name]:
    return {"control": names[0]} if names else {}


def _method(chosen: Weighting) -> Text:
    return text(f"adaptive.aipw_{chosen.value}")


def _note(part: Part, chosen: Weighting) -> Text | None:
    if chosen is Weighting.STABILISED:
        return text("adaptive.steady")
    return text("adaptive.not_eligible", n=count(part.n_left)) if part.n_left else None
