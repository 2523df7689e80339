"""What everything together brought: units that are in, against the population's holdout, which no experiment gets.

Held-out units leave no rows. But who is held out follows from a keyed hash of the unit alone, so any unit that did
something can be placed, and an outcome that names its unit is recorded whoever it is. With a holdout share h, what the
units that are in brought, less (1 - h) / h times what the held-out ones brought, is unbiased for what came on top,
over the draw of the hash and whoever came by (Horvitz and Thompson 1952). It needs no count of the units that did
nothing. Each held-out unit weighs (1 - h) / h, so the sum is skewed, and its interval is Hall's (`adaptive.means`): in
simulations with LEAST effective held-out units it covers 96 % for counts, 95 % for amounts that are lognormal with a
deviation of 1, and 93 % with one of 1.5, where Wald's covers 95, 92 and 88 %.

The counts of units on both sides are no check of the draw: only units that did something are known, and whether they
did is what is to be found out. They would follow the shares only if nothing had an effect.

The contrast is by intention to treat. A held-out unit that is forced to have a variant is held out all the same; a unit
that took part as its device before the login passed by the device's number, which makes the contrast smaller.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analysis.adaptive import means
from analysis.adaptive.means import Mean
from analysis.arrays import Floats, Ints
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.incremental.looking import Look
from analysis.attribution.incremental.placing import Doers, Placed, n_answered, outcomes
from analysis.attribution.sums import N_GROUPS, groups
from analysis.document import Count
from analysis.estimate import Estimate, Scale, not_evaluable
from analysis.lifts import intervals
from analysis.logs.sources import LogSource
from analysis.ope.stores.asking import is_reader, opening
from analysis.texts import Number, Style, Text, count, text
from engine.admission import holdout
from engine.clock import EPOCH, from_micros, to_micros
from engine.experiments import Status
from engine.ports import Reader

LEAST = 20
"""So many held-out units must have done something, by the effective number (sum y)**2 / sum y**2."""

_NEGLIGIBLE = 0.1
"""What outcomes of assignments come to may be this share of the standard error; beyond, nothing is said."""

_LOOK = Look(n_planned=1_000)
"""A holdout has no end at which it would be read. Its time are units that did something: fewer than there are units."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about: an outcome of units of a type, since a time in microseconds."""

    outcome: str
    unit_type: str
    since: int = 0

    def estimand(self, column: int) -> Text:
        """Return the estimand of conversions, 0, or value, 1."""
        key = "whole_value" if column else "whole_conversions"
        day = Number(from_micros(self.since).timestamp(), Style.DAY)
        return text(f"attribution.lifts.{key}", outcome=self.outcome, unit=self.unit_type, day=day)


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """The effect of everything since `since` (microseconds), and which outcomes were left out of it, by reason."""

    effect: Effect
    since: int
    left_out: tuple[Count, ...] = ()


def whole(log: str | Path | LogSource, outcome: str, unit_type: str = "customer") -> Whole:
    """Return what all experiments together brought of an outcome, by units of a type, since the holdout is as it is.

    The total is that of the units that are in. Nothing can be said of an exported log, which has no plain ids; where
    nobody is held out; where too few held-out units did something; or where the outcome is reported of assignments as
    well, which held-out units have none of.
    """
    with opening(log)() as source:
        if not is_reader(source):
            return _nothing(text("attribution.lifts.whole_exported"), Asked(outcome, unit_type))
        gate = holdout(source.population().population, unit_type)
        asked = Asked(outcome, unit_type, _since(source))
        if gate is None or not gate.start:
            return _nothing(text("attribution.lifts.whole_none"), asked)
        of = _experiments(source, unit_type)
        if not of:
            return _nothing(text("attribution.lifts.whole_nobody", unit=unit_type), asked)
        placed = Placed(gate, unit_type, asked.since)
        for each in outcomes(source, outcome):
            placed.add(each)
        doers = placed.doers(n_answered(source, of, asked.since))
    return Whole(effect_of(doers, of, asked), asked.since, placed.left_out)


def _since(reader: Reader) -> int:
    """Return when it changed last who is held out, in microseconds."""
    changes = [each for each in reader.population_history() if {"holdout", "seed"} & {*each.fields}]
    return to_micros(changes[-1].changed_at) if changes else to_micros(EPOCH)


def _experiments(reader: Reader, unit_type: str) -> tuple[str, ...]:
    """Return the experiments that ever had units of a type."""
    started = [state.experiment for state in reader.states() if state.status is not Status.DRAFT]
    return tuple(each.experiment_id for each in started if each.unit == unit_type)


