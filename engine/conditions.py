"""The form of a condition: how deep and large one may be, and which of its words are no fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.records import Value

MAX_DEPTH = 20
"""How deeply the maps and lists of a condition nest, its segments' with it."""

MAX_SIZE = 1000
"""The most maps and lists of a condition, its segments' with it."""

MAX_CHAIN = 10
"""The most segments of which each names the next."""

LISTS = ("$and", "$or", "$nor")
"""What holds a list of conditions."""

IN_GROUP: Mapping[str, str] = {"$inGroup": "$in", "$notInGroup": "$nin"}
"""The operators that name a group, and those of its values."""


def fits(condition: Value) -> bool:
    """Whether a condition nests no deeper, and has no more maps and lists, than any may.

    >>> fits({"a": [[1]]}), fits({"$and": [{"a": 1}] * 1000})
    (True, False)
    """
    depth = size = 0
    level: Sequence[Value] = _containers([condition])
    while level and depth < MAX_DEPTH and size + len(level) <= MAX_SIZE:
        depth, size = depth + 1, size + len(level)
        level = _containers(inner for value in level for inner in _items(value))
    return not level


def _containers(values: Iterable[Value]) -> list[Value]:
    return [value for value in values if isinstance(value, Mapping | list | tuple)]


def _items(value: Value) -> Iterable[Value]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def is_operators(value: Value) -> bool:
    """Whether a value is a map of operators alone; any other map is a literal.

    >>> is_operators({"$gt": 1}), is_operators({"$gt": 1, "b": 2}), is_operators({})
    (True, False, False)
    """
    return isinstance(value, Mapping) and bool(value) and all(str(name).startswith("$") for name in value)
