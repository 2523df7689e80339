"""The logged distributions of an experiment's draws, each once, as rows of probabilities."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Flags, Floats, Ints, renumbered
from analysis.texts import Name
from engine.columns import Coded
from engine.errors import InvalidRequest
from engine.randomness import ONE


@dataclass(frozen=True, slots=True)
class Patterns:
    """`index` (n,) is each row's place among the `probabilities` (n_patterns, n_variants); there is at least one.

    `is_whole` (n_patterns,) says which sum to 1, as distributions must; the others are zeros.
    """

    index: Ints
    probabilities: Floats
    is_whole: Flags


def patterns(eligible: Coded, distribution: Coded, names: Sequence[Name]) -> Patterns:
    """Return the distributions of rows, from lists of eligible variants in JSON and their packed weights.

    >>> weights = (ONE // 4).to_bytes(8, "little") + (3 * ONE // 4).to_bytes(8, "little")
    >>> both = Coded(np.zeros(2, np.int64), ('["b", "a"]',)), Coded(np.zeros(2, np.int64), (weights,))
    >>> patterns(*both, ["a", "b"]).probabilities.tolist()
    [[0.75, 0.25]]
    """
    n = max(len(distribution.words), 1)
    index, pairs = renumbered(eligible.codes * n + distribution.codes, n * len(eligible.words))
    probabilities = np.zeros((max(len(pairs), 1), len(names)))
    is_whole = np.zeros(len(probabilities), np.bool_)
    columns: dict[Name, int] = {name: place for place, name in enumerate(names)}
    # Pairs are in order, so those of one list stand together.
    bounds = np.searchsorted(pairs, n * np.arange(len(eligible.words) + 1))
    for code, listed in enumerate(eligible.words):
        places = np.arange(bounds[code], bounds[code + 1])
        weights = [distribution.words[pair % n] for pair in pairs[places].tolist()]
        whole, found = _probabilities(names_of(listed), weights, columns)
        is_whole[places[whole]] = True
        probabilities[places[whole]] = found
    return Patterns(index, probabilities, is_whole)


def names_of(listed: str) -> tuple[str, ...]:
    """Return the names of a list of eligible variants.

    Raises:
        InvalidRequest: it is none, because the log was damaged.
    """
    try:
        found = json.loads(listed)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise InvalidRequest(f"a row's eligible variants are {listed[:60]!r}, no list of names: restore the log")
    return tuple(found)


def _probabilities(
    eligible: Sequence[str], packed: Sequence[bytes], columns: Mapping[Name, int]
) -> tuple[Ints, Floats]:
    """Return which of some packed weights are distributions over the eligible, (m,), and those, (m, n_variants)."""
    fitting = np.array([place for place, weights in enumerate(packed) if len(weights) == 8 * len(eligible)], np.int64)
    if not len(fitting) or not eligible:
        return fitting[:0], np.zeros((0, len(columns)))
    weights = np.frombuffer(b"".join([packed[place] for place in fitting]), "<i8").reshape(len(fitting), -1)
    holds = (weights.sum(axis=1) == ONE) & (weights.min(axis=1) >= 0)
    # An eligible variant that neither is declared nor was ever drawn has no column, and such a row sums to less than 1.
    known = [place for place, name in enumerate(eligible) if name in columns]
    found = np.zeros((int(holds.sum()), len(columns)))
    found[:, [columns[eligible[place]] for place in known]] = weights[holds][:, known] / ONE
    return fitting[holds], found
