"""What units brought beyond their control: by experiments together, by each for itself, and by the variants of one.

Each of these is computed once: what is kept of it is small, whatever the number of units.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.attribution.incremental import baseline
from analysis.attribution.incremental.contrasts import Contrast
from analysis.attribution.incremental.entering import Entered
from analysis.attribution.incremental.scoring import Scores
from analysis.attribution.incremental.units import Draws, Units
from analysis.texts import Text, share, text

Pair = tuple[Scores, Scores]
"""Scores of conversions and of value."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What `n_units` brought beyond the control, by a model of what was expected of them, and without one (`plain`)."""

    n_units: int
    scores: Pair
    plain: Pair


@dataclass(frozen=True, slots=True, eq=False)
class Alone:
    """What one experiment brought, and each of its variants by their places; or why nothing can be said."""

    whole: Compared | Text
    variants: dict[int, Compared | Text]


@dataclass(frozen=True, slots=True, eq=False)
class Summed:
    """What several experiments brought, each by itself, in all; and why others are not in it."""

    whole: Compared | Text
    left_out: dict[str, Text]


def alone(units: Units, draws: Draws) -> Alone:
    """Return what an experiment brought, and its variants."""
    return _once(units, draws.experiment_id, lambda: _alone(units, draws))


def together(units: Units, chosen: Sequence[Draws]) -> Compared | Text:
    """Return what some experiments brought together, or why it cannot be said."""
    if len(chosen) == 1:
        return alone(units, chosen[0]).whole
    return _once(units, ("together", *_ids(chosen)), lambda: _together(units, chosen))


def summed(units: Units, chosen: Sequence[Draws]) -> Summed:
    """Return what each of some experiments brought, the others being as they were, in all.

    What was brought is counted once for each unit, however many of them it came into.
    """
    return _once(units, ("summed", *_ids(chosen)), lambda: _summed(units, chosen))


def _once(units: Units, key: Hashable, find: Callable[[], Found]) -> Found:
    if key not in units.kept:
        units.kept[key] = find()
    found: Found = units.kept[key]
    return found


def _ids(chosen: Sequence[Draws]) -> Iterator[str]:
    return (draws.experiment_id for draws in chosen)


@dataclass(frozen=True, slots=True, eq=False)
class _Came:
    """Who came in, what they did (u, 2), and what was expected of them (u, 2)."""

    entered: Entered
    did: Floats
    expected: Floats

    @classmethod
    def of(cls, units: Units, chosen: Sequence[Draws]) -> _Came | Text:
        if not any(len(draws.unit) for draws in chosen):
            return text("attribution.incremental.nobody")
        entered = Entered.of(units, chosen)
        if not len(entered):
            return text("attribution.incremental.open")
        did = units.did.between(entered.unit, entered.since, entered.until)
        return cls(entered, did, baseline.expected(baseline.known(units, entered, chosen), did, entered.unit))

    @classmethod
    def joined(cls, parts: Sequence[_Came]) -> _Came:
        did, expected = (np.concatenate([getattr(each, name) for each in parts]) for name in ("did", "expected"))
        return cls(Entered.joined([each.entered for each in parts]), did, expected)

    @property
    def of_all(self) -> Contrast:
        return Contrast.of_all(self.entered.is_control, self.entered.chance)

    def compared(self, contrast: Contrast, brought: Floats | None = None) -> Compared | Text:
        """Return what a contrast says, of those who did what was `brought` (u, 2), or why it says nothing."""
        reason = _why_not(contrast)
        if reason is not None:
            return reason
        scores, plain = (self._scores(contrast, expected, brought) for expected in (self.expected, 0 * self.expected))
        n_units = scores[0].n if contrast.is_of_all else int(contrast.kept.sum())
        return Compared(n_units, scores, plain)

    def _scores(self, contrast: Contrast, expected: Floats, brought: Floats | None) -> Pair:
        sides = self.did if brought is None else brought
        conversions, value = (
            Scores.of(contrast, did, model, self.entered.unit, None if brought is None else side)
            for did, model, side in zip(self.did.T, expected.T, sides.T, strict=True)
        )
        return conversions, value


def _alone(units: Units, draws: Draws) -> Alone:
    came, others = _Came.of(units, [draws]), _others(draws)
    if isinstance(came, Text):
        return Alone(came, dict.fromkeys(others, came))
    own = draws.places(came.entered.unit)
    variants = {place: came.compared(_contrast(draws, place, own)) for place in others}
    return Alone(came.compared(came.of_all), variants)


def _together(units: Units, chosen: Sequence[Draws]) -> Compared | Text:
    came = _Came.of(units, chosen)
    return came if isinstance(came, Text) else came.compared(came.of_all)


def _summed(units: Units, chosen: Sequence[Draws]) -> Summed:
    parts: list[_Came] = []
    left_out: dict[str, Text] = {}
    for draws in chosen:
        came = _Came.of(units, [draws])
        reason = came if isinstance(came, Text) else _no_chance(came.of_all)
        if reason is not None:
            left_out[draws.experiment_id] = reason
        elif isinstance(came, _Came):
            parts.append(came)
    if not parts:
        return Summed(text("attribution.incremental.nobody"), left_out)
    everyone = _Came.joined(parts)
    entered = everyone.entered
    # What a unit does after it came in again is counted from then on.
    did_once = units.did.between(entered.unit, entered.since, np.minimum(entered.until, entered.next_since - 1))
    return Summed(everyone.compared(everyone.of_all, did_once), left_out)


def _others(draws: Draws) -> list[int]:
    """Return the places of what could have been drawn beside the control."""
    could = draws.chances.max(axis=0, initial=0.0) > 0
    return [place for place in range(len(draws.names)) if place != draws.control and could[place]]


def _contrast(draws: Draws, place: int, own: Ints) -> Contrast:
    """Return that of a variant with the control, of some units (u,)."""
    return Contrast(draws.drawn[own] == place, draws.chances[own, place], draws.is_control[own], draws.chance[own])


def _no_chance(contrast: Contrast) -> Text | None:
    without = float(contrast.without_control.mean())
    return text("attribution.incremental.no_chance", share=share(without)) if without else None


def _why_not(contrast: Contrast) -> Text | None:
    is_some = bool(contrast.kept.any()) and bool(contrast.share.any())
    return _no_chance(contrast) or (None if is_some else text("attribution.incremental.control_alone"))
