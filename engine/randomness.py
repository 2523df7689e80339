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

from engine.clock import to_micros
from engine.errors import PolicyFailed

ONE = 2**32
"""Probability 1 in the units of a distribution."""

HASH_VERSION = 1
"""Changes when the same parts no longer give the same number."""

DRAW_VERSION = 1
"""Changes when the same number no longer gives the same variant."""

_ID_BYTES = 16
_TIME_BYTES = 6
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
    data = b""
    for part in parts:
        piece = part.encode() if isinstance(part, str) else part
        data += len(piece).to_bytes(4, "big") + piece
    return data


def integer(purpose: str, *parts: str | bytes, key: bytes = b"") -> int:
    """Return a number in [0, 2**32) that depends on the purpose, the key and the parts alone."""
    return int.from_bytes(digest(purpose, *parts, key=key, size=4), "big")


class Numbers:
    """The numbers of a purpose whose first parts are always the same: those are hashed once.

    >>> Numbers("layer", "checkout", "customer").of("42") == integer("layer", "checkout", "customer", "42")
    True
    """

    __slots__ = ("_begun",)

    def __init__(self, purpose: str, *parts: str | bytes, key: bytes = b"") -> None:
        self._begun = blake2b(joined(parts), digest_size=4, key=key, person=purpose.encode())

    def of(self, part: str, rest: bytes = b"") -> int:
        """Return the number in [0, 2**32) of one more part; `rest` is what `joined` makes of those after it."""
        hashed = self._begun.copy()
        piece = part.encode()
        hashed.update(len(piece).to_bytes(4, "big") + piece + rest)
        return int.from_bytes(hashed.digest(), "big")


@lru_cache(maxsize=10_000)
def numbers(purpose: str, *parts: str | bytes) -> Numbers:
    """Return the numbers of a purpose and its first parts: the same object for the same ones."""
    return Numbers(purpose, *parts)


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
    total = _checked_sum(probabilities)
    spread = floor / len(probabilities)
    exact = [((1.0 - floor) * probability / total + spread) * ONE for probability in probabilities]
    weights = [0 if zeros and not value else max(1, int(value)) for value in exact]
    _settle(weights, exact)
    return tuple(weights)


def _checked_sum(probabilities: Sequence[float]) -> float:
    total = math.fsum(probabilities)
    if not len(probabilities) or not math.isfinite(total) or min(probabilities) < 0 or abs(total - 1.0) > 1e-6:
        raise PolicyFailed(f"the policy's answer is not a distribution: it sums to {total!r}")
    return total


def _settle(weights: list[int], exact: Sequence[float]) -> None:
    """Give what rounding left over to the largest remainders, or take what is too much from the largest weight."""
    spare = ONE - sum(weights)
    if spare < 0:
        weights[max(range(len(weights)), key=weights.__getitem__)] += spare
        return
    by_remainder = sorted(range(len(weights)), key=lambda index: weights[index] - exact[index])
    for index in by_remainder[:spare]:
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
    shares = _apportioned(distribution[index], others)
    kept = [weight + share for weight, share in zip(others, shares, strict=True)]
    fallen, offset = _place(distribution, number)
    if fallen == index:
        to, within = _place(shares, offset)
        offset = others[to] + within
    else:
        to = fallen - (fallen > index)
    return tuple(kept), sum(kept[:to]) + offset


def _apportioned(whole: int, weights: Sequence[int]) -> list[int]:
    """Return whole numbers in proportion to the weights that sum to `whole`, by largest remainder."""
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
    return numbers("draw-unit", seed, unit_type).of(unit_id, _key_of(tuple(eligible), tuple(distribution)))


@lru_cache(maxsize=4096)
def _key_of(eligible: tuple[str, ...], distribution: tuple[int, ...]) -> bytes:
    """Return what of a draw's key is the same for all units of a distribution."""
    return joined([b"".join([weight.to_bytes(8, "big") for weight in distribution]), *eligible])


def assignment_number(secret: bytes, seed: str, assignment_id: str, slot: int) -> int:
    """Return the number of a draw by assignment, under a secret, so that no caller can choose its luck."""
    return integer("draw-assignment", seed, assignment_id, slot.to_bytes(4, "big"), key=secret)


def group_number(seed: str, unit_type: str, unit_id: str, control_weight: int) -> int:
    """Return the number that puts a unit into its group, the same as long as the control's share is."""
    return numbers("group", seed, unit_type).of(unit_id, joined([control_weight.to_bytes(8, "big")]))


def assignment_id(request_id: str, experiment_id: str) -> str:
    """Return the assignment's id: 32 hex digits, the same on every node.

    Where the request id is a UUIDv7, its milliseconds lead, so that ids arrive in the order of the log's index.
    """
    named = digest("assignment", request_id, experiment_id)
    return (_time_of(request_id) + named)[:_ID_BYTES].hex()


def _time_of(request_id: str) -> bytes:
    return bytes.fromhex(request_id[:8] + request_id[9:13]) if _UUID7.fullmatch(request_id) else b""


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


def content_hash(blob: bytes) -> str:
    """Return the SHA-256 of a snapshot's content in hex: its name."""
    return sha256(blob).hexdigest()


@lru_cache(maxsize=100_000)
def feature_index(namespace: str, name: str, bits: int) -> int:
    """Return the index of a feature in [0, 2**bits)."""
    return int.from_bytes(digest("feature", namespace, name, size=8), "big") & ((1 << bits) - 1)
