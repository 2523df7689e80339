"""Is each row of a log sound in itself? By its columns alone, which all reports read, and which every log has.

A draw has a distribution that sums to one, over variants of which it names one, with the probability that the row says,
which is above zero. And each row is there once.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from analysis.arrays import first_of
from analysis.checks.faults import Faults
from analysis.logs.exporting import TABLES
from analysis.logs.patterns import names_of
from analysis.logs.sources import LogSource
from engine.errors import InvalidRequest
from engine.randomness import ONE

SUM, OUTSIDE, NEVER, WEIGHT, TWICE = "sum", "outside", "never", "weight", "twice"
"""No distribution; a variant that is not in it, or has probability 0 in it; another propensity; a row once more."""

_COLUMNS = ("seq", "assignment_id", "slot", "is_draw", "weight")
_DRAWN = ("eligible", "distribution", "variant")
_NO_SUM, _NOT_IN = -2, -1
_WRONG = {_NO_SUM: SUM, _NOT_IN: OUTSIDE, 0: NEVER}


def faults(source: LogSource, experiment_id: str) -> Faults:
    """Return what is wrong with rows of an experiment in themselves."""
    rows = source.columns("assignments", (*_COLUMNS, *_DRAWN), experiment_id)
    seq, is_draw = rows["seq"], rows["is_draw"] == 1
    own = np.fromiter(map(_own_weight, *(rows[name].values() for name in _DRAWN)), np.int64, len(seq))
    found = Faults()
    for code, what in _WRONG.items():
        found.add(what, seq[is_draw & (own == code)].tolist())
    found.add(WEIGHT, seq[is_draw & (own > 0) & (own != rows["weight"])].tolist())
    again = np.ones(len(seq), np.bool_)
    again[first_of(rows["assignment_id"].codes, rows["slot"])] = False
    found.add(TWICE, seq[again].tolist())
    return found


def n_unmatched(source: LogSource, experiment_id: str) -> int:
    """Return how many outcomes name an assignment that the log does not have, of metrics of an experiment."""
    return int((source.columns("outcomes", ("assignment_seq",), experiment_id)["assignment_seq"] == -1).sum())


def n_missing(source: LogSource) -> int:
    """Return how many numbers are missing among the entries of all experiments in an exported log."""
    seqs = np.concatenate([source.columns(table, ("seq",))["seq"] for table in TABLES])
    return int(seqs.max(initial=0)) - len(seqs)


@lru_cache(maxsize=4096)
def _own_weight(listed: str, packed: bytes, variant: str) -> int:
    """Return what a distribution gives a variant, in units of 2**-32, or a code of what is wrong."""
    try:
        names = names_of(listed)
    except InvalidRequest:
        return _NO_SUM
    weights = np.frombuffer(packed[: len(packed) // 8 * 8], "<i8").tolist()
    if len(packed) != 8 * len(names) or sum(weights) != ONE or min(weights) < 0:
        return _NO_SUM
    return int(weights[names.index(variant)]) if variant in names else _NOT_IN
