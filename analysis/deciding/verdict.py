"""The sentence at the top, by rule: it names the metric, what was compared, among whom and when, interval and method.

It never calls anything best of what was picked by looking: with several comparisons their intervals hold together.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from analysis.deciding import settling
from analysis.document import Check, MetricReport, Period, Row, Table, Verdict, Word
from analysis.estimate import Estimate, Holds
from analysis.pages import wording
from analysis.texts import Arg, Name, Text, count, text
from engine.experiments import Brief

_MOST_NAMED = 3
_NAME_WIDTH = 60
_SAID = (Word.BETTER, Word.WORSE, Word.NOT_CLEAR, Word.NOT_EVALUABLE)


def decisive(row: Row) -> Estimate | None:
    """Return the difference that a row's word is read from: the one that holds at any look, where there is one."""
    return row.absolute if row.anytime is None else row.anytime


def verdict(
    metric: MetricReport,
    checks: Sequence[Check],
    cautions: tuple[Text, ...],
    *,
    brief: Brief,
    period: Period | None,
    is_running: bool,
    why_alone: Text | None = None,
) -> Verdict:
    """Return the verdict on a metric from its comparison that is valid.

    `why_alone` says why there is none, where it is not that a policy chose.
    """
    failed = settling.failed(checks)
    if failed is not None:
        sentence = text("verdict.stop", title=failed.title, sentence=failed.sentence)
        return Verdict(Word.NOT_EVALUABLE, sentence, cautions)
    about = text("verdict.so_far" if is_running else "verdict.metric", metric=_named(metric.name))
    table = metric.compared
    if table is None:
        return Verdict(Word.NOT_EVALUABLE, _alone(about, why_alone, metric, brief, period), cautions)
    lifts = [row for row in table.rows if row.word in _SAID]
    finding = _one(lifts[0], table) if len(lifts) == 1 else _several(lifts, table)
    found = next((each for row in lifts if (each := decisive(row)) and each.interval), None)
    if found is None:
        return Verdict(_overall(lifts), text("verdict.unmeasured", about=about, finding=finding), cautions)
    sentence = text("verdict.whole", about=about, finding=finding, measured=_measured(found, brief, period))
    return Verdict(_overall(lifts), sentence, (*cautions, *_once(found, is_running=is_running)))


def _measured(found: Estimate, brief: Brief, period: Period | None) -> Text:
    """Return what was measured, among whom and when, by which method, and at which looks it holds."""
    return text(
        "verdict.measured",
        estimand=found.estimand,
        audience=_audience(brief),
        dates=_dates(period),
        method=found.method,
        level=wording.level(found),
        holds=wording.holds(found),
    )


def _audience(brief: Brief) -> Text:
    if brief.segment:
        return text("verdict.segment", segment=wording.short(brief.segment, _NAME_WIDTH))
    return text("verdict.everybody")


def _dates(period: Period | None) -> Text:
    if period is None:
        return text("verdict.no_dates")
    first, last = wording.day(period.first), wording.day(period.last)
    if str(first) == str(last):
        return text("verdict.day", day=first)
    return text("verdict.dates", first=first, last=last)


def _once(found: Estimate, *, is_running: bool) -> tuple[Text, ...]:
    return (text("caution.one_look"),) if is_running and found.holds is Holds.ONCE else ()


def _alone(about: Text, why: Text | None, metric: MetricReport, brief: Brief, period: Period | None) -> Text:
    """Return what can be said where nothing compares: of a bandit, or of slots, without a control group."""
    why = why or text("verdict.chose")
    served = metric.tables[-1].rows if metric.tables else ()
    if not served or served[0].value.interval is None:
        return text("verdict.alone", about=about, why=why)
    found = served[0].value
    measured = _measured(found, brief, period)
    return text("verdict.alone_brought", about=about, why=why, value=wording.whole(found), measured=measured)


def _overall(lifts: Sequence[Row]) -> Word:
    words = {row.word for row in lifts}
    return next((word for word in _SAID if word in words), Word.NOT_EVALUABLE)


def _one(row: Row, table: Table) -> Text:
    names: dict[str, Arg] = {"name": _named(row.name), "baseline": _named(table.baseline)}
    found = decisive(row)
    if row.word is Word.NOT_EVALUABLE or found is None:
        reason = text("verdict.no_reason") if found is None or found.note is None else found.note
        return text("verdict.not_evaluable", **names, reason=reason)
    return text(f"verdict.{row.word.name.lower()}", **names, lift=wording.whole(found))


def _several(lifts: Sequence[Row], table: Table) -> Text:
    if not lifts:
        return text("verdict.nothing_compared")
    if len(lifts) <= _MOST_NAMED:
        said = [_each(row) for row in lifts]
    else:
        said = [_all_of(word, lifts) for word in _SAID if any(row.word is word for row in lifts)]
    joined = reduce(lambda first, second: text("list.then", first=first, second=second), said)
    return text("verdict.against", baseline=_named(table.baseline), said=joined)


def _each(row: Row) -> Text:
    """Return one of a few comparisons."""
    return text(f"verdict.each_{row.word.name.lower()}", name=_named(row.name), lift=_lift(row))


def _all_of(word: Word, lifts: Sequence[Row]) -> Text:
    """Return how many comparisons came out so, and what those with a direction are."""
    rows = [row for row in lifts if row.word is word]
    n = count(len(rows))
    if word not in (Word.BETTER, Word.WORSE):
        return text("verdict.many", n=n, word=wording.word(word))
    named = tuple(_named_lift(row) for row in rows[:_MOST_NAMED])
    if len(rows) > len(named):
        return text("verdict.many_named_more", n=n, word=wording.word(word), named=named, more=count(len(rows) - 3))
    return text("verdict.many_named", n=n, word=wording.word(word), named=named)


def _named_lift(row: Row) -> Text:
    return text("verdict.named_lift", name=_named(row.name), lift=_lift(row))


def _lift(row: Row) -> Arg:
    found = decisive(row)
    return text("verdict.no_reason") if found is None else wording.whole(found)


def _named(name: Name) -> Name:
    return wording.shortened(name, _NAME_WIDTH)
