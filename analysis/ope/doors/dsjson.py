"""VW's dsjson: one decision a line, or one slate a line (`_outcomes`), with its reward as a cost.

What its fields mean, and where they mislead:

    _label_cost           the reward's negative, here and for each slot of a slate
    _label_Action         the place of what was drawn, from 1; `_labelIndex` is the same from 0
    a, p                  places from 1, the drawn one first, and the probability of each: `p` is in the order of `a`,
                          not of the variants. Numbers of 32 bits, whose sum misses 1 by some 1e-7
    _a, _p                the same for a slot, but places from 0, and only of what the slots before it left
    _label_probability    p[0], or in later versions p[0] times the probability that the line was kept
    pdrop                 the probability that the line was dropped; VW gives what is left a weight of 1 / (1 - pdrop)
    _skipLearn            the decision was never activated, so that nothing came of it
    RewardValue           a line of an observation whose decision is not there
    c                     the context by namespaces, `_multi` with the features of each variant, `_slots` of each slot

Source: VW, parse_example_json.cc (`read_line_decision_service_json`, `apply_pdrop`), and its joiner's `log_converter`.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.ope.doors.dsjson_lines import EPOCH, SLOT, Reading, event_of, kept_with, question, rows_of
from analysis.ope.doors.leaving_out import LeftOut, Unusable, Why, usable
from analysis.ope.doors.lines import Lines, parts, write_lines
from analysis.ope.doors.nested import nested
from analysis.ope.doors.rows import Gathering, Row, Shape, blocks
from analysis.ope.doors.thinning import Thinning
from analysis.ope.logged import BLOCK, Collection, Logged, Question
from engine.errors import InvalidRequest
from engine.experiments import Variant
from engine.records import Context as Fields

_SLOTS = 1000
"""The most slots of a slate: the third one of line 7 is row 7002."""

_RECENT = 1 << 18
"""A line that is written twice comes soon again: so many of the last ids are remembered."""


def read(
    path: Path | str,
    reading: Reading | None = None,
    collection: Collection | None = None,
    *,
    shape: Shape | None = None,
    n: int = BLOCK,
) -> Iterator[Logged]:
    """Yield the draws of a file in blocks of some `n`. VW does not say who drew them: an adaptive log, unless told.

    Variants are those of `_multi`, called by their `_tag` where one line has all that there are, else by their places
    in the line. Fields of the context are called "namespace.feature". The file is read twice: first for its `shape`, if
    that is not given. A row is its line's number; of slates, a thousand times that and the place of its slot.

    Raises:
        InvalidRequest: there is no such file, no line of it is a draw, or lines were kept with different probabilities.
    """
    lines, how = _Numbered.of(Path(path)), reading or Reading()
    known = shape or Shape.of(_rows(lines, how, LeftOut()))
    how = replace(how, variants=how.variants or known.named)
    left_out = LeftOut()
    gathering = Gathering(known, collection or Collection(), partial(_ask, lines, how))
    return blocks(_rows(lines, how, left_out), gathering, left_out, n)


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A file's lines. A row is its line's number; of slates, `stride` times that, and the place of its slot."""

    lines: Lines
    stride: int

    @classmethod
    def of(cls, path: Path) -> _Numbered:
        lines = Lines(path)
        for _, line in lines.numbered():
            with suppress(Unusable):
                return cls(lines, _SLOTS if "_outcomes" in event_of(line) else 1)
        return cls(lines, 1)


def _rows(file: _Numbered, how: Reading, left_out: LeftOut) -> Iterator[Row]:
    check_new, thinning = _repeats(), Thinning(how.kept, np.random.default_rng(how.seed))

    def rows(number: int, line: bytes) -> list[Row]:
        event = event_of(line)
        check_new(event.get("EventId"))
        found = rows_of(number, event, how)
        if len(found) > file.stride:
            raise Unusable(Why.BROKEN)
        thinning.check(number, kept_with(event, found[0], is_thinned=how.kept is not None))
        return [replace(row, number=number * file.stride + place) for place, row in enumerate(found)]

    return usable(file.lines.numbered(), rows, left_out)


def _repeats() -> Callable[[object], None]:
    """Return what finds an id unusable that was there before."""
    recent: deque[object] = deque(maxlen=_RECENT)
    known: set[object] = set()

    def check_new(event_id: object) -> None:
        if not isinstance(event_id, str) or not event_id:
            return
        if event_id in known:
            raise Unusable(Why.REPEATED)
        if len(recent) == _RECENT:
            known.remove(recent[0])
        recent.append(event_id)
        known.add(event_id)

    return check_new


def _ask(file: _Numbered, how: Reading, rows: Ints) -> Iterator[Question]:
    numbers, places = (each.tolist() for each in divmod(rows, file.stride))
    for place, line in zip(places, file.lines.again(numbers), strict=True):
        yield question(event_of(line), place, how)


