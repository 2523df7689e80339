"""Contexts as JSON nests them, and flat ones: `{"shared": {"age": 3}}` is `{"shared.age": 3}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

from analysis.arrays import LARGEST
from engine.records import Context, ContextValue

_BETWEEN = "."


def flat(value: object, alone: str = "context") -> Context:
    """Return the fields of something nested: numbers, texts and flags by their path.

    A list of one thing is that thing; several things are numbered from 0, and words in a list are flags. Names that
    begin with `_` are the format's own and no fields. A bare value is called `alone`.

    >>> flat({"shared": {"age": 3, "tags": ["a"]}, "url": [{"day": "Mon"}], "_multi": [1], "size": [1.5, 2]})
    {'shared.age': 3.0, 'shared.tags.a': True, 'url.day': 'Mon', 'size.0': 1.5, 'size.1': 2.0}
    """
    return {name or alone: leaf for name, leaf in _leaves(value, "")}


def _leaves(value: object, path: str) -> Iterator[tuple[str, ContextValue]]:
    if isinstance(value, str | bool):
        yield path, value
    elif isinstance(value, float | int | Real):
        if abs(number := _finite(value)) <= LARGEST:
            yield path, number
    elif isinstance(value, dict | Mapping):
        for name, inner in value.items():
            if not str(name).startswith("_"):
                yield from _leaves(inner, _under(path, name))
    elif isinstance(value, Sequence):
        yield from _listed(value, path)


def _finite(value: float | Real) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("nan")


def _listed(values: Sequence[object], path: str) -> Iterator[tuple[str, ContextValue]]:
    if len(values) == 1 and not isinstance(values[0], str):
        yield from _leaves(values[0], path)
        return
    for place, value in enumerate(values):
        if isinstance(value, str):
            yield _under(path, value), True
        else:
            yield from _leaves(value, _under(path, place))


def _under(path: str, name: object) -> str:
    return f"{path}{_BETWEEN}{name}" if path else str(name)


def nested(fields: Context) -> dict[str, Any]:
    """Return fields as JSON nests them, of which `flat` makes the same ones: what is before the first `.` is a group.

    A list of texts is a group of flags. Where a field is called as a group is, the group's own stay flat.

    >>> nested({"shared.age": 3.0, "day": "Mon", "tags": ("a", "b")})
    {'shared': {'age': 3.0}, 'day': 'Mon', 'tags': {'a': True, 'b': True}}
    """
    found: dict[str, Any] = {}
    leaves = dict(_without_lists(fields))
    for name, value in leaves.items():
        group, _, inner = name.partition(_BETWEEN)
        if group and inner and group not in leaves and not inner.startswith("_"):
            found.setdefault(group, {})[inner] = value
        else:
            found[name] = value
    return found


def _without_lists(fields: Context) -> Iterator[tuple[str, ContextValue]]:
    for name, value in fields.items():
        if isinstance(value, tuple):
            yield from ((f"{name}{_BETWEEN}{each}", True) for each in value)
        else:
            yield name, value
