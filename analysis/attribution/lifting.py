"""Lift by channel, experiment, segment and moment: one outcome across all experiments of a log, in one table.

What is compared is the outcome of the units as they were served, with what it would have been had all experiments of a
row answered their control. Each question, a set of experiments among some units, is asked once, whatever names it has,
and all questions are one family: their intervals hold together (Bonferroni), and the words are Holm's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from analysis.attribution.incremental.effect import Effect
from analysis.attribution.proving import noted
from analysis.deciding import multiplicity
from analysis.document import Cell, Forest, Grid, Word
from analysis.estimate import LEVEL
from analysis.pages import wording
from analysis.texts import Name, Text, count, probability, text
from engine.experiments import Experiment
from engine.metrics import Better

DIMENSIONS = ("channel", "experiment", "segment", "moment")
"""What experiments are put together by: what their briefs say, or each by itself."""

_WIDTH, _CHART_WIDTH = 40, 16
"""So long a name may be where its dimension follows, in a sentence and in a chart."""

_COLUMNS = ("dimension", "name", "experiments", "units", "lift", "total", "adjusted", "word")

Question = tuple[tuple[str, ...], Name]
"""Experiments, and among which units: empty for all of theirs."""


@dataclass(frozen=True, slots=True)
class Together:
    """Experiments that a dimension puts together under a name, for all of their units or those `among` which it is."""

    dimension: str
    name: Name
    experiments: tuple[str, ...]
    among: Name = ""

    @property
    def question(self) -> Question:
        """What is asked, which may be under several names."""
        return self.experiments, self.among


Found = Sequence[tuple[Together, Effect]]
"""Rows with their effects."""


def together(experiments: Iterable[Experiment], refused: Collection[str] = ()) -> tuple[Together, ...]:
    """Return the sets of experiments by each dimension; a brief that says nothing of one puts it nowhere.

    Those `refused` do not compare by unit. They are left out of a set with others, and alone they are a set of their
    own, to say why.

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
    return tuple(Together(*key, _compared(ids, refused)) for key, ids in found.items())


def n_questions(sets: Iterable[Together], refused: Collection[str] = ()) -> int:
    """Return how many different questions are asked: that are the answers which can be wrong."""
    return len({each.question for each in sets if not set(each.experiments) <= set(refused)})


def grid(found: Found, n_asked: int, better: Better = Better.HIGHER) -> Grid:
    """Return the lifts of sets of experiments, whose intervals are those of a family of `n_asked` questions."""
    adjusted = _adjusted(found)
    words = [_word(effect, adjusted.get(each.question), better) for each, effect in found]
    rows = tuple(
        _row(each, effect, adjusted.get(each.question), word) for (each, effect), word in zip(found, words, strict=True)
    )
    columns = tuple(text(f"attribution.lifts.{name}") for name in _COLUMNS)
    title = text("attribution.lifts.title")
    return Grid(
        "lifts", title, columns, rows, _note(found, words, n_asked), _forest(title, found, words), with_methods=False
    )


def _name(experiment: Experiment, dimension: str) -> str:
    return experiment.experiment_id if dimension == "experiment" else str(getattr(experiment.brief, dimension))


def _compared(ids: Iterable[str], refused: Collection[str]) -> tuple[str, ...]:
    known = sorted(ids)
    return tuple(each for each in known if each not in refused) or tuple(known)


def _named(found: Together, width: int = _WIDTH) -> Name:
    name = wording.shortened(found.name, width)
    return text("attribution.lifts.of", dimension=text(f"attribution.lifts.{found.dimension}"), name=name)


def _adjusted(found: Found) -> Mapping[Question, float]:
    """Return Holm's adjusted p-values by question, each asked once."""
    p = {each.question: effect.total[0].p_value for each, effect in found}
    known = {question: value for question, value in p.items() if value is not None}
    if not known:
        return {}
    return dict(zip(known, multiplicity.holm(np.array([*known.values()], np.float64)).tolist(), strict=True))


def _word(effect: Effect, adjusted: float | None, better: Better) -> Word:
    on_top = effect.total[0].value
    if adjusted is None or on_top is None:
        return Word.NOT_EVALUABLE
    if adjusted >= 1 - LEVEL:
        return Word.NOT_CLEAR
    return Word.BETTER if (on_top > 0) == (better is Better.HIGHER) else Word.WORSE


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


def _forest(title: Text, found: Found, words: Sequence[Word]) -> Forest:
    """Return the forest of the lifts, each question once, under its first name."""
    asked = {each.question: place for place, (each, _) in reversed([*enumerate(found)])}
    places = sorted(asked.values())
    return Forest(
        title,
        tuple(_named(found[place][0], _CHART_WIDTH) for place in places),
        tuple(found[place][1].relative for place in places),
        tuple(words[place] for place in places),
    )


def _note(found: Found, words: Sequence[Word], n_asked: int) -> Text:
    note = text("attribution.lifts.note", n=count(n_asked))
    clearer = [_named(each) for (each, effect), word in zip(found, words, strict=True) if _is_clearer(effect, word)]
    if clearer:
        note = text("attribution.lifts.note_clearer", note=note, names=tuple(clearer))
    note = noted(note, ((_named(each), effect.relative) for each, effect in found))
    methods = [wording.method(replace(effect.relative, note=None)) for _, effect in found]
    known = list(dict.fromkeys(each for each in methods if each))
    if not known:
        return note
    listed = reduce(lambda first, second: text("list.then", first=first, second=second), known)
    return text("attribution.lifts.note_method", note=note, methods=listed)


def _is_clearer(effect: Effect, word: Word) -> bool:
    """Whether a word says more than the interval, which holds with all others: Holm's test leaves fewer questions."""
    interval = effect.total[0].interval
    return word in (Word.BETTER, Word.WORSE) and interval is not None and interval[0] <= 0 <= interval[1]
