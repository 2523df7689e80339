"""A document as JSON and back: the fields of its dataclasses by name, enums by value, None for what there is not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from analysis.document import Grid, Word
from analysis.texts import Arg, Number, Style, Text
from engine.errors import InvalidRequest

T = TypeVar("T")


def encode(value: object) -> str:
    """Return JSON, the same bytes for the same value.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(_encoded(value), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def decode(wanted: type[T], data: Any) -> T:  # noqa: ANN401 (any JSON)
    """Return what `encode` wrote, from JSON that is parsed.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    decoded: T = _decoded(wanted, data)
    return decoded


def read(wanted: type[T], text: str, version: int) -> T:
    """Return what `encode` wrote of something that says its version.

    Raises:
        InvalidRequest: it is something else, or of another version.
    """
    what = wanted.__name__.lower()
    try:
        data = json.loads(text)
        if data["version"] == version:
            return decode(wanted, data)
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError) as wrong:
        raise InvalidRequest(f"this is no {what}: {wrong!r}") from wrong
    raise InvalidRequest(f"this {what} is of version {data['version']}, which is not read here: make it again")


def _encoded(value: Any) -> Any:  # noqa: ANN401 (whatever a report holds)
    match value:
        case Enum():
            return value.value
        case Grid():
            return _encoded_fields(value) | {"rows": [[_encoded_cell(cell) for cell in row] for row in value.rows]}
        case Mapping():
            return {key: _encoded(item) for key, item in value.items()}
        case tuple():
            return [_encoded(item) for item in value]
        case _:
            return _encoded_fields(value) if is_dataclass(value) else value


def _encoded_fields(value: Any) -> dict[str, Any]:  # noqa: ANN401 (any dataclass)
    return {field.name: _encoded(getattr(value, field.name)) for field in fields(value)}


def _encoded_cell(cell: Any) -> Any:  # noqa: ANN401 (any cell)
    # A variant may be called "better", so the word says that it is one.
    return {"word": cell.value} if isinstance(cell, Word) else _encoded(cell)


def _decoded(wanted: Any, data: Any) -> Any:  # noqa: ANN401 (JSON of whatever a field declares)
    if get_origin(wanted) is UnionType:
        return _decoded_union(get_args(wanted), data)
    if get_origin(wanted) is tuple:
        return tuple(_decoded(get_args(wanted)[0], item) for item in data)
    if wanted is Text:
        return _decoded_arg(data)
    if is_dataclass(wanted):
        return _decoded_fields(wanted, data)
    return wanted(data) if issubclass(wanted, Enum) else data


def _decoded_union(kinds: Sequence[Any], data: Any) -> Any:  # noqa: ANN401 (as above)
    """Return `data` as the kind that has its fields; a name, a number or nothing is what it is."""
    if not isinstance(data, Mapping):
        return data
    if data.keys() == {"word"}:
        return Word(data["word"])
    classes = [kind for kind in kinds if isinstance(kind, type) and is_dataclass(kind)]
    return _decoded(next(kind for kind in classes if data.keys() <= _hints(kind).keys()), data)


def _decoded_fields(wanted: Any, data: Mapping[str, Any]) -> Any:  # noqa: ANN401 (as above)
    # What a report was written without, from before there was such a part, is as if nobody gave it.
    known = {name: hint for name, hint in _hints(wanted).items() if name in data}
    return wanted(**{name: _decoded(hint, data[name]) for name, hint in known.items()})


@cache
def _hints(wanted: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields by name."""
    if wanted is Text:
        return {"key": str, "args": Mapping}
    return get_type_hints(wanted)


def _decoded_arg(data: Any) -> Arg:  # noqa: ANN401 (as above)
    if isinstance(data, str):
        return data
    if isinstance(data, list):
        return tuple(map(_decoded_arg, data))
    if "key" in data:
        return Text(data["key"], {name: _decoded_arg(arg) for name, arg in data["args"].items()})
    return Number(data["value"], Style(data["style"]), data["places"])