def write(log: Logged | Iterable[Logged], path: Path | str) -> int:
    """Write a log as dsjson, which VW and `read` read, and return the number of lines. A slate is one line.

    Our own fields `unit`, `logger` and `_slot` stand beside VW's, which passes over them (inside an outcome a field
    without the `_` would become a feature). Where no draw was among all variants, give their names to `read`:
    `Reading(variants=...)`.

    Raises:
        InvalidRequest: the log has propensities alone, slots of one slate have different contexts, or a field begins
            with `_`, which dsjson keeps for itself.

    >>> from tempfile import TemporaryDirectory
    >>> log = Logged.of(("a", "b"), np.array([1]), np.ones(1), np.array([0.25]), probabilities=np.array([[0.75, 0.25]]))
    >>> with TemporaryDirectory() as directory:
    ...     n_lines = write(log, Path(directory) / "log.json")
    ...     (found,) = read(Path(directory) / "log.json")
    >>> n_lines, found.variants, found.probabilities.tolist()
    (1, ('a', 'b'), [[0.75, 0.25]])
    """
    return write_lines(path, (json.dumps(event, ensure_ascii=False) for part in parts(log) for event in _events(part)))


def _events(log: Logged) -> Iterator[dict[str, Any]]:
    probabilities = log.probabilities
    if probabilities is None:
        raise InvalidRequest("dsjson holds whole distributions and this log has propensities alone: write it as CSV")
    is_slate = bool((log.slate[1:] == log.slate[:-1]).any())
    draws = (
        _Draw(place, question, eligible, probabilities[place])
        for place, (question, eligible) in enumerate(log.placed())
    )
    for _, slate in groupby(draws, lambda draw: log.slate[draw.place].item()):
        filled = list(slate)
        yield _slate(log, filled) if is_slate else _alone(log, filled[0])


class _Draw(NamedTuple):
    """A draw's place in its block, what was asked, the places of what was eligible, and the probabilities of all."""

    place: int
    question: Question
    eligible: list[int]
    p: Floats

    @property
    def names(self) -> list[str]:
        """The names of what was eligible."""
        return [variant.name for variant in self.question.eligible]


def _alone(log: Logged, draw: _Draw) -> dict[str, Any]:
    places, p = _ranked(log, draw)
    first = draw.eligible.index(places[0])
    label = {"_label_cost": 0.0 - float(log.reward[draw.place]), "_label_probability": p[0]}
    label |= {"_label_Action": first + 1, "_labelIndex": first}
    slot = {"_slot": int(log.slot[draw.place])} if log.slot[draw.place] else {}
    a = [draw.eligible.index(place) + 1 for place in places]
    return label | _about(log, draw) | slot | {"a": a, "c": _context(draw.question), "p": p}


def _slate(log: Logged, draws: Sequence[_Draw]) -> dict[str, Any]:
    first = draws[0]
    context = _context(first.question)
    if any(_shared(draw.question.context) != _shared(first.question.context) for draw in draws):
        raise InvalidRequest(f"row {log.row[first.place]} is of a slate whose slots have different contexts: write CSV")
    context["_slots"] = [nested(_of_slot(draw.question.context)) for draw in draws]
    return {**_about(log, first), "c": context, "_outcomes": [_outcome(log, draw, first.names) for draw in draws]}


def _outcome(log: Logged, draw: _Draw, there_were: list[str]) -> dict[str, Any]:
    places, p = _ranked(log, draw)
    cost, slot = 0.0 - float(log.reward[draw.place]), int(log.slot[draw.place])
    if not set(draw.names) <= set(there_were):
        raise InvalidRequest(f"row {log.row[draw.place]} could be a variant that the first slot of its slate could not")
    return {
        "_label_cost": cost,
        "_id": str(slot),
        "_slot": slot,
        "_a": [there_were.index(draw.names[draw.eligible.index(place)]) for place in places],
        "_p": p,
        "_o": [],
    }


def _ranked(log: Logged, draw: _Draw) -> tuple[list[int], list[float]]:
    """Return what could be drawn, the drawn one first, and the probabilities of these."""
    drawn = int(log.variant[draw.place])
    places = [drawn, *(place for place in draw.eligible if place != drawn)]
    return places, [log.propensity[draw.place].item(), *draw.p[places[1:]].tolist()]


def _about(log: Logged, draw: _Draw) -> dict[str, Any]:
    at = EPOCH + timedelta(microseconds=int(log.at[draw.place]))
    return {
        "Timestamp": at.isoformat().replace("+00:00", "Z"),
        "Version": "1",
        "EventId": str(log.row[draw.place]),
        "unit": str(log.unit[draw.place]),
        "logger": int(log.logger[draw.place]),
    }


def _context(question: Question) -> dict[str, Any]:
    return {
        **_checked(nested(_shared(question.context))),
        "_multi": [_action(variant) for variant in question.eligible],
    }


def _shared(context: Fields) -> Fields:
    return {name: value for name, value in context.items() if not name.startswith(f"{SLOT}.")}


def _of_slot(context: Fields) -> Fields:
    return {name.removeprefix(f"{SLOT}."): value for name, value in context.items() if name.startswith(f"{SLOT}.")}


def _action(variant: Variant) -> dict[str, Any]:
    return {"_tag": variant.name, **_checked(nested(variant.features))}


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    own = [name for name in fields if name.startswith("_")]
    if own:
        raise InvalidRequest(f"dsjson keeps names that begin with `_` for itself: rename the field {own[0]!r}")
    return fields
