"""Were variants drawn as often as the log says they should be: of all draws, of each segment, and of each snapshot?

Each draw t had a distribution p_t that was known before it. Over any set of draws that is chosen without their outcome,
as those of a segment, the evidence that a variant's draws are lost, added or not drawn by p_t is the e-process of
`analysis.sequential.ratio`. All of them share one error: the j-th set to come has 1 / (j (j + 1)) of it, and within a
set so have the j-th variants that could be drawn, evenly. What comes later takes nothing from what came before, so that
however often one looks, a whole log raises an alarm with a probability of at most LEVEL.

A loss that is the same for all variants leaves the counts as they should be: this finds none.
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
from analysis.texts import Name, Text, count, probability, text
from engine.columns import Coded
from engine.errors import InvalidRequest
from engine.experiments import FieldType

LEVEL = 0.001
"""A log that is whole raises an alarm with at most this probability, at all looks together."""

FEWEST = 100
"""Draws without which nothing is tested."""

_FLAGS = ("false", "true")

_NAMED = 5
"""So many alarms are said, the strongest first."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A variant that was drawn `observed` times among some draws, and should have been `expected` times.

    `p_value` is what its e-process is worth beside those of all other sets and variants: LEVEL at most.
    """

    among: Name
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

    def __str__(self) -> str:
        return "\n".join(map(str, said(self)))


@dataclass(frozen=True, slots=True)
class Drawn:
    """Draws in their order, independent given the past: `variant` and `pattern` (n,), `patterns` (n_patterns, k)."""

    names: tuple[Name, ...]
    variant: Ints
    pattern: Ints
    patterns: Floats

    def __len__(self) -> int:
        return len(self.variant)


@dataclass(frozen=True, slots=True)
class Sets:
    """Draws in sets: the draw in `row` (m,) is in the set `code` (m,) of those that `names` name, as they come."""

    row: Ints
    code: Ints
    names: tuple[Name, ...]


Part = tuple[Ints, Sequence[Name]]
"""One way to part draws: for each a place (n,) among some names, or -1."""


def counts(source: LogSource, frame: Frame, *, with_segments: bool = True) -> Counts:
    """Return whether the draws of a frame fit their logged distributions.

    What segment a draw is of is in the records alone, which a damaged log has not all of.
    """
    rows = frame.assignments
    draws = balance.independent(frame, adaptive.draws(frame))
    drawn = Drawn(frame.variants, rows.variant[draws], rows.pattern[draws], rows.patterns)
    segments = _segments(frame, draws) if with_segments else ()
    return compared(drawn, [*segments, *_snapshots(source, frame, draws)])


def compared(drawn: Drawn, parts: Sequence[Part]) -> Counts:
    """Return whether draws fit their distributions, all together and parted in some ways."""
    if len(drawn) < FEWEST:
        return Counts(len(drawn), 0, None, ())
    everything: Part = np.zeros(len(drawn), np.int64), [text("propensities.all")]
    sets = sets_of([everything, *parts])
    log_e = _log_e(drawn, sets)
    alarms = sorted(_alarms(drawn, sets, log_e), key=lambda alarm: alarm.p_value)
    return Counts(len(drawn), len(sets.names), min(1.0, float(np.exp(-log_e.max()))), tuple(alarms))


def sets_of(parts: Sequence[Part]) -> Sets:
    """Return the sets of all parts, numbered in the order in which they come, which is known without looking ahead.

    >>> found = sets_of([(np.array([0, 1, 0]), ["phone", "tablet"]), (np.array([-1, 1, 0]), ["old", "new"])])
    >>> found.row.tolist(), found.code.tolist(), found.names
    ([0, 1, 1, 2, 2], [0, 1, 2, 0, 3], ('phone', 'tablet', 'new', 'old'))
    """
    names = [name for _, of_part in parts for name in of_part]
    starts = np.cumsum([0, *(len(of_part) for _, of_part in parts)])
    codes = np.stack([np.where(code < 0, -1, code + start) for (code, _), start in zip(parts, starts, strict=False)], 1)
    row, part = np.nonzero(codes >= 0)
    old, first, code = np.unique(codes[row, part], return_index=True, return_inverse=True)
    coming = np.argsort(first)
    return Sets(row, np.argsort(coming)[code], tuple(names[each] for each in old[coming].tolist()))


def _segments(frame: Frame, draws: Ints) -> Iterator[Part]:
    """Yield the draws by the values of each text and flag of the context."""
    for field in frame.experiment.context:
        if field.type in (FieldType.TEXT, FieldType.FLAG):
            column = frame.context(field.name)
            words = column.words if isinstance(column, Coded) else _FLAGS
            code = column.codes if isinstance(column, Coded) else np.nan_to_num(column, nan=-1.0).astype(np.int64)
            yield code[draws], [text("propensities.segment", field=field.name, value=word) for word in words]


def _snapshots(source: LogSource, frame: Frame, draws: Ints) -> Iterator[Part]:
    """Yield the draws by the snapshot that gave their distribution, where the log names any."""
    try:
        named = source.columns("assignments", ("seq", "snapshot"), frame.experiment.experiment_id)
    except InvalidRequest:
        # A log of columns alone has no snapshots.
        return
    column: Coded = named["snapshot"]
    # Nothing had been learned yet where the name is empty.
    words = np.array([bool(word) for word in column.words], np.bool_)
    code = column.codes[places(frame.assignments.seq[draws], named["seq"])]
    names = [text("propensities.snapshot", snapshot=word.hex()[:12]) for word in column.words]
    yield np.where(words[code], code, -1), names


def _shares(drawn: Drawn) -> Floats:
    """Return the variants' shares of the error, (k,): by when the first draw was that each had a chance in."""
    some, at = np.unique(drawn.pattern, return_index=True)
    first = np.where(drawn.patterns[some] > 0, at[:, None], len(drawn)).min(axis=0)
    _, turn, together = np.unique(first, return_inverse=True, return_counts=True)
    return np.asarray(share_of(turn) / together[turn])


