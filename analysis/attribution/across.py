"""What a page says beyond credit: lifts across experiments, what a touch brings, the holdout, and what to try next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.attribution import lifting, trying
from analysis.attribution.credits import Credits
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.incremental.effects import effect, variants
from analysis.attribution.incremental.holdout import whole
from analysis.attribution.incremental.touches import PerTouch, per_touch
from analysis.attribution.incremental.units import Units
from analysis.attribution.lifting import Together
from analysis.attribution.proving import Effects
from analysis.document import Cell, Grid
from analysis.logs.sources import LogSource
from analysis.texts import Name, count, duration, text
from engine.experiments import Experiment


def grids(log: LogSource, units: Units, credits: Credits, known: Effects) -> Iterator[Grid]:
    """Yield the tables of a log's experiments together, for one outcome; `known` are the effects of touchpoints."""
    read = {draws.experiment_id for draws in units.draws} | units.refused.keys()
    experiments = [state.experiment for state in log.states() if state.experiment.experiment_id in read]
    yield lifting.grid(list(_lifts(units, experiments)))
    learned = [each.experiment_id for each in experiments if each.policy.learns]
    if learned:
        yield _touches([per_touch(log, each, units.outcome) for each in learned])
    yield _holdout(log, units.outcome, experiments)
    yield trying.grid(trying.running(log, dict(_by_experiment(units))), list(_unproven(credits, known)))


def _lifts(units: Units, experiments: Sequence[Experiment]) -> Iterator[tuple[Together, Effect]]:
    sets = lifting.together(experiments)
    family = lifting.n_questions(sets)
    for each in sets:
        yield each, effect(units, each.experiments, each.name, family=family)


def _touches(found: Sequence[PerTouch]) -> Grid:
    """Return what a touch of each variant brings, where each is drawn by itself."""
    rows: list[tuple[Cell, ...]] = [
        (f"{each.experiment_id}/{effect.name}", count(effect.n_touches), *effect.per_touch, effect.relative)
        for each in found
        for effect in each.effects
    ]
    names = ("variant", "touches", "conversions", "value", "lift")
    columns = tuple(text(f"attribution.proven.{name}") for name in names)
    note = text("attribution.proven.touches_note", window=duration(found[0].within.total_seconds()))
    return Grid("touches", text("attribution.proven.touches_title"), columns, tuple(rows), note)


def _holdout(log: LogSource, outcome: str, experiments: Sequence[Experiment]) -> Grid:
    """Return what all experiments together brought, by who is held out of them, for each type of unit."""
    types = sorted({experiment.unit for experiment in experiments})
    found = [(each, whole(log, outcome, each).effect) for each in types]
    rows: list[tuple[Cell, ...]] = [(name, count(each.n_units), *each.total, each.relative) for name, each in found]
    names = ("unit", "units", "total", "total_value", "lift")
    columns = tuple(text(f"attribution.proven.{name}") for name in names)
    note = text("attribution.proven.holdout_note")
    return Grid("holdout", text("attribution.proven.holdout_title"), columns, tuple(rows), note)


def _by_experiment(units: Units) -> Iterator[tuple[str, Sequence[Effect]]]:
    for draws in units.draws:
        yield draws.experiment_id, variants(units, draws.experiment_id)


def _unproven(credits: Credits, known: Effects) -> Iterator[tuple[Name, int]]:
    """Yield touchpoints of which nothing is proven, with their touches."""
    for name, n in zip(credits.touchpoints, credits.n_touches.tolist(), strict=True):
        found = known.get(name)
        if n and not (isinstance(found, Effect) and found.total[0].interval):
            yield name, n