def effect_of(doers: Doers, of: tuple[str, ...], asked: Asked) -> Effect:
    """Return what units that are in brought on top of what they would have brought had they been held out.

    Conversions and value are each said where they can be.
    """
    weight = (1 - doers.held_out) / doers.held_out
    added = doers.did * np.where(doers.is_out, -weight, 1.0)[:, None]
    conversions, value = (_total(doers, _sum(column), asked, place) for place, column in enumerate(added.T))
    return Effect(
        text("attribution.lifts.whole"),
        of,
        (conversions, value),
        (_per_unit(conversions, doers.n_in), _per_unit(value, doers.n_in)),
        _relative(doers, weight, _sum(added[:, 0]), conversions),
        doers.n_in,
        None if conversions.value is None else _influence(doers.unit, added),
    )


def _sum(added: Floats) -> Mean:
    """Return a sum and its spread: over units that come by at random, the variance of a sum is the sum of squares."""
    return Mean(*(float((added**power).sum()) for power in (1, 2, 3, 4)))


def _total(doers: Doers, found: Mean, asked: Asked, column: int) -> Estimate:
    estimand, n = asked.estimand(column), len(doers.unit)
    reason = _why_silent(doers, found, column)
    if reason is not None:
        return not_evaluable(reason, estimand, n, scale=Scale.DIFFERENCE)
    method = text("method.hall", method=text("attribution.lifts.whole_method"))
    low, high = means.interval(found, _LOOK.alpha(n))
    p = means.p_value(found)
    return _LOOK.read(Estimate(found.value, low, high, n, method, estimand, Scale.DIFFERENCE, p_value=p))


def _why_silent(doers: Doers, found: Mean, column: int) -> Text | None:
    out = np.abs(doers.did[doers.is_out, column])
    if not out.any() or out.sum() ** 2 / (out**2).sum() < LEAST:
        return text("attribution.lifts.whole_few", least=count(LEAST))
    if doers.by_answer[column] > _NEGLIGIBLE * found.standard_error:
        return text("attribution.lifts.whole_mixed", found=count(int(doers.by_answer[0])))
    return None


def _per_unit(total: Estimate, n_in: int) -> Estimate:
    estimand = text("attribution.lifts.whole_per_unit", of=total.estimand)
    if not n_in or total.value is None or total.low is None or total.high is None:
        reason = total.note or text("not_evaluable.nobody")
        return not_evaluable(reason, estimand, total.n, scale=Scale.DIFFERENCE)
    value, low, high = (each / n_in for each in (total.value, total.low, total.high))
    return replace(total, value=value, low=low, high=high, estimand=estimand)


def _relative(doers: Doers, weight: float, found: Mean, total: Estimate) -> Estimate:
    """Return the conversions on top as a share of what the held-out units stand for, by Fieller's interval."""
    estimand, conversions = text("estimand.relative", of=total.estimand), doers.did[:, 0]
    if total.note is not None:
        return not_evaluable(total.note, estimand, total.n, scale=Scale.RELATIVE)
    inside, outside = _sum(conversions[~doers.is_out]), _sum(conversions[doers.is_out] * weight)
    critical = means.critical(found, _LOOK.alpha(total.n))
    ends = intervals.fieller(inside.value, inside.square, outside.value, outside.square, critical)
    if ends is None:
        return not_evaluable(text("not_evaluable.not_identified"), estimand, total.n, scale=Scale.RELATIVE)
    value = inside.value / outside.value - 1
    return _LOOK.read(Estimate(value, *ends, total.n, text("method.fieller"), estimand, Scale.RELATIVE))


def _influence(unit: Ints, added: Floats) -> Floats:
    group = groups(unit)
    sums = np.stack([np.bincount(group, column, N_GROUPS) for column in added.T], axis=1)
    centred: Floats = sums - sums.mean(axis=0)
    return centred


def _nothing(reason: Text, asked: Asked) -> Whole:
    """Return that nothing can be said, and why."""
    totals = tuple(not_evaluable(reason, asked.estimand(column), scale=Scale.DIFFERENCE) for column in (0, 1))
    relative = not_evaluable(reason, text("estimand.relative", of=asked.estimand(0)), scale=Scale.RELATIVE)
    each = _per_unit(totals[0], 0), _per_unit(totals[1], 0)
    return Whole(Effect(text("attribution.lifts.whole"), (), (totals[0], totals[1]), each, relative, 0, None), 0)
