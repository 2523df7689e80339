"""Were variants drawn as often as the log says they should be: of all draws, of each segment, and of each snapshot?

Each draw t had a distribution p_t that was known before it. Over any set of draws that is chosen without their outcome,
as those of a segment, the evidence that a variant's draws are lost, added or not drawn by p_t is the e-process of
`analysis.sequential.ratio`. All of them share one error: a third is for all draws, for segments and for snapshots each,
and within those the j-th set to appear has 1 / (j (j + 1)) of it, shared evenly by its variants. So however often one
looks, and whatever segments and snapshots come, a whole log raises an alarm with a probability of at most LEVEL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analysis import adaptive
from analysis.arrays import Floats, Ints, places
from analysis.checks import balance
from analysis.logs.frames import Frame
from analysis.logs.sources import LogSource
from analysis.sequential import ratio
from analysis.sequential.shifts import share_of
from analysis.texts import Name, Text, text
from engine.columns import Coded, encoded
from engine.errors import InvalidRequest
from engine.experiments import FieldType

LEVEL = 0.001
"""A log that is whole raises an alarm with at most this probability, at all looks together."""

FEWEST = 100
"""Draws without which nothing is tested."""

_N_KINDS = 3
_FLAGS = ("false", "true")


@dataclass(frozen=True, slots=True)
class Alarm:
    """A variant that was drawn `observed` times among some draws, and should have been `expected` times.

    `p_value` is what its e-process is worth beside those of all other sets and variants: LEVEL at most.
    """

    among: Text
    variant: Name
    observed: int
    expected: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Counts:
    """What was found of `n` draws in `n_sets` sets of them: the least p-value, None of too few, and the alarms."""

    n: int
    n_sets: int
    p_value: float | None
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True, slots=True)
class _Sets:
    """Draws in sets: `code` (n,) says in which each is, -1 in none; `names` (n_sets,) are in the order of coming."""

    code: Ints
    names: tuple[Text, ...]


def counts(source: LogSource, frame: Frame) -> Counts:
    """Return whether the draws of a frame fit their logged distributions."""
    draws = balance.independent(frame, adaptive.draws(frame))
    if len(draws) < FEWEST:
        return Counts(len(draws), 0, None, ())
    kinds = [_all_of(draws), _segments(frame, draws), _snapshots(source, frame, draws)]
    tested = [(sets, _log_e(frame, draws, sets)) for sets in kinds if sets.names]
    found = [alarm for sets, log_e in tested for alarm in _alarms(frame, draws, sets, log_e)]
    strongest = max(float(log_e.max()) for _, log_e in tested)
    n_sets = sum(len(sets.names) for sets, _ in tested)
    return Counts(len(draws), n_sets, min(1.0, np.exp(-strongest)), tuple(sorted(found, key=lambda each: each.p_value)))


def _all_of(draws: Ints) -> _Sets:
    return _Sets(np.zeros(len(draws), np.int64), (text("propensities.all"),))


def _segments(frame: Frame, draws: Ints) -> _Sets:
    """Return the draws by the values of each text and flag of the context; all fields one after the other."""
    parts = list(_fields(frame, draws))
    if not parts:
        return _Sets(np.zeros(0, np.int64), ())
    starts = np.cumsum([0, *(len(names) for _, names in parts)])
    shifted = [np.where(code >= 0, code + start, -1) for (code, _), start in zip(parts, starts, strict=False)]
    return _Sets(np.concatenate(shifted), tuple(name for _, names in parts for name in names))


def _fields(frame: Frame, draws: Ints) -> Iterator[tuple[Ints, list[Text]]]:
    for field in frame.experiment.context:
        if field.type in (FieldType.TEXT, FieldType.FLAG):
            code, words = _values(frame.context(field.name), draws)
            yield code, [text("propensities.segment", field=field.name, value=word) for word in words]


def _values(column: Coded | Floats, draws: Ints) -> tuple[Ints, Sequence[str]]:
    if isinstance(column, Coded):
        return _in_order(column.codes[draws], column.words)
    flags = np.nan_to_num(column[draws], nan=-1.0).astype(np.int64)
    return _in_order(flags, _FLAGS)


def _in_order(codes: Ints, words: Sequence[str]) -> tuple[Ints, list[str]]:
    """Return codes numbered in the order in which they first come, which is known without looking ahead."""
    found = encoded(None if code < 0 else code for code in codes.tolist())
    return found.codes, [words[code] for code in found.words]


def _snapshots(source: LogSource, frame: Frame, draws: Ints) -> _Sets:
    """Return the draws by the snapshot that gave their distribution, where the log names any."""
    try:
        named = source.columns("assignments", ("seq", "snapshot"), frame.experiment.experiment_id)
    except InvalidRequest:
        # A log of columns alone has no snapshots.
        return _Sets(np.zeros(0, np.int64), ())
    column = named["snapshot"]
    row = places(frame.assignments.seq[draws], named["seq"])
    words = [word.hex()[:12] for word in column.words]
    codes, names = _in_order(column.codes[row], [word or "-" for word in words])
    if len(names) < 2:
        return _Sets(np.zeros(0, np.int64), ())
    return _Sets(codes, tuple(text("propensities.snapshot", snapshot=name) for name in names))


def _log_e(frame: Frame, draws: Ints, sets: _Sets) -> Floats:
    """Return the logarithms of the sets' e-values, with their shares of the error, (n_sets, n_variants)."""
    rows, n_sets = frame.assignments, len(sets.names)
    # Each field has all draws once more.
    place = np.tile(draws, len(sets.code) // len(draws))
    own, code = place[sets.code >= 0], sets.code[sets.code >= 0]
    n_variants = rows.patterns.shape[1]
    pattern = rows.pattern[own]
    seen = np.bincount(code * n_variants + rows.variant[own], minlength=n_sets * n_variants)
    log_e = ratio.log_tilted(
        seen.reshape(n_sets, n_variants),
        rows.patterns,
        lambda said: np.bincount(code, said[pattern], n_sets).astype(np.float64),
    )
    shares = share_of(np.arange(n_sets)) if n_sets > 1 else np.ones(1)
    return np.asarray(log_e + np.log(shares)[:, None] - np.log(n_variants * _N_KINDS))


def _alarms(frame: Frame, draws: Ints, sets: _Sets, log_e: Floats) -> Iterator[Alarm]:
    rows = frame.assignments
    place = np.tile(draws, len(sets.code) // len(draws))
    for number, variant in np.argwhere(log_e >= -np.log(LEVEL)).tolist():
        own = place[sets.code == number]
        observed = int((rows.variant[own] == variant).sum())
        expected = float(rows.patterns[rows.pattern[own], variant].sum())
        p_value = float(np.exp(-log_e[number, variant]))
        yield Alarm(sets.names[number], frame.variants[variant], observed, expected, p_value)
