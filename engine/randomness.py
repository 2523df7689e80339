"""The only hash and the only draw.

Every random number is a keyed BLAKE2b of named parts: the same parts give the same number on every node and in every
later process. Each part is prefixed with its length, so that ("exp1", "23") and ("exp12", "3") differ, and each
purpose has a tag of its own, so that a traffic split says nothing about a draw.

Probabilities become integers that sum to 2**32 before anything is drawn. Those integers are logged and are the truth.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b, sha256
from operator import sub

import numpy as np

from engine.clock import to_micros
from engine.errors import PolicyFailed

ONE = 2**32
"""Probability 1 in the units of a distribution."""

HASH_VERSION = 1
"""Changes when the same parts no longer give the same number."""

DRAW_VERSION = 1
"""Changes when the same number no longer gives the same variant."""

_FEW = 32
"""Up to so many variants a loop is faster than what looks at all of them together."""

_ID_BYTES = 16
_TIME_BYTES = 6
_ASSIGNMENTS = blake2b(digest_size=_ID_BYTES, person=b"assignment")
# Not the module uuid, which takes as long as the draw itself.
_UUID7 = re.compile("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


def digest(purpose: str, *parts: str | bytes, key: bytes = b"", size: int = _ID_BYTES) -> bytes:
    """Return `size` bytes that depend on the purpose, the key and every part with its length.

    `purpose` has at most 16 bytes.

    >>> digest("doc", "exp1", "23") == digest("doc", "exp12", "3")
    False
    """
    hashed = _begun(purpose, key, size).copy()
    hashed.update(joined(parts))
    return hashed.digest()


@lru_cache(maxsize=64)
def _begun(purpose: str, key: bytes, size: int) -> blake2b:
    """Return a hash that has taken nothing in yet: copying one takes half the time of making it."""
    return blake2b(digest_size=size, key=key, person=purpose.encode())


def joined(parts: Iterable[str | bytes]) -> bytes:
    """Return the parts as one, each after its length in four bytes.

    >>> joined(["no", b"!"]) == bytes([0, 0, 0, 2]) + b"no" + bytes([0, 0, 0, 1]) + b"!"
    True
    """
    data: list[bytes] = []
    for part in parts:
        piece = part.encode() if isinstance(part, str) else part
        data += (len(piece).to_bytes(4, "big"), piece)
    return b"".join(data)


def integer(purpose: str, *parts: str | bytes, key: bytes = b"") -> int:
    """Return a number in [0, 2**32) that depends on the purpose, the key and the parts alone."""
    return int.from_bytes(digest(purpose, *parts, key=key, size=4), "big")


class Numbers:
    """The numbers of a purpose whose first parts are always the same: those are hashed once.

    >>> Numbers("layer", "checkout", "customer").of("42") == integer("layer", "checkout", "customer", "42")
    True
    """

    __slots__ = ("_begun",)

    def __init__(self, purpose: str, *parts: str | bytes, key: bytes = b"", size: int = 4) -> None:
        self._begun = blake2b(joined(parts), digest_size=size, key=key, person=purpose.encode())

    def of(self, part: str, rest: bytes = b"") -> int:
        """Return the number of one more part, of `size` bytes; `rest` is what `joined` makes of those after it."""
        hashed = self._begun.copy()
        piece = part.encode()
        hashed.update(len(piece).to_bytes(4, "big") + piece + rest)
        return int.from_bytes(hashed.digest(), "big")


@lru_cache(maxsize=10_000)
def numbers(purpose: str, *parts: str | bytes, key: bytes = b"") -> Numbers:
    """Return the numbers of a purpose and its first parts: the same object for the same ones."""
    return Numbers(purpose, *parts, key=key)


def share_weight(share: float) -> int:
    """Return a share in [0, 1] in units of 2**-32.

    >>> share_weight(0.5) == ONE // 2
    True
    """
    return round(share * ONE)


def quantise(probabilities: Sequence[float], floor: float = 0.0, *, zeros: bool = False) -> tuple[int, ...]:
    """Return integers that sum to 2**32, after spreading `floor` as total mass evenly over the variants.

    Rounds by largest remainder; a variant never gets less than 1, because an eligible variant without a chance makes
    every later estimate of it impossible. With `zeros`, what is exactly 0 was asked for and stays so.

    Raises:
        PolicyFailed: the probabilities are empty, negative, not finite, or do not sum to 1 within 1e-6.

    >>> [weight / ONE for weight in quantise([0.5, 0.5, 0.0], floor=0.3)][2] > 0.0999
    True
    """
    total, least = _checked(probabilities)
    kept, spread = 1.0 - floor, floor / len(probabilities)
    # What is smallest stays so: where its weight is not 0, none is.
    has_zeros = (kept * least / total + spread) * ONE < 1
    if len(probabilities) > _FEW and not has_zeros:
        return _quantised_together(probabilities, total, kept, spread)
    exact = [(kept * probability / total + spread) * ONE for probability in probabilities]
    weights = list(map(int, exact))
    if has_zeros:
        weights = [weight or int(not zeros or value > 0) for weight, value in zip(weights, exact, strict=True)]
    _settle(weights, exact)
    return tuple(weights)


def _quantised_together(probabilities: Sequence[float], total: float, kept: float, spread: float) -> tuple[int, ...]:
    """Return what the loop would: the same operations in the same order, so the same bits, on all at once."""
    exact = np.array(probabilities, np.float64)
    exact *= kept
    exact /= total
    exact += spread
    exact *= ONE
    weights = exact.astype(np.int64)
    spare = ONE - int(np.add.reduce(weights))
    if spare < 0:
        weights[weights.argmax()] += spare
    else:
        weights[(weights - exact).argsort(kind="stable")[:spare]] += 1
    return tuple(weights.tolist())


def _checked(probabilities: Sequence[float]) -> tuple[float, float]:
    """Return the sum and the least of probabilities."""
    total, least = math.fsum(probabilities), min(probabilities, default=-1.0)
    if least < 0 or not math.isfinite(total) or abs(total - 1.0) > 1e-6:
        raise PolicyFailed(f"the policy's answer is not a distribution: it sums to {total!r}")
    return total, least


def _settle(weights: list[int], exact: Sequence[float]) -> None:
    """Give what rounding left over to the largest remainders, or take what is too much from the largest weight."""
    spare = ONE - sum(weights)
    if spare < 0:
        weights[max(range(len(weights)), key=weights.__getitem__)] += spare
        return
    short = list(map(sub, weights, exact))
    for index in sorted(range(len(weights)), key=short.__getitem__)[:spare]:
        weights[index] += 1


def draw(distribution: Sequence[int], number: int) -> int:
    """Return the index that `number` in [0, 2**32) falls on; ranges are half-open.

    >>> draw([ONE // 4, 3 * ONE // 4], ONE // 4 - 1), draw([ONE // 4, 3 * ONE // 4], ONE // 4)
    (0, 1)
    """
    for index, weight in enumerate(distribution):
        number -= weight
        if number < 0:
            return index
    raise PolicyFailed("the number lies outside the distribution")


def without(distribution: Sequence[int], number: int, index: int) -> tuple[tuple[int, ...], int]:
    """Return a distribution and a drawn number without one variant: only who had drawn that one gets another.

    The variant's range is cut up among the others in proportion to their weights, and each piece put behind the range
    of the one that gets it. This exchanges intervals of [0, 2**32), so the number stays uniform, and the weights that
    come out, w_k + r_k with the r_k summing to the killed weight, are exactly the probabilities of a new unit's draw.
    A number that stays says nothing new, and of one that moves only its place within the killed range is used, which
    nothing had depended on.

    >>> half, quarter = ONE // 2, ONE // 4
    >>> without([half, quarter, quarter], half + 5, 0) == ((half, half), 5)
    True
    >>> without([half, quarter, quarter], 7, 0) == ((half, half), quarter + 7)
    True
    """
    others = [weight for place, weight in enumerate(distribution) if place != index]
    shares = apportioned(distribution[index], others)
    kept = [weight + share for weight, share in zip(others, shares, strict=True)]
    fallen, offset = _place(distribution, number)
    if fallen == index:
        to, within = _place(shares, offset)
        offset = others[to] + within
    else:
        to = fallen - (fallen > index)
    return tuple(kept), sum(kept[:to]) + offset


def apportioned(whole: int, weights: Sequence[int]) -> list[int]:
    """Return whole numbers in proportion to the weights that sum to `whole`, by largest remainder.

    >>> apportioned(10, [1, 1, 2])
    [3, 2, 5]
    """
    total = sum(weights)
    shares = [whole * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: -(whole * weights[place] % total))
    for place in by_remainder[: whole - sum(shares)]:
        shares[place] += 1
    return shares


def _place(distribution: Sequence[int], number: int) -> tuple[int, int]:
    """Return the index that a number falls on, and how far into its range."""
    index = draw(distribution, number)
    return index, number - sum(distribution[:index])


def unit_number(seed: str, unit_type: str, unit_id: str, eligible: Sequence[str], distribution: Sequence[int]) -> int:
    """Return the number of a draw by unit.

    The distribution is a part of the key: a unit's number is reused only while its distribution is byte-identical, so
    a change of weights is a fresh draw and the logged propensity stays conditional on everything before it.
    """
    # What many requests bring along is rarely the same again: it is not worth its place in memory.
    key_of = _key_of if len(eligible) <= _FEW else _key_of.__wrapped__
    return numbers("draw-unit", seed, unit_type).of(unit_id, key_of(tuple(eligible), tuple(distribution)))


@lru_cache(maxsize=4096)
def _key_of(eligible: tuple[str, ...], distribution: tuple[int, ...]) -> bytes:
    """Return what of a draw's key is the same for all units of a distribution."""
    return joined([b"".join([weight.to_bytes(8, "big") for weight in distribution]), *eligible])


def assignment_number(secret: bytes, seed: str, assignment_id: str, slot: int) -> int:
    """Return the number of a draw by assignment, under a secret, so that no caller can choose its luck."""
    return numbers("draw-assignment", seed, key=secret).of(assignment_id, _part_of(slot))


@lru_cache(maxsize=256)
def _part_of(slot: int) -> bytes:
    return joined([slot.to_bytes(4, "big")])


def group_number(seed: str, unit_type: str, unit_id: str, control_weight: int) -> int:
    """Return the number that puts a unit into its group, the same as long as the control's share is."""
    return numbers("group", seed, unit_type).of(unit_id, joined([control_weight.to_bytes(8, "big")]))


def assignment_id(request_id: str, experiment_id: str) -> str:
    """Return the assignment's id: 32 hex digits, the same on every node.

    Where the request id is a UUIDv7, its milliseconds lead, so that ids arrive in the order of the log's index.
    """
    named = _ASSIGNMENTS.copy()
    named.update(joined((request_id, experiment_id)))
    time = bytes.fromhex(request_id[:8] + request_id[9:13]) if _UUID7.fullmatch(request_id) else b""
    return (time + named.digest())[:_ID_BYTES].hex()


def request_id(at: datetime, name: str = "") -> str:
    """Return a new UUIDv7 of a time; with a name, always the same one for that time and name.

    >>> from engine.clock import EPOCH
    >>> request_id(EPOCH, "visit 1") == request_id(EPOCH, "visit 1") != request_id(EPOCH, "visit 2")
    True
    """
    tail = digest("request-id", name, size=10) if name else secrets.token_bytes(10)
    raw = bytearray((to_micros(at) // 1000).to_bytes(_TIME_BYTES, "big") + tail)
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_secret() -> bytes:
    """Return a fresh secret for draws by assignment: made once a store, and kept in it."""
    return secrets.token_bytes(32)


def content_hash(blob: bytes, *meaning: str) -> str:
    """Return the SHA-256 in hex of a snapshot's bytes, after what gives them a meaning: its name."""
    hashed = sha256(joined(meaning))
    hashed.update(blob)
    return hashed.hexdigest()


@lru_cache(maxsize=100_000)
def feature_index(namespace: str, name: str, bits: int) -> int:
    """Return the index of a feature in [0, 2**bits)."""
    return _features_of(namespace).of(name) & ((1 << bits) - 1)


@lru_cache(maxsize=1024)
def _features_of(namespace: str) -> Numbers:
    """Return the numbers of a namespace's features: there are few namespaces, and many names in each."""
    return Numbers("feature", namespace, size=8)
