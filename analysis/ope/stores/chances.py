"""What draws were drawn from: whole distributions over all variants that ever were, or over places of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Flags, Floats, Ints, distinct, places, renumbered
from analysis.logs.frames import Frame
from analysis.logs.labels import Answers
from analysis.logs.patterns import names_of, patterns
from analysis.logs.sources import LogSource
from analysis.ope.stores.asking import Definitions
from analysis.texts import Name, count, text
from engine.columns import Coded, Columns
from engine.randomness import ONE
from simulators.imported import OTHERS

_COLUMNS = ("seq", "revision", "variant", "eligible", "distribution")


@dataclass(frozen=True, slots=True)
class Chances:
    """Rows (n,), given by their places among the frame's, and what each was drawn from.

    `index` (n,) is the row's place among the distributions `probabilities` (n_patterns, k) and what was `eligible`
    (n_patterns, k), `variant` (n,) that of what was drawn among the `names`. `listed` are the lists of what was
    eligible, and `among` (n,) which of them is the row's. `is_whole` says whether all probabilities are known.
    """

    row: Ints
    names: tuple[Name, ...]
    variant: Ints
    index: Ints
    probabilities: Floats
    eligible: Flags
    among: Ints
    listed: tuple[tuple[str, ...], ...]
    revision: Ints
    definitions: Definitions

    @property
    def is_whole(self) -> bool:
        """Whether all probabilities are known, and not only what several variants share."""
        return OTHERS not in self.names

    def of(self, row: Ints) -> Ints:
        """Return the places of some of the rows, (m,)."""
        return places(row, self.row)


def chances(source: LogSource, frame: Frame, row: Ints) -> Chances:
    """Return what some rows were drawn from, `row` (n,) ascending."""
    raw = source.columns("assignments", _COLUMNS, frame.experiment.experiment_id)
    at = places(frame.assignments.seq[row], raw["seq"])
    chosen: Columns = {name: _taken(raw[name], at) for name in ("variant", "eligible", "distribution")}
    listed = tuple(map(names_of, chosen["eligible"].words))
    among = chosen["eligible"].codes
    by = _by_place if frame.answers is Answers.CANDIDATES else _by_name
    names, variant, index, probabilities, eligible = by(frame, chosen, listed)
    revision = raw["revision"][at]
    known = {each: source.definition(frame.experiment.experiment_id, each) for each in distinct(revision).tolist()}
    definitions = {each: found or frame.experiment for each, found in known.items()} or {0: frame.experiment}
    return Chances(row, names, variant, index, probabilities, eligible, among, listed, revision, definitions)


_Found = tuple[tuple[Name, ...], Ints, Ints, Floats, Flags]


def _taken(column: Coded, at: Ints) -> Coded:
    """Return some rows of a column, with the words that occur in them."""
    codes, old = renumbered(column.codes[at], len(column.words))
    return Coded(codes, tuple(column.words[code] for code in old.tolist()))


def _by_name(frame: Frame, chosen: Columns, listed: Sequence[tuple[str, ...]]) -> _Found:
    """Return distributions over the declared variants, then those that were drawn, then any that were eligible."""
    names = tuple(dict.fromkeys([*frame.variants, *(name for each in listed for name in each)]))
    place: dict[Name, int] = {name: number for number, name in enumerate(names)}
    found = patterns(chosen["eligible"], chosen["distribution"], names)
    variant = chosen["variant"].looked_up([*(place[word] for word in chosen["variant"].words), -1])
    could_be = np.zeros((len(listed), len(names)), np.bool_)
    for code, each in enumerate(listed):
        could_be[code, [place[name] for name in each]] = True
    eligible = np.zeros(found.probabilities.shape, np.bool_)
    eligible[found.index] = could_be[chosen["eligible"].codes]
    return names, variant, found.index, found.probabilities, eligible


def _by_place(frame: Frame, chosen: Columns, listed: Sequence[tuple[str, ...]]) -> _Found:  # noqa: ARG001 as by name
    """Return distributions over places in the order of the request, as many as the longest has."""
    k = max(map(len, listed), default=1)
    names = tuple(text("place.nth", n=count(place)) for place in range(1, k + 1))
    words = chosen["distribution"].words
    probabilities = np.zeros((max(len(words), 1), k))
    for code, word in enumerate(words):
        weights = np.frombuffer(word, "<i8")
        probabilities[code, : len(weights)] = weights / ONE
    n_eligible = np.array([len(word) // 8 for word in words] or [0])
    place = [{name: number for number, name in enumerate(each)} for each in listed]
    pairs = zip(chosen["eligible"].codes.tolist(), chosen["variant"].values().tolist(), strict=True)
    variant = np.array([place[code][name] for code, name in pairs], np.int64)
    eligible = np.arange(k) < n_eligible[:, None]
    return names, variant, chosen["distribution"].codes, probabilities, eligible
