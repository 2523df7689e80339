"""How GrowthBook splits units: for checking logs and experiments that come from there against their definitions.

The engine's own draws never use it: its first hash correlates between experiments, and both know only some thousand
different chances. Semantics are those of GrowthBook's SDKs, specification 0.8.0.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

Range = tuple[float, float]
"""The numbers from the first one on, up to and without the second."""

_OFFSET, _PRIME = 0x811C9DC5, 0x01000193
_WORD = 0xFFFFFFFF
_LEAST_SUM, _MOST_SUM = 0.99, 1.01


def split_number(seed: str, value: str, version: int) -> float | None:
    """Return a unit's number in [0, 1), or None for a version that there is not.

    Version 1 has three decimals and is for old experiments alone; version 2 has four.

    >>> split_number("", "a", 1), split_number("seed", "a", 3)
    (0.22, None)
    """
    if version == 2:
        return _fnv32a(str(_fnv32a(seed + value))) % 10_000 / 10_000
    if version == 1:
        return _fnv32a(value + seed) % 1000 / 1000
    return None


def equal_weights(n: int) -> list[float]:
    """Return the same weight for each of n variants.

    >>> equal_weights(4), equal_weights(0)
    ([0.25, 0.25, 0.25, 0.25], [])
    """
    return [1 / n] * n if n > 0 else []


def bucket_ranges(n: int, traffic: float = 1.0, weights: Sequence[float] | None = None) -> list[Range]:
    """Return the range of each of n variants: its weight times the traffic, from its left edge on.

    So raising the traffic moves nobody. Weights are equal where there are none, or another number of them, or where
    their sum is off by more than .01; the traffic is cut to [0, 1].

    >>> bucket_ranges(2, 0.5)
    [(0.0, 0.25), (0.5, 0.75)]
    """
    share = min(1.0, max(0.0, traffic))
    given = list(weights or ())
    # Added one by one, as JavaScript adds: Python's own sum is more exact in some versions.
    total = functools.reduce(operator.add, given, 0.0)
    is_usable = len(given) == n and _LEAST_SUM <= total <= _MOST_SUM
    ranges, start = [], 0.0
    for weight in given if is_usable else equal_weights(n):
        ranges.append((start, start + share * weight))
        start += weight
    return ranges


def choose_variation(number: float, ranges: Sequence[Range]) -> int:
    """Return the index of the first range that the number lies in, or -1.

    >>> choose_variation(0.6, [(0.0, 0.5), (0.5, 1.0)]), choose_variation(0.3, [(0.0, 0.25), (0.5, 0.75)])
    (1, -1)
    """
    return next((index for index, (start, end) in enumerate(ranges) if start <= number < end), -1)


def in_namespace(unit_id: str, name: str, start: float, end: float) -> bool:
    """Whether a unit lies in the part [start, end) of a namespace, GrowthBook's word for a layer.

    >>> in_namespace("1", "namespace1", 0.4, 1), in_namespace("1", "namespace1", 0, 0.4)
    (True, False)
    """
    number = split_number(f"__{name}", unit_id, 1)
    return number is not None and start <= number < end


def _fnv32a(text: str) -> int:
    """Return the 32-bit FNV-1a hash over the text's UTF-16 units, as JavaScript counts characters."""
    data = text.encode("utf-16-le", "surrogatepass")
    hashed = _OFFSET
    for low, high in zip(data[::2], data[1::2], strict=True):
        hashed = ((hashed ^ (low | high << 8)) * _PRIME) & _WORD
    return hashed
