"""What a page says beyond credit: lifts across experiments, what a touch brings, the holdout, and what to try next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from analysis.attribution import lifting, segmenting, trying
from analysis.attribution.credits import Credits
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.incremental.effects import brought, effect, variants
from analysis.attribution.incremental.holdout import whole
from analysis.attribution.incremental.touches import per_touch
from analysis.attribution.incremental.units import Units
from analysis.attribution.lifting import Question, Together
from analysis.attribution.proving import Effects
from analysis.attribution.trying import Unproven
from analysis.document import Cell, Grid
from analysis.logs.sources import LogSource
from analysis.texts import Text, count, duration, text
from engine.experiments import Experiment, Status
from engine.metrics import Better, by_outcome
from engine.records import DrawKey

_SHARED = "attribution.proven.shared"


def grids(log: LogSource, units: Units, credits: Credits, known: Effects) -> Iterator[Grid]:
    """Yield the tables of a log's experiments together, for one outcome; `known` are the effects of touchpoints.

    There is none of touches or of a holdout where the log has nothing of the kind.
    """
    read = {draws.experiment_id for draws in units.draws} | units.refused.keys()
    states = [state for state in log.states() if state.experiment.experiment_id in read]
    experiments = [state.experiment for state in states]
    better = _better(experiments, units.outcome)
    rows = [(each, units) for each in lifting.together(experiments, units.refused)]
    rows += segmenting.cut(log, units, experiments)
    rows.sort(key=lambda row: lifting.DIMENSIONS.index(row[0].dimension))
    family = max(lifting.n_questions((each for each, _ in rows), units.refused), 1)
    yield lifting.grid(list(_answered(rows, family)), family, better)
    n_parts = 2 if credits.has_values else 1
    yield from _touches(log, units.outcome, experiments, n_parts)
    yield from _holdout(log, units.outcome, experiments, n_parts)
    running = [state.experiment.experiment_id for state in states if state.status is Status.RUNNING]
    teaching = trying.running(log, _by_itself(units, running, family))
    yield trying.grid(teaching, _unproven(credits, known, running), better)


def _better(experiments: Sequence[Experiment], outcome: str) -> Better:
    """Return whether more of an outcome is better: unless all metrics that are made of it say otherwise."""
    metrics = [metric for each in experiments for metric in by_outcome(each.metrics).get(outcome, ())]
    is_lower = bool(metrics) and all(metric.better is Better.LOWER for metric in metrics)
    return Better.LOWER if is_lower else Better.HIGHER


def _answered(rows: Iterable[tuple[Together, Units]], family: int) -> Iterator[tuple[Together, Effect]]:
    """Yield rows with their effects, each question answered once."""
    answers: dict[Question, Effect] = {}
    for each, units in rows:
        if each.question not in answers:
            answers[each.question] = brought(units, each.experiments, each.name, family=family)
        yield each, answers[each.question]


def _touches(log: LogSource, outcome: str, experiments: Sequence[Experiment], n_parts: int) -> Iterator[Grid]:
    """Yield what a touch of each variant brings, where each is drawn by itself."""
    by_touch = [each.experiment_id for each in experiments if each.policy.learns or each.draw_key is DrawKey.ASSIGNMENT]
    found = [per_touch(log, each, outcome) for each in by_touch]
    effects = [effect for each in found for effect in each.effects]
    if not any(effect.per_touch[0].interval for effect in effects):
        return
    rows: list[tuple[Cell, ...]] = [
        (each.name, count(each.n_touches), *each.per_touch[:n_parts], each.relative) for each in effects
    ]
    names = ("variant", "touches", *("conversions", "value")[:n_parts], "lift")
    window = duration(found[0].within.total_seconds())
    yield _grid("touches", names, rows, text("attribution.proven.touches_note", window=window))


def _holdout(log: LogSource, outcome: str, experiments: Sequence[Experiment], n_parts: int) -> Iterator[Grid]:
    """Yield what all experiments together brought, by who is held out of them, for each type of unit where some are."""
    types = sorted({experiment.unit for experiment in experiments})
    found = [(name, each) for name in types if (each := whole(log, outcome, name)).effect.of]
    rows: list[tuple[Cell, ...]] = [
        (name, count(each.effect.n_units), *each.effect.total[:n_parts], each.effect.relative) for name, each in found
    ]
    names = ("unit", "units", *("total", "total_value")[:n_parts], "lift")
    note = text("attribution.proven.holdout_note")
    left_out = [text("page.counted", what=each.what, n=count(each.n)) for _, of in found for each in of.left_out]
    if left_out:
        note = text("attribution.proven.holdout_left_out", note=note, counts=tuple(left_out))
    if rows:
        yield _grid("holdout", names, rows, note)


def _grid(key: str, names: Sequence[str], rows: Sequence[tuple[Cell, ...]], note: Text) -> Grid:
    columns = tuple(text(f"attribution.proven.{name}") for name in names)
    return Grid(key, text(f"attribution.proven.{key}_title"), columns, tuple(rows), note)


def _by_itself(units: Units, running: Collection[str], family: int) -> Mapping[str, Sequence[Effect]]:
    """Return the effects of the variants of experiments, or that of the whole to say why there are none.

    Their family is no smaller than that of the lifts, so that nothing is said here which is not clear there.
    """
    n_variants = sum(len(draws.names) - 1 for draws in units.draws if draws.experiment_id in running)
    several = max(family, n_variants)
    return {
        each: variants(units, each, family=several) or (effect(units, [each], each, family=several),)
        for each in running
    }


def _unproven(credits: Credits, known: Effects, running: Collection[str]) -> Iterator[Unproven]:
    """Yield touchpoints of experiments that run, several of them, of which nothing is proven.

    What one experiment alone could teach, it says itself.
    """
    for name, n in zip(credits.touchpoints, credits.n_touches.tolist(), strict=True):
        of, why = _why_not(known.get(name))
        if n and why is not None and len(of) > 1 and not of.isdisjoint(running):
            yield Unproven(name, n, why)


def _why_not(found: Effect | Text | None) -> tuple[frozenset[str], Text | None]:
    """Return of which experiments a touchpoint is, and why nothing is proven of it, if so."""
    match found:
        case Effect():
            total = found.at_one_look.total[0]
            return frozenset(found.of), total.note if total.interval is None else None
        case Text(key=key, args={"names": tuple(names)}) if key == _SHARED:
            return frozenset(map(str, names)), found
    return frozenset(), None
