"""Units made of arrays: what was drawn for them in experiments, and what they did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.attribution.incremental.did import Did
from analysis.attribution.incremental.units import Draws, Units
from analysis.texts import Name
from engine.experiments import Brief

DAY = 86_400_000_000
END = 100 * DAY


def draws(name, unit, at, drawn, chances, names: tuple[Name, ...] = ("a", "b"), channel=""):
    """Return draws of units at some days; `chances` are those of one row, or of each."""
    unit, drawn = np.asarray(unit, np.int64), np.asarray(drawn, np.int64)
    at = np.broadcast_to(np.asarray(at) * DAY, unit.shape).astype(np.int64)
    spread = np.broadcast_to(np.asarray(chances, np.float64), (len(unit), len(names)))
    return Draws(name, Brief(channel=channel), names, 0, unit, at, drawn, spread)


def did(unit=(), at=(), value=()):
    """Return what units did at some days."""
    unit = np.asarray(unit, np.int64)
    at = np.broadcast_to(np.asarray(at) * DAY, unit.shape).astype(np.int64)
    order = np.argsort(at, kind="stable")
    value = np.broadcast_to(np.asarray(value, np.float64), unit.shape)
    return Did(unit[order], at[order], value[order])


def units(experiments, done, within=None, refused=None):
    """Return experiments with an outcome, in a log of a hundred days."""
    return Units("order", tuple(experiments), done, refused or {}, END, within)


@dataclass(frozen=True)
class World:
    """A world of known effects: units that are in more experiments also do more without any."""

    units: Units
    on_top: float
    """What was expected on top of what units do anyway, in all, given what was drawn."""


def world(random, n, control_shares, rate=0.02, lifts=(0.3, 0.15, 0.0, 0.45)):
    """Return n units, of which each experiment gets some; a draw of its other variant adds to what they do."""
    active = random.gamma(2.0, 0.5, n)
    day = 10 + 50 * random.random(n)
    expected, experiments, added = active * rate, [], np.zeros(n)
    for place, share in enumerate(control_shares):
        comes = random.random(n) < 1 - np.exp(-active * (0.7, 0.5, 0.4, 0.3)[place])
        drawn = (random.random(n) >= share).astype(np.int64)
        added += active * rate * lifts[place] * drawn * comes
        who, chances = np.flatnonzero(comes), [share, 1 - share]
        experiments.append(draws(f"e{place}", who, day[who] + place, drawn[who], chances, channel=f"c{place}"))
    before, after = random.poisson(2 * expected), random.poisson(expected + added)
    units_of = [np.repeat(np.arange(n), times) for times in (before, after)]
    days = [np.full(len(units_of[0]), 1.0), day[units_of[1]] + 5]
    value = random.lognormal(0.0, 1.0, sum(map(len, days)))
    done = did(np.concatenate(units_of), np.concatenate(days), value)
    return World(units(experiments, done), float(added.sum()))
