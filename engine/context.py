"""What a request says about a unit, reduced to what the experiment declares."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from engine.experiments import Experiment, FieldType
from engine.records import Context, ContextValue, Reason, Value

_LARGEST = sys.float_info.max
"""A comparison with it refuses NaN, the infinities, and whole numbers that no float holds."""


def declared(experiment: Experiment, raw: Mapping[str, Value]) -> tuple[Context, Reason | None]:
    """Return the declared fields with their values, and what stands in the way of a decision, or None.

    A null counts as missing. A field of another type, or a number that is not finite, is left out: CONTEXT_INVALID.

    >>> from engine.experiments import ContextField, Metric, Variant
    >>> hero = Experiment("hero", (Variant("a"),), (Metric("click"),), context=(ContextField("age", FieldType.NUMBER),))
    >>> declared(hero, {"age": 40, "name": "Ann"})
    ({'age': 40.0}, None)
    >>> declared(hero, {"age": "forty"})
    ({}, <Reason.CONTEXT_INVALID: 'context_invalid'>)
    """
    context: dict[str, ContextValue] = {}
    flaw = None
    for field in experiment.context:
        given = raw.get(field.name)
        value = None if given is None else _READ[field.type](given)
        if value is not None:
            context[field.name] = value
        elif given is not None:
            flaw = Reason.CONTEXT_INVALID
        elif field.required:
            flaw = flaw or Reason.CONTEXT_MISSING
    return context, flaw


def _number(value: Value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        return None
    return float(value)


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: Value) -> bool | None:
    return value if isinstance(value, bool) else None


def _texts(value: Value) -> tuple[str, ...] | None:
    if not isinstance(value, list | tuple):
        return None
    texts = tuple(item for item in value if isinstance(item, str))
    return texts if len(texts) == len(value) else None


_READ: Mapping[FieldType, Callable[[Value], ContextValue | None]] = {
    FieldType.NUMBER: _number,
    FieldType.TEXT: _text,
    FieldType.FLAG: _flag,
    FieldType.TEXTS: _texts,
}
