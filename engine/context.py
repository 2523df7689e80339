"""What a request says about a unit, reduced to what the experiment declares."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping

from engine.experiments import ContextField, FieldType
from engine.records import Context, ContextValue, Reason, Value

_LARGEST = sys.float_info.max
"""A comparison with it refuses NaN, the infinities, and whole numbers that no float holds."""


Fields = tuple[tuple[str, Callable[[Value], ContextValue | None], bool], ...]
"""Declared fields: name, what reads a value as the type, and whether it is required."""


def fields(declared: Iterable[ContextField]) -> Fields:
    """Return declared fields ready to be read: an enum is slow to look up by."""
    return tuple((field.name, _READ[field.type], field.required) for field in declared)


def declared(fields: Fields, raw: Mapping[str, Value]) -> tuple[Context, Reason | None]:
    """Return the declared fields with their values, and what stands in the way of a decision, or None.

    A null counts as missing. A field of another type, a number that is not finite, or a text that no log can hold, is
    left out: CONTEXT_INVALID.

    >>> age = fields([ContextField("age", FieldType.NUMBER)])
    >>> declared(age, {"age": 40, "name": "Ann"})
    ({'age': 40.0}, None)
    >>> declared(age, {"age": "forty"})
    ({}, <Reason.CONTEXT_INVALID: 'context_invalid'>)
    """
    context: dict[str, ContextValue] = {}
    flaw = None
    for name, read, required in fields:
        given = raw.get(name)
        value = None if given is None else read(given)
        if value is not None:
            context[name] = value
        elif given is not None:
            flaw = Reason.CONTEXT_INVALID
        elif required:
            flaw = flaw or Reason.CONTEXT_MISSING
    return context, flaw


def can_be_sent(text: str) -> bool:
    r"""Whether a text has a form in a log and on the wire: half of a surrogate pair has none.

    >>> can_be_sent("ø"), can_be_sent("\ud800")
    (True, False)
    """
    # Nearly all are ASCII, which Python knows of each text.
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(value: Value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        return None
    return float(value)


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) and can_be_sent(value) else None


def _flag(value: Value) -> bool | None:
    return value if isinstance(value, bool) else None


def _texts(value: Value) -> tuple[str, ...] | None:
    if not isinstance(value, list | tuple):
        return None
    texts = tuple(item for item in value if isinstance(item, str) and can_be_sent(item))
    return texts if len(texts) == len(value) else None


_READ: Mapping[FieldType, Callable[[Value], ContextValue | None]] = {
    FieldType.NUMBER: _number,
    FieldType.TEXT: _text,
    FieldType.FLAG: _flag,
    FieldType.TEXTS: _texts,
}
