"""Experiments as files that a marketer can write: friendly form <-> Experiment.

Every field of an experiment can be written. What `definition.define` fills in can be left out: `dump` leaves it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine import forms, funnel_forms, policy_forms
from engine.blocks import Block, Node, duration_text
from engine.definition import define
from engine.errors import InvalidExperiment
from engine.experiments import Experiment, ExposureRule
from engine.form_pieces import Reader, only_one
from engine.funnel import Funnel
from engine.yaml_text import MAX_BYTES, not_text, parse, too_long, write

__all__ = ["Block", "Node", "dump", "load", "parse", "read", "read_text"]

_UNIT = "customer"

_SAID_WHEN_EMPTY = ("candidates",)
"""Where nothing is declared of a thing that there is, which is not the same as to leave it out."""

_READERS: Mapping[str, Reader] = {
    "experiment": only_one,
    "brief": forms.brief,
    "unit": only_one,
    "fallback_unit": funnel_forms.fallback_unit,
    "sticky": funnel_forms.sticky,
    "context": forms.context,
    "requires_consent": only_one,
    **funnel_forms.FUNNEL,
    "factors": forms.factors,
    "variants": forms.variants,
    "control": only_one,
    "default": only_one,
    "killed": Node.texts,
    "forced": funnel_forms.forced,
    "policy": policy_forms.policy,
    "shadow": policy_forms.policy,
    "candidates": forms.context,
    "slots": Node.whole,
    "metrics": forms.metrics,
    "reward": forms.reward,
    "reward_scale": forms.two_numbers,
    "reward_default": Node.number,
    "exposure": forms.exposure,
    "seed": Node.text,
    "grace": Node.duration,
    "plan": forms.plan,
    "segments": Node.texts,
}


def load(text: str, name: str = "the file") -> Experiment:
    """Return the experiment that a file declares, with everything filled in that was left out.

    Raises:
        InvalidExperiment: one line with the file's name, the line where it is known, and what to do.

    >>> load("{experiment: hero, variants: [plain, bold], metrics: [click]}").control
    'plain'
    """
    given = parse(text, name).read(**_READERS)
    if "experiment" not in given:
        raise InvalidExperiment(f"{name}: `experiment` is missing: name it, such as `experiment: home-offer`")
    funnel = Funnel(**{field: given.pop(field) for field in funnel_forms.FUNNEL if field in given})
    complete = {"variants": (), "metrics": (), "experiment_id": given.pop("experiment"), "funnel": funnel, **given}
    try:
        return define(Experiment(**complete))
    except InvalidExperiment as error:
        raise InvalidExperiment(f"{name}: {error}") from None


def read(path: str | Path) -> Experiment:
    """Return the experiment in a file.

    Raises:
        InvalidExperiment: the file cannot be read, or what it says is refused.
    """
    return load(read_text(path), Path(path).name)


def read_text(path: str | Path) -> str:
    """Return the text of a file of at most 1 MB.

    Raises:
        InvalidExperiment: there is no such file, it is too long, or it is no text.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidExperiment(f"{path} cannot be read ({error.strerror}): check its name and rights") from None
    if len(data) > MAX_BYTES:
        raise too_long(Path(path).name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise not_text(Path(path).name) from None


def dump(experiment: Experiment) -> str:
    """Return the shortest file of a defined experiment: `load` gives back an equal one.

    >>> print(dump(load("{experiment: hero, variants: {no: {}, yes: }, metrics: {click: {window: 36h}}}")), end="")
    experiment: hero
    variants: [no, yes]
    metrics:
      click: {window: 1d12h}
    """
    written = {
        "experiment": experiment.experiment_id,
        "brief": forms.brief_data(experiment.brief),
        "unit": _unless(experiment.unit, _UNIT),
        "fallback_unit": experiment.fallback_unit,
        "sticky": funnel_forms.sticky_data(experiment.sticky),
        "context": forms.context_data(experiment.context),
        "requires_consent": experiment.requires_consent,
        **funnel_forms.funnel_data(experiment.funnel),
        "factors": forms.factors_data(experiment.factors),
        "variants": forms.variants_data(experiment),
        "control": _unless(experiment.control, experiment.variants[0].name),
        "default": _unless(experiment.default, experiment.control),
        "killed": list(experiment.killed),
        "forced": funnel_forms.forced_data(experiment.forced),
        "policy": policy_forms.policy_data(experiment),
        "shadow": policy_forms.shadow_data(experiment),
        "candidates": forms.candidates_data(experiment),
        "slots": experiment.slots if experiment.slots > 1 else "",
        "metrics": forms.metrics_data(experiment.metrics),
        "reward": forms.reward_data(experiment),
        "reward_scale": forms.scale_data(experiment),
        "reward_default": experiment.reward_default or "",
        "exposure": _unless(experiment.exposure.value, ExposureRule.ASSIGNED.value),
        "seed": _unless(experiment.seed, experiment.experiment_id),
        "grace": duration_text(experiment.grace) if experiment.grace else "",
        "plan": forms.plan_data(experiment.plan),
        "segments": list(experiment.segments),
    }
    return write({name: value for name, value in written.items() if value or _is_said(name, value)})


def _is_said(name: str, value: object) -> bool:
    return name in _SAID_WHEN_EMPTY and value is not None


def _unless(value: str, default: str) -> str:
    return "" if value == default else value
