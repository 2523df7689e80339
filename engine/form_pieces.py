"""What the forms of a file are put together from: readers and writers of no part in particular.

A reader takes a Node; a writer returns plain data, without what a file can leave out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, TypeVar

from engine.blocks import Block, Node
from engine.funnel import Condition
from engine.records import Value

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Enum)
_LARGEST_WHOLE = 2**53

Reader = Callable[[Node], Any]
"""Makes a part of an experiment of a value in a file."""


def only_one(node: Node) -> str:
    """Read one name where there can be no list of them, such as the control."""
    if not isinstance(node.content, str):
        raise node.wrong(f"one name: name one {node.name}")
    return node.content


def condition(node: Node) -> Condition:
    """Read a condition: any value by the name of a field or of an operator."""
    return {name: each.value() for name, each in node.block("{visits: {$gte: 3}}").items()}


def all_of(node: Node, example: str, **readers: Reader) -> dict[str, Any]:
    """Read fields of which none can be left out.

    Raises:
        InvalidExperiment: one is missing, and an example shows all of them.
    """
    given = node.block(example).read(**readers)
    if given.keys() != readers.keys():
        raise node.wrong(f"complete, such as {example}")
    return given


def by_name(node: Node, make: Callable[[str, Block], _T]) -> tuple[_T, ...]:
    """Return one thing for every name, of a mapping of names to fields or of a plain list of names."""
    if isinstance(node.content, tuple):
        return tuple(make(item.text(), Block(node.name, item.file, item.line, {})) for item in node.items())
    return tuple(make(name, each.block()) for name, each in node.block().items())


def names_or_fields(by_name: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | list[str]:
    """Return the fields by name, or a plain list of names where there are no fields."""
    return by_name if any(by_name.values()) else list(by_name)


def texts_by_name(node: Node) -> dict[str, str]:
    """Read text by name."""
    return {name: each.text() for name, each in node.block().items()}


def numbers_by_name(node: Node) -> dict[str, float]:
    """Read numbers by name."""
    return {name: each.number() for name, each in node.block().items()}


def word(words: type[_E]) -> Callable[[Node], _E]:
    """Return the reader of one of some words."""
    known = {word.value: word for word in words}
    *others, last = known

    def read(node: Node) -> _E:
        if not isinstance(node.content, str) or node.content not in known:
            raise node.wrong(f"{', '.join(others)} or {last}")
        return known[node.content]

    return read


def value_of(word: Enum) -> str:
    """Return a word as it is written."""
    return str(word.value)


def short(value: Value) -> Value:
    """Return a value with its whole numbers as people write them.

    >>> short({"visits": {"$gte": 10.0}, "share": 0.5, "new": True})
    {'visits': {'$gte': 10}, 'share': 0.5, 'new': True}
    """
    match value:
        case float() if value.is_integer() and abs(value) < _LARGEST_WHOLE:
            return int(value)
        case Mapping():
            return {name: short(each) for name, each in value.items()}
        case list() | tuple():
            return [short(each) for each in value]
        case _:
            return value


def changed(record: _T, default: _T) -> dict[str, Any]:
    """Return the fields of a record in which it differs from another one."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}  # type: ignore[arg-type]  # a dataclass
    return {name: value for name, value in values.items() if value != getattr(default, name)}


def renamed(data: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the data, each value that has another name under that one.

    >>> renamed({"look": "once", "looks": 4}, {"look": "looking"})
    {'looking': 'once', 'looks': 4}
    """
    return {names.get(name, name): value for name, value in data.items()}


def replaced(data: dict[str, Any], **writers: Callable[[Any], object]) -> dict[str, Any]:
    """Return the data, each value that has a writer as that one writes it."""
    return {name: writers[name](value) if name in writers else value for name, value in data.items()}
