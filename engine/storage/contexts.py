"""Fields of the context as columns: the values of many rows, each of the type that its field declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from engine.columns import Column, Columns, encoded, whole
from engine.errors import InvalidRequest
from engine.experiments import ContextField, Experiment, FieldType
from engine.records import ContextValue
from engine.storage import rows

_KINDS: Mapping[FieldType, rows.Kind] = {
    FieldType.NUMBER: "number",
    FieldType.TEXT: "text",
    FieldType.FLAG: "flag",
}


def context_columns(fields: Sequence[ContextField], values: Mapping[str, Sequence[ContextValue | None]]) -> Columns:
    """Return the values of declared fields as columns; what is of another type than its field's counts as none.

    >>> age = ContextField("age", FieldType.NUMBER)
    >>> context_columns([age], {"age": [40.0, None, "forty"]})["age"].tolist()
    [40.0, nan, nan]
    """
    return {field.name: _context_column(field.type, values[field.name]) for field in fields}


def contexts_of_records(fields: Sequence[ContextField], records: Iterable[bytes]) -> Columns:
    """Return declared fields of the contexts of assignments' records."""
    return context_columns(fields, rows.context_values(records, {field.name: _KINDS[field.type] for field in fields}))


def _context_column(kind: FieldType, values: Sequence[ContextValue | None]) -> Column:
    if kind is FieldType.TEXT:
        return encoded([value if isinstance(value, str) else None for value in values])
    wanted = bool if kind is FieldType.FLAG else float
    return np.array([float(value) if type(value) is wanted else np.nan for value in values], np.float64)


def readable_fields(experiment: Experiment | None, names: Sequence[str]) -> list[ContextField]:
    """Return the declared fields of these names.

    Raises:
        InvalidRequest: a field is not declared, or is a list of texts.
    """
    declared = {field.name: field for field in experiment.context} if experiment else {}
    for name in names:
        if name not in declared or declared[name].type is FieldType.TEXTS:
            raise InvalidRequest(f"there is no number, text or flag {name!r} in the context of this experiment")
    return [declared[name] for name in names]


def joined_contexts(fields: Sequence[ContextField], parts: Sequence[Columns]) -> Columns:
    """Return the columns of pages one after the other."""
    kinds = {field.name: str if field.type is FieldType.TEXT else float for field in fields}
    return {name: whole([part[name] for part in parts], kind) for name, kind in kinds.items()}
