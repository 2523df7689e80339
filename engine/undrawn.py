"""Why a logged answer was no draw, in words, and whether it is the answer that the reason asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from engine import drawing
from engine.blocks import duration_text
from engine.catalog import Live
from engine.condition_rules import condition_problems
from engine.experiments import ContextField, Experiment
from engine.explanation import Step
from engine.funnel import Cap, Condition, Layer
from engine.records import Assignment, Context, Reason
from engine.targeting import evaluate

_LESS_THAN_ASKED = frozenset({Reason.CAPPED, Reason.CONTEXT_INVALID})
"""Reasons of rows whose context may lack a field that the request had: what was of another type is not kept."""

_ASKED_FOR = frozenset({Reason.FORCED, Reason.QA})
"""Reasons of answers that somebody named."""

Found = tuple[str, bool]


def holds(condition: Condition, row: Assignment, experiment: Experiment) -> bool | None:
    """Return whether a condition holds for a row's context; None where it read what the log does not keep."""
    declared = {field.name: field.type for field in experiment.context}
    is_less = row.reason in _LESS_THAN_ASKED and bool(declared.keys() - row.context.keys())
    if is_less or any(condition_problems(condition, declared, only_declared=True)):
        return None
    return evaluate(condition, row.context)


def why(row: Assignment, live: Live, layer: Layer | None) -> Step:
    """Return the step that settled the answer before anything was drawn; `layer` is the experiment's, if it has one."""
    if row.slot and row.reason in _ASKED_FOR:
        said, is_so = "the first slot is; the others are filled as usual", True
    elif row.reason is Reason.CAPPED:
        said, is_so = _capped(live.experiment, layer)
    else:
        said, is_so = _WHY[row.reason](row, live.experiment)
    return Step("reason", f"{row.reason.value.replace('_', ' ')}: {said}", is_so)


def answer(row: Assignment, live: Live) -> Step:
    """Return what was answered; what nobody asked for is the default, or what a prior chose for the context.

    Candidates, and slots after the first, are in their usual order less what the request excluded, which no row keeps.
    """
    is_there = row.variant in live.by_name or any(each.name == row.variant for each in row.candidates)
    if row.reason in _ASKED_FOR and not row.slot:
        return Step("answer", f"{row.variant}, without a draw", is_there)
    if row.slot or row.candidates:
        return Step("answer", f"{row.variant}, in the usual order", is_there)
    prior = live.prior if row.reason in drawing.POLICYS else None
    if prior is None:
        return Step("answer", f"{row.variant}, the default", row.variant == live.experiment.default)
    alive = live.experiment.alive(live.experiment.variants)
    likeliest = drawing.likeliest(prior, row.context, alive, live.experiment.default)
    what = "the prior's likeliest here" if row.variant == likeliest else "the prior's likeliest of those that were left"
    return Step("answer", f"{row.variant}, {what}", is_there)


def _forced(row: Assignment, experiment: Experiment) -> Found:
    for number, rule in enumerate(experiment.forced, 1):
        if rule.variant == row.variant and holds(rule.when, row, experiment):
            return f"by rule {number}, or for this unit by itself", True
    return "for this unit by itself, or by a rule that reads what the log does not keep", True


def _missing(row: Assignment, experiment: Experiment) -> Found:
    names = [*_left_out(experiment.context, row.context, only_required=True), *_of_candidates(row, experiment, True)]
    return f"required and not given: {', '.join(names) or 'nothing'}", bool(names)


def _invalid(row: Assignment, experiment: Experiment) -> Found:
    names = [*_left_out(experiment.context, row.context), *_of_candidates(row, experiment)]
    return f"of another type than declared, or not given: {', '.join(names) or 'nothing'}", bool(names)


def _no_variants(row: Assignment, experiment: Experiment) -> Found:
    if experiment.candidates is not None and not row.candidates:
        return "the request brought no candidates", True
    return "the request excluded all that the unit could get", True


def _left_out(fields: Iterable[ContextField], given: Context, *, only_required: bool = False) -> list[str]:
    return [field.name for field in fields if field.name not in given and (field.required or not only_required)]


def _of_candidates(row: Assignment, experiment: Experiment, only_required: bool = False) -> list[str]:
    """Return the features that a candidate lacks, the first one that lacks any."""
    for candidate in row.candidates:
        names = _left_out(experiment.candidates or (), candidate.features, only_required=only_required)
        if names:
            return [f"{name} of {candidate.name}" for name in names]
    return []


def _capped(experiment: Experiment, layer: Layer | None) -> Found:
    funnel, found = experiment.funnel, []
    if funnel.cap:
        found.append(f"{_met(funnel.cap)} of this experiment")
    if layer and layer.cap:
        found.append(f"{_met(layer.cap)} of its layer")
    if funnel.rest:
        within, lasts = duration_text(funnel.rest.within), duration_text(funnel.rest.lasts)
        found.append(f"no {funnel.rest.outcome} within {within} and so left alone for {lasts}")
    return f"the unit had {', or '.join(found) or 'no cap'}", bool(found)


def _met(cap: Cap) -> str:
    return f"{cap.n} exposures in {duration_text(cap.window)}"


def _plainly(said: str) -> Callable[[Assignment, Experiment], Found]:
    return lambda *_: (said, True)


_WHY: Mapping[Reason, Callable[[Assignment, Experiment], Found]] = {
    Reason.FORCED: _forced,
    Reason.QA: _plainly("asked for by somebody who tests the product: it is in no estimate"),
    Reason.CONTEXT_MISSING: _missing,
    Reason.CONTEXT_INVALID: _invalid,
    Reason.NO_VARIANTS: _no_variants,
    Reason.POLICY_FAILED: _plainly("the policy failed, or what it had learned could not be restored"),
    Reason.POLICY_SLOW: _plainly("the policy took longer than it may"),
}
