"""The effect of a set of experiments, and of each variant of one, by what was drawn first for each unit in them.

A unit counts as what it was drawn for, whether it met it or not (intention to treat). The totals of an experiment's
variants add up to the experiment's: they are sums over the same units with the same model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.attribution.incremental import baseline, saying
from analysis.attribution.incremental.contrasts import Contrast
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.incremental.entering import Entered
from analysis.attribution.incremental.saying import Said
from analysis.attribution.incremental.scoring import Scores
from analysis.attribution.incremental.units import Draws, Units
from analysis.texts import Name, Text, share, text
from engine.errors import InvalidRequest


def effect(units: Units, experiments: Collection[str], name: Name, *, family: int = 1) -> Effect:
    """Return what some experiments brought together, on top of what their controls would have.

    With Y for what a unit did from its first draw in any of them, m for what was expected of it before, and w for the
    product over its draws of 1[control] / P(control), that is the sum of (1 - w) (Y - m). Experiments that do not
    compare by unit are left out of it; where none does, it says why. The intervals hold together with those of so many
    others as the `family` has.

    Raises:
        InvalidRequest: an experiment was not read.
    """
    chosen, said = _chosen(units, experiments), _said(units, family)
    found = _Found.of(units, chosen)
    of = tuple(draws.experiment_id for draws in chosen)
    if isinstance(found, Text):
        reason = units.refused[next(iter(experiments))] if experiments and not chosen else found
        return _nothing(name, of or tuple(experiments), reason, said, 0)
    who = found.entered
    return _effect(name, of, found, Contrast.of_all(who.is_control, who.chance), said)


def variants(units: Units, experiment_id: str, *, family: int = 1) -> tuple[Effect, ...]:
    """Return what each variant of a test but the control brought to those who got it, or a bandit's policy.

    With the same Y and m as `effect`, that is the sum of (1[v] - 1[control] P(v) / P(control)) (Y - m). Their names
    are "experiment/variant". There is none where the experiment does not compare by unit.

    Raises:
        InvalidRequest: the experiment was not read.
    """
    chosen, said = _chosen(units, [experiment_id]), _said(units, family)
    return tuple(each for draws in chosen for each in _variants(units, draws, said))


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Who came in, what they did (u, 2), and what was expected of them (u, 2)."""

    entered: Entered
    did: Floats
    expected: Floats

    @classmethod
    def of(cls, units: Units, chosen: list[Draws]) -> _Found | Text:
        if not any(len(draws.unit) for draws in chosen):
            return text("attribution.incremental.nobody")
        entered = Entered.of(units, chosen)
        if not len(entered):
            return text("attribution.incremental.open")
        did = units.did.between(entered.unit, entered.since, entered.until)
        return cls(entered, did, baseline.expected(baseline.known(units, entered, chosen), did, entered.unit))

    def scores(self, contrast: Contrast, *, is_plain: bool = False) -> list[Scores]:
        """Return the scores of conversions and of value, without a model if they are to be plain."""
        unit = self.entered.unit
        return [
            Scores.of(contrast, did, 0.0 if is_plain else expected, unit)
            for did, expected in zip(self.did.T, self.expected.T, strict=True)
        ]


def _chosen(units: Units, experiments: Collection[str]) -> list[Draws]:
    known = {draws.experiment_id for draws in units.draws} | units.refused.keys()
    unknown = next((name for name in experiments if name not in known), None)
    if unknown is not None:
        raise InvalidRequest(f"{unknown!r} is not among the experiments that were read: {', '.join(sorted(known))}")
    return [draws for draws in units.draws if draws.experiment_id in experiments]


def _said(units: Units, family: int) -> Said:
    return Said(units.outcome, None if units.within is None else units.within.total_seconds(), family=family)


def _others(draws: Draws) -> list[int]:
    """Return the places of what could have been drawn beside the control."""
    could = (draws.chances > 0).sum(axis=0)
    return [place for place in range(len(draws.names)) if place != draws.control and could[place]]


def _variants(units: Units, draws: Draws, said: Said) -> Iterator[Effect]:
    """Yield what each variant brought."""
    of, found = (draws.experiment_id,), _Found.of(units, [draws])
    for place in _others(draws):
        name = _name(draws, place)
        if isinstance(found, Text):
            yield _nothing(name, of, found, said, 0)
        else:
            yield _effect(name, of, found, _contrast(draws, place, found.entered), said)


def _contrast(draws: Draws, place: int, entered: Entered) -> Contrast:
    """Return that of a variant with the control, of units that came in; some are missing whose window is open."""
    order = np.argsort(draws.unit)
    own = order[np.searchsorted(draws.unit[order], entered.unit)]
    return Contrast(draws.drawn[own] == place, draws.chances[own, place], draws.is_control[own], draws.chance[own])


def _name(draws: Draws, place: int) -> Name:
    name = draws.names[place]
    if isinstance(name, str):
        return f"{draws.experiment_id}/{name}"
    return text("attribution.incremental.of", experiment=draws.experiment_id, name=name)


def _effect(name: Name, of: tuple[str, ...], found: _Found, contrast: Contrast, said: Said) -> Effect:
    n = int(contrast.kept.sum())
    reason = _why_not(contrast, n)
    if reason is not None:
        return _nothing(name, of, reason, said, n)
    scores = found.scores(contrast)
    total = saying.totals(scores, said, "dr")
    return Effect(
        name,
        of,
        total,
        saying.per_each(total, n, said),
        saying.relative(scores[0], said),
        n,
        saying.influence(scores, total),
        saying.totals(found.scores(contrast, is_plain=True), said, "ipw"),
    )


def _why_not(contrast: Contrast, n: int) -> Text | None:
    without = float(contrast.without_control.mean())
    if without:
        return text("attribution.incremental.no_chance", share=share(without))
    return None if n and contrast.share.any() else text("attribution.incremental.control_alone")


def _nothing(name: Name, of: tuple[str, ...], reason: Text, said: Said, n: int) -> Effect:
    total, each, lift = saying.nothing(reason, said, n)
    return Effect(name, of, total, each, lift, n, None, total)
