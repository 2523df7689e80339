"""What each segment of the context says of a target: a policy may want in one of them what the log has not there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.adaptive.encoding import MAX_LEVELS
from analysis.arrays import Floats, Ints, renumbered
from analysis.document import Cell, Grid
from analysis.ope import judging
from analysis.ope.logged import Logged
from analysis.ope.weighed import Weighed
from analysis.texts import Text, amount, count, plain, share, text

MOST_FIELDS = 16
"""The context is cut by so many fields, the first ones."""

_KEPT = 256
"""Of each field so many values are counted by themselves, the first that come; the commonest of them are shown."""

_LOOKED_AT = 256
"""Where so many draws have more than MAX_LEVELS different numbers, the field is none to cut by."""

_COLUMNS = ("segment", "draws", "effective", "unsupported", "mean_weight", "largest", "word")

Value = str | float | None
"""A value of a field, None where it is missing."""

_Levels = tuple[list[Value], Ints]
"""Different values (v,), and for each draw which of them it has, (n,)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Draws of one value of a field: sums of w, w**2, the share without support and the noise, the largest w."""

    name: Text
    n: int
    weight: float
    square: float
    unsupported: float
    noise: float
    largest: float

    @property
    def effective(self) -> float:
        """The effective number of draws: (sum w)**2 / sum w**2."""
        return self.weight**2 / self.square if self.square > 0 else 0.0

    @property
    def share_unsupported(self) -> float | None:
        """The mean share of the target without support, None where that is not known."""
        return None if math.isnan(self.unsupported) else self.unsupported / self.n

    @property
    def mean_weight(self) -> float:
        """The mean weight."""
        return self.weight / self.n

    @property
    def mean_weight_error(self) -> float:
        """Its standard error: the larger of what was seen and what the logged distributions promised."""
        mean, unsupported = self.mean_weight, self.share_unsupported
        seen = self.square / self.n - mean**2
        promised = 0.0 if unsupported is None else self.noise / self.n - (1 - unsupported) ** 2
        return math.sqrt(max(seen, 0.0 if math.isnan(promised) else promised, 0.0) / self.n)

    def is_gap(self, n_segments: int, widening: float) -> bool:
        """Whether the log lacks here what the target would draw, or has other propensities; one of so many looked at.

        Means of weights are judged where draws are enough to be nearly normal. Their errors are `widening` times as
        large as those of draws that do not depend on each other.
        """
        if judging.lacks_support(self.share_unsupported):
            return True
        expected = 1 - (self.share_unsupported or 0.0)
        off = self.mean_weight - expected
        return self.n >= judging.FEWEST and judging.is_off(off, widening * self.mean_weight_error, n_segments)


@dataclass(slots=True)
class _Field:
    """The values of a field and their places, and the sums of the draws of each (_KEPT + 1, 6): last, of all others."""

    places: dict[Value, int] = field(default_factory=dict)
    sums: Floats = field(default_factory=lambda: np.zeros((_KEPT + 1, 6)))

    def with_draws(self, levels: _Levels | None, part: Weighed) -> _Field | None:
        """Take in draws with their values, and return itself, or None once it is a field that none is cut by."""
        if levels is None or (len(levels[0]) > MAX_LEVELS + 1 and not _are_texts(levels[0])):
            return None
        self._add(*levels, part)
        return self.unless_wide()

    def unless_wide(self) -> _Field | None:
        """Return itself, or None where it has more different numbers than are cut by; of texts it may have any."""
        known = [value for value in self.places if value is not None]
        return self if len(known) <= MAX_LEVELS or _are_texts(known) else None

    def _add(self, values: Sequence[Value], index: Ints, part: Weighed) -> None:
        place = np.array([self.place(value) for value in values])[index]
        columns = None, part.weight, part.weight**2, part.unsupported, part.noise
        for at, column in enumerate(columns):
            self.sums[:, at] += np.bincount(place, column, _KEPT + 1)
        np.maximum.at(self.sums[:, 5], place, part.weight)

    def __add__(self, other: _Field) -> _Field:
        found = _Field(dict(self.places), self.sums.copy())
        places = [found.place(value) for value in other.places]
        for place, sums in zip([*places, _KEPT], [*other.sums[: len(places)], other.sums[_KEPT]], strict=True):
            found.sums[place] = _joined(found.sums[place], sums)
        return found

    def place(self, value: Value) -> int:
        """Return the place of a value, a new one while there is room."""
        if value not in self.places and len(self.places) < _KEPT:
            self.places[value] = len(self.places)
        return self.places.get(value, _KEPT)

    def segments(self, name: str) -> Iterator[Segment]:
        """Yield the commonest values, and all others together."""
        ordered = sorted(self.places.items(), key=lambda each: (-self.sums[each[1], 0], str(each[0])))
        for value, place in ordered[:MAX_LEVELS]:
            yield _segment(_named(name, value), self.sums[place])
        others = self.sums[_KEPT]
        for _, place in ordered[MAX_LEVELS:]:
            others = _joined(others, self.sums[place])
        if others[0]:
            yield _segment(text("ope.verdict.segment_other", field=name), others)


@dataclass(slots=True)
class Overlap:
    """Gathers draws by the values of texts, flags and such numbers as have few values; None is a field with many."""

    fields: dict[str, _Field | None] = field(default_factory=dict)

    def add(self, block: Logged, part: Weighed) -> None:
        """Take in draws with what they say (n,)."""
        for name in (*block.texts, *block.numbers)[:MOST_FIELDS]:
            found = self.fields.setdefault(name, _Field())
            if found is not None:
                self.fields[name] = found.with_draws(_levels(block, name), part)

    def __add__(self, other: Overlap) -> Overlap:
        names = list(dict.fromkeys([*self.fields, *other.fields]))[:MOST_FIELDS]
        return Overlap(
            {name: _sum(self.fields.get(name, _Field()), other.fields.get(name, _Field())) for name in names}
        )

    def segments(self) -> list[Segment]:
        """Return the segments of all fields that have more than one."""
        found = [list(each.segments(name)) for name, each in self.fields.items() if each is not None]
        return [segment for segments in found if len(segments) > 1 for segment in segments]

    def gaps(self, widening: float = 1.0) -> list[Text]:
        """Return the segments in which the log lacks what the target would draw."""
        segments = self.segments()
        return [each.name for each in segments if each.is_gap(len(segments), widening)]

    def grid(self, widening: float = 1.0) -> Grid | None:
        """Return a row for each segment, or None where there are none."""
        segments = self.segments()
        if not segments:
            return None
        columns = tuple(text(f"ope.verdict.column_{name}") for name in _COLUMNS)
        rows = tuple(_row(each, _word(each, len(segments), widening)) for each in segments)
        return Grid("overlap", text("ope.verdict.overlap"), columns, rows, text("ope.verdict.overlap_note"))


def _levels(block: Logged, name: str) -> _Levels | None:
    """Return the different values of a field in a block, and the index of each draw's; None for too many numbers."""
    if name in block.texts:
        column = block.texts.index(name)
        words = block.words[column]
        index, old = renumbered(block.context.codes[:, column] + 1, len(words) + 1)
        return [words[code - 1] if code else None for code in old.tolist()], index
    numbers = block.context.numbers[:, block.numbers.index(name)]
    if len(np.unique(numbers[:_LOOKED_AT])) > MAX_LEVELS + 1:
        return None
    values, index = np.unique(numbers, return_inverse=True)
    return [None if math.isnan(value) else value for value in values.tolist()], index