def _log_e(drawn: Drawn, sets: Sets) -> Floats:
    """Return the logarithms of the sets' e-values with their shares of the error, (n_sets, k)."""
    n_sets, k = len(sets.names), len(drawn.names)
    seen = np.bincount(sets.code * k + drawn.variant[sets.row], minlength=n_sets * k)
    pattern = drawn.pattern[sets.row]
    log_e = ratio.log_tilted(
        seen.reshape(n_sets, k),
        drawn.patterns,
        lambda said: np.bincount(sets.code, said[pattern], n_sets).astype(np.float64),
    )
    return np.asarray(log_e + np.log(share_of(np.arange(n_sets))[:, None] * _shares(drawn)))


def _alarms(drawn: Drawn, sets: Sets, log_e: Floats) -> Iterator[Alarm]:
    for number, variant in np.argwhere(log_e >= -np.log(LEVEL)).tolist():
        own = sets.row[sets.code == number]
        observed = int((drawn.variant[own] == variant).sum())
        expected = float(drawn.patterns[drawn.pattern[own], variant].sum())
        yield Alarm(
            sets.names[number], drawn.names[variant], observed, expected, float(np.exp(-log_e[number, variant]))
        )


def said(found: Counts) -> Iterator[Text]:
    """Yield what was found, in sentences."""
    if found.p_value is None:
        yield text("propensities.too_few", n=count(found.n), enough=count(FEWEST))
        return
    numbers = {"n": count(found.n), "sets": count(found.n_sets), "p": probability(found.p_value)}
    yield text("propensities.do_not_fit" if found.alarms else "propensities.fit", **numbers)
    for alarm in found.alarms[:_NAMED]:
        yield text(
            "propensities.alarm",
            variant=alarm.variant,
            among=alarm.among,
            observed=count(alarm.observed),
            expected=count(round(alarm.expected)),
            p=probability(alarm.p_value),
        )
    if len(found.alarms) > _NAMED:
        yield text("propensities.more", n=count(len(found.alarms) - _NAMED))
