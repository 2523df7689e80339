"""The flags of OpenFeature's test set as experiments: the same keys, variants and values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.funnel import ForcedRule, Funnel, Sticky
from engine.metrics import Metric
from engine.specs import Rule, SegmentsSpec

PICTURES = {"showImages": True, "title": "Check out these pics!", "imagesPerPage": 100}
BALLMER = "ballmer@macrosoft.com"
ZEROS: Mapping[str, tuple[Any, Any]] = {
    "boolean": (False, True),
    "string": ("", "str"),
    "integer": (0, 1),
    "float": (0.0, 1.0),
    "object": ({}, PICTURES),
}

_NOBODY = Funnel(audience={"nobody": {"$exists": True}})


def certain(key: str, serving: str, values: Mapping[str, Any], **more: Any) -> Experiment:
    """Return a flag without rules: one of its variants is drawn with certainty."""
    policy = SegmentsSpec((Rule({"nobody": {"$exists": False}}, {serving: 1.0}),))
    context = (ContextField("nobody", FieldType.FLAG),)
    return Experiment(key, _variants(values), (Metric("click"),), context=context, policy=policy, **more)


def resting(key: str, values: Mapping[str, Any], *forced: ForcedRule) -> Experiment:
    """Return a flag that nobody takes part in: its first variant, but for whom a rule names another."""
    return Experiment(key, _variants(values), (Metric("click"),), funnel=_NOBODY, forced=forced)


def _variants(values: Mapping[str, Any]) -> tuple[Variant, ...]:
    return tuple(Variant(name, json.dumps(value)) for name, value in values.items())


CERTAIN = [
    certain("boolean-flag", "on", {"on": True, "off": False}),
    certain("string-flag", "greeting", {"greeting": "hi", "parting": "bye"}),
    certain("integer-flag", "ten", {"one": 1, "ten": 10}),
    certain("float-flag", "half", {"tenth": 0.1, "half": 0.5}),
    certain("integral-float-flag", "ten", {"one": 1.0, "ten": 10.0}),
    certain("large-integer-flag", "max-int32", {"max-int32": 2**31 - 1, "one": 1}),
    certain("huge-integer-flag", "max-safe", {"max-safe": 2**53 - 1, "one": 1}),
    certain("object-flag", "template", {"empty": {}, "template": PICTURES}),
    certain("wrong-flag", "one", {"one": "uno", "two": "dos"}),
]
STICKY = [
    certain("boolean-sticky-flag", "on", {"on": True, "off": False}, sticky=Sticky()),
    certain("string-sticky-flag", "greeting", {"greeting": "hi", "parting": "bye"}, sticky=Sticky()),
]
RESTING = [resting(f"{name}-zero-flag", {"zero": zero, "non-zero": other}) for name, (zero, other) in ZEROS.items()]
TARGETED = [
    *(
        resting(f"{name}-targeted-zero-flag", {"zero": zero, "non-zero": other}, ForcedRule("zero", {"email": BALLMER}))
        for name, (zero, other) in ZEROS.items()
    ),
    resting("targeting-key-flag", {"miss": "miss", "hit": "hit"}),
    resting(
        "context-aware", {"external": "EXTERNAL", "internal": "INTERNAL"}, ForcedRule("internal", {"customer": False})
    ),
]
DISABLED = [
    resting("boolean-disabled-flag", {"on": True, "off": False}),
    resting("string-disabled-flag", {"greeting": "hi", "parting": "bye"}),
    resting("integer-disabled-flag", {"ten": 10, "one": 1}),
    resting("float-disabled-flag", {"half": 0.5, "tenth": 0.1}),
]