def _sum(one: _Field | None, other: _Field | None) -> _Field | None:
    return None if one is None or other is None else (one + other).unless_wide()


def _are_texts(values: Iterable[Value]) -> bool:
    return all(isinstance(value, str) or value is None for value in values)


def _joined(one: Floats, other: Floats) -> Floats:
    return np.append(one[:5] + other[:5], max(one[5], other[5]))


def _segment(name: Text, sums: Floats) -> Segment:
    return Segment(name, int(sums[0]), *sums[1:].tolist())


def _named(name: str, value: Value) -> Text:
    if value is None:
        return text("ope.verdict.segment_missing", field=name)
    return text("ope.verdict.segment", field=name, value=value if isinstance(value, str) else plain(value))


def _row(segment: Segment, word: str) -> tuple[Cell, ...]:
    unsupported = segment.share_unsupported
    return (
        segment.name,
        count(segment.n),
        count(round(segment.effective)),
        None if unsupported is None else share(unsupported),
        amount(segment.mean_weight),
        amount(segment.largest),
        text(f"ope.verdict.segment_{word}"),
    )


def _word(segment: Segment, n_segments: int, widening: float) -> str:
    if segment.is_gap(n_segments, widening):
        return "gap"
    return "few" if segment.effective < judging.FEWEST else "covered"
