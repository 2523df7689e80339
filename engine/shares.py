"""Variants at a share of their own, whatever a policy says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.errors import PolicyFailed
from engine.randomness import ONE, apportioned, share_weight


def held(weights: Sequence[int], names: Sequence[str], shares: Mapping[str, float]) -> tuple[int, ...]:
    """Return weights in which some variants have exactly their share, and the others the rest in proportion to theirs.

    Shares of variants that are not among the names count for nothing. Where nobody is left to take the rest, the
    shares themselves are filled up in proportion. Every other variant keeps at least 1.

    Raises:
        PolicyFailed: the shares leave not even that.

    >>> half, quarter = ONE // 2, ONE // 4
    >>> weights = held((half, quarter, quarter), ("a", "b", "c"), {"a": 0.25})
    >>> [weight / ONE for weight in weights]
    [0.25, 0.375, 0.375]
    """
    fixed = {place: share_weight(shares[name]) for place, name in enumerate(names) if name in shares}
    if not fixed:
        return tuple(weights)
    others = [place for place in range(len(names)) if place not in fixed]
    if others:
        rest = ONE - sum(fixed.values()) - len(others)
        if rest < 0:
            raise PolicyFailed("the fixed shares leave nothing for the other variants: lower one of them")
        given = apportioned(rest, [weights[place] for place in others])
        fixed.update((place, 1 + weight) for place, weight in zip(others, given, strict=True))
    else:
        fixed = dict(zip(fixed, apportioned(ONE, list(fixed.values())), strict=True))
    return tuple([fixed[place] for place in range(len(names))])
