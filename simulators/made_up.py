"""What a file's own names make of a world: the same name always makes the same number."""

from __future__ import annotations

from collections.abc import Mapping

from engine.experiments import ContextField, FieldType
from engine.randomness import ONE, integer, numbers
from engine.records import Context, ContextValue

WORDS = ("a", "b", "c")
"""What a text that was made up can be."""

_PURPOSE = "storefront"
_PYTHON_TYPES: Mapping[FieldType, type] = {
    FieldType.NUMBER: float,
    FieldType.TEXT: str,
    FieldType.FLAG: bool,
    FieldType.TEXTS: tuple,
}


def share(*parts: str) -> float:
    """Return a number in [0, 1) that the same words always make."""
    return integer(_PURPOSE, *parts) / ONE


def known(field: ContextField, values: Context) -> ContextValue | None:
    """Return the value that a world has for a field, or None where it has none of that type."""
    value = values.get(field.name)
    return value if isinstance(value, _PYTHON_TYPES[field.type]) else None


def value(field: ContextField, whose: str) -> ContextValue:
    """Return the value of a field that a world does not know: a number in [0, 1), one of the words, or a flag.

    `whose` it is, a customer's or a candidate's, makes it.
    """
    luck = numbers(_PURPOSE, "field", field.name).of(whose) / ONE
    match field.type:
        case FieldType.NUMBER:
            return round(luck, 4)
        case FieldType.TEXT:
            return WORDS[int(len(WORDS) * luck)]
        case FieldType.FLAG:
            return luck < 0.5
        case FieldType.TEXTS:
            return (WORDS[int(len(WORDS) * luck)],)
