"""Lift by channel, experiment, segment and moment: one outcome across all experiments of a log, in one table.

What is compared is the outcome of the units as they were served, with what it would have been had all experiments of a
row answered their control. All rows are one family: their intervals hold together (Bonferroni over different sets of
experiments), and their words are Holm's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.attribution.incremental.effect import Effect
from analysis.deciding import multiplicity
from analysis.document import Cell, Forest, Grid, Word
from analysis.estimate import LEVEL, Estimate
from analysis.texts import Name, count, probability, text
from engine.experiments import Experiment

DIMENSIONS = ("channel", "experiment", "segment", "moment")
"""What experiments are put together by: what their briefs say, or each by itself."""

_COLUMNS = ("dimension", "name", "experiments", "units", "lift", "total", "adjusted", "word")


@dataclass(frozen=True, slots=True)
class Together:
    """Experiments that a dimension puts together under a name."""

    dimension: str
    name: str
    experiments: tuple[str, ...]


def together(experiments: Iterable[Experiment]) -> tuple[Together, ...]:
    """Return the sets of experiments by each dimension; a brief that says nothing of one puts it nowhere.

    >>> from engine.experiments import Brief, Variant
    >>> from engine.metrics import Metric
    >>> row = Experiment("row", (Variant("a"), Variant("b")), (Metric("click"),), brief=Brief(channel="web"))
    >>> [(each.dimension, each.name) for each in together([row])]
    [('channel', 'web'), ('experiment', 'row')]
    """
    known = list(experiments)
    found: dict[tuple[str, str], list[str]] = {}
    for dimension in DIMENSIONS:
        for experiment in known:
            if name := _name(experiment, dimension):
                found.setdefault((dimension, name), []).append(experiment.experiment_id)
    return tuple(Together(*key, tuple(sorted(ids))) for key, ids in found.items())


def n_questions(sets: Iterable[Together]) -> int:
    """Return how many different questions are asked: one set of experiments under two names is one."""
    return len({each.experiments for each in sets})


def grid(found: Sequence[tuple[Together, Effect]]) -> Grid:
    """Return the lifts of sets of experiments, whose intervals are those of a family of all of them."""
    adjusted = _adjusted(found)
    words = [_word(effect.relative, adjusted.get(each.experiments)) for each, effect in found]
    rows = tuple(
        _row(each, effect, adjusted.get(each.experiments), word)
        for (each, effect), word in zip(found, words, strict=True)
    )
    columns = tuple(text(f"attribution.lifts.{name}") for name in _COLUMNS)
    title = text("attribution.lifts.title")
    forest = Forest(
        title,
        tuple(_named(each) for each, _ in found),
        tuple(effect.relative for _, effect in found),
        tuple(words),
    )
    note = text("attribution.lifts.note", n=count(len({each.experiments for each, _ in found})))
    return Grid("lifts", title, columns, rows, note, forest)


def _name(experiment: Experiment, dimension: str) -> str:
    return experiment.experiment_id if dimension == "experiment" else str(getattr(experiment.brief, dimension))


def _named(found: Together) -> Name:
    return text("attribution.lifts.of", dimension=text(f"attribution.lifts.{found.dimension}"), name=found.name)


def _adjusted(found: Sequence[tuple[Together, Effect]]) -> Mapping[tuple[str, ...], float]:
    """Return Holm's adjusted p-values by set of experiments, each asked once."""
    p = {
        each.experiments: effect.per_unit[0].p_value
        for each, effect in found
        if effect.per_unit[0].p_value is not None and effect.relative.interval is not None
    }
    values = multiplicity.holm(np.array(list(p.values()), np.float64)).tolist() if p else []
    return dict(zip(p, values, strict=True))


def _word(relative: Estimate, adjusted: float | None) -> Word:
    if adjusted is None or relative.value is None:
        return Word.NOT_EVALUABLE
    if adjusted >= 1 - LEVEL:
        return Word.NOT_CLEAR
    return Word.BETTER if relative.value > 0 else Word.WORSE


def _row(found: Together, effect: Effect, adjusted: float | None, word: Word) -> tuple[Cell, ...]:
    return (
        text(f"attribution.lifts.{found.dimension}"),
        found.name,
        count(len(found.experiments)),
        count(effect.n_units),
        effect.relative,
        effect.total[0],
        None if adjusted is None else probability(adjusted),
        word,
    )
