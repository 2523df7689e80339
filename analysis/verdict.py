"""The sentence at the top, by rule: it names the metric, what was compared, the interval and the method.

It never calls anything best of what was picked by looking: with several comparisons their intervals hold together.
"""

from __future__ import annotations

from collections.abc import Sequence

from analysis import wording
from analysis.document import Check, MetricReport, Row, Table, Verdict, Word
from engine.experiments import Experiment, MetricKind

_MOST_NAMED = 3
_NAME_WIDTH = 60
_SAID = (Word.BETTER, Word.WORSE, Word.NOT_CLEAR, Word.NOT_EVALUABLE)


def primary(experiment: Experiment) -> str:
    """Return the metric that the verdict is about: the heaviest one of the reward, or the first.

    >>> from engine.experiments import Metric, RewardTerm
    >>> metrics = (Metric("click"), Metric("purchase"))
    >>> primary(Experiment("hero", (), metrics, reward=(RewardTerm("click", .2), RewardTerm("purchase", .8))))
    'purchase'
    """
    if not experiment.reward:
        return experiment.metrics[0].name
    return max(experiment.reward, key=lambda term: term.weight).metric


def verdict(metric: MetricReport, checks: Sequence[Check], cautions: tuple[str, ...], *, is_running: bool) -> Verdict:
    """Return the verdict on a metric from its comparison that is valid."""
    failed = next((check for check in checks if check.holds is False), None)
    if failed is not None:
        sentence = f"Do not decide from this yet. {failed.title}: {failed.sentence}"
        return Verdict(Word.NOT_EVALUABLE, sentence, cautions)
    about = f"{metric.name}, so far" if is_running else metric.name
    table = next((table for table in metric.tables if table.baseline), None)
    if table is None:
        return Verdict(Word.NOT_EVALUABLE, _alone(about, metric), cautions)
    is_conversion = metric.kind == MetricKind.CONVERSION.value
    lifts = [row for row in table.rows if row.absolute is not None]
    sentence = _one(lifts[0], table, is_conversion) if len(lifts) == 1 else _several(lifts, table, is_conversion)
    return Verdict(_overall(lifts), f"{about}: {sentence}", cautions)


def _alone(about: str, metric: MetricReport) -> str:
    """Return what can be said of a bandit without a control group."""
    served = metric.tables[-1].rows
    is_conversion = metric.kind == MetricKind.CONVERSION.value
    brought = ""
    if served and served[0].value.interval is not None:
        value = served[0].value
        brought = (
            f" What was served brought {wording.value(value, is_conversion)} of units"
            if is_conversion
            else (f" What was served brought {wording.value(value, is_conversion)} per unit")
        )
        brought += f" ({wording.interval(value, is_conversion)}, {value.method}, {wording.level(value)})."
    return (
        f"{about}: no fair comparison. The policy chose who got which variant, and no control group was kept "
        f"apart.{brought}"
    )


def _overall(lifts: Sequence[Row]) -> Word:
    words = {row.word for row in lifts}
    return next((word for word in _SAID if word in words), Word.NOT_EVALUABLE)


def _one(row: Row, table: Table, is_conversion: bool) -> str:
    name, baseline = _named(row.name), _named(table.baseline)
    if row.absolute is None or row.absolute.interval is None:
        reason = "" if row.absolute is None else row.absolute.note
        return f"{name} cannot be compared with {baseline}: {reason}."
    found = wording.lift(row.absolute, is_conversion)
    how = f"{row.absolute.method}, {wording.level(row.absolute)}"
    if row.word is Word.NOT_CLEAR:
        return f"it is not clear whether {name} differs from {baseline}: {found}, {how}."
    return f"{name} did {row.word.value} than {baseline} by {found}, {how}."


def _several(lifts: Sequence[Row], table: Table, is_conversion: bool) -> str:
    found = next((row.absolute for row in lifts if row.absolute is not None and _shown(row)), None)
    how = f" {found.method}, {wording.level(found)}." if found is not None else ""
    if len(lifts) <= _MOST_NAMED:
        said = [_each(row, is_conversion) for row in lifts]
    else:
        said = [_all_of(word, lifts, is_conversion) for word in _SAID if any(row.word is word for row in lifts)]
    return f"against {_named(table.baseline)}, {'; '.join(said)}.{how}"


def _each(row: Row, is_conversion: bool) -> str:
    """Return one of a few comparisons."""
    return f"{_named(row.name)} {row.word.value}" + (f", {_lift(row, is_conversion)}" if row.absolute else "")


def _all_of(word: Word, lifts: Sequence[Row], is_conversion: bool) -> str:
    """Return how many comparisons came out so, and what those with a direction are."""
    rows = [row for row in lifts if row.word is word]
    if word not in (Word.BETTER, Word.WORSE):
        return f"{len(rows)} {word.value}"
    named = [f"{_named(row.name)} {_lift(row, is_conversion)}" for row in rows[:_MOST_NAMED]]
    more = f" and {len(rows) - len(named)} more" if len(rows) > len(named) else ""
    return f"{len(rows)} {word.value}: {', '.join(named)}{more}"


def _lift(row: Row, is_conversion: bool) -> str:
    return wording.lift(row.absolute, is_conversion) if row.absolute is not None else ""


def _shown(row: Row) -> bool:
    return row.absolute is not None and row.absolute.interval is not None


def _named(name: str) -> str:
    return wording.short(name, _NAME_WIDTH)
