"""One comparison, one word: what the tables, the decisions and the verdict say of it never contradicts.

A word in a table is read off one interval. The decisions know how many questions were asked, and the checks whether
the log can be trusted at all. So a table's word gives way to them, and a note says why; the numbers stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.document import Cell, Check, Forest, Grid, MetricReport, Row, Table, Word
from analysis.texts import Name, Text, text

_SAYING = (Word.BETTER, Word.WORSE, Word.NOT_CLEAR, Word.HOLDS, Word.BREACHED)
_GUARDRAIL = "decision.guardrail_"


def failed(checks: Sequence[Check]) -> Check | None:
    """Return the first check that does not hold, for which nothing is decided."""
    return next((check for check in checks if check.holds is False), None)


def settled(
    metrics: Sequence[MetricReport], decided: Grid | None, checks: Sequence[Check]
) -> tuple[tuple[MetricReport, ...], Grid | None]:
    """Return metrics and decisions with words that agree: none at all where a check failed."""
    check = failed(checks)
    if check is not None:
        return tuple(_silenced(metric, check) for metric in metrics), decided and _stopped(decided, check)
    words = _decided(decided)
    return tuple(_confirmed(metric, words) for metric in metrics), decided


def cautions(metric: MetricReport, decided: Grid | None, checks: Sequence[Check]) -> tuple[Text, ...]:
    """Return what the decisions say beyond the intervals of a metric: clearer words, and guardrails that do not hold.

    Nothing where a check failed.
    """
    if decided is None or failed(checks) is not None:
        return ()
    return (*_clearer(metric, _decided(decided)), *_guardrails(decided))


_Words = Mapping[tuple[str, str], Word]
"""What was decided, by metric and what is compared, in English: a name of ours is a text, and cannot be a key."""


def _decided(grid: Grid | None) -> _Words:
    """Return the words of goals and secondary metrics."""
    rows = () if grid is None else grid.rows
    found = {(str(row[0]), str(row[1])): row[-1] for row in rows if not _is_guardrail(row)}
    return {key: word for key, word in found.items() if isinstance(word, Word)}


def _is_guardrail(row: Sequence[Cell]) -> bool:
    return isinstance(row[2], Text) and row[2].key.startswith(_GUARDRAIL)


def _confirmed(metric: MetricReport, words: _Words) -> MetricReport:
    """Return a metric whose table says nothing clearer than what was decided."""
    table = metric.compared
    if table is None:
        return metric
    rows = tuple(_confirmed_row(row, words.get((metric.name, str(row.name)))) for row in table.rows)
    taken = tuple(row.name for row, kept in zip(table.rows, rows, strict=True) if kept is not row)
    if not taken:
        return metric
    tables = tuple(replace(each, rows=rows) if each is table else each for each in metric.tables)
    return replace(metric, tables=tables, notes=(*metric.notes, text("note.no_discovery", names=taken)))


def _confirmed_row(row: Row, word: Word | None) -> Row:
    is_raised = row.word in (Word.BETTER, Word.WORSE) and word is Word.NOT_CLEAR
    return replace(row, word=Word.NOT_CLEAR) if is_raised else row


def _clearer(metric: MetricReport, words: _Words) -> list[Text]:
    """Return for each comparison that its interval leaves open, and the decisions do not, what was decided."""
    table = metric.compared
    rows = () if table is None else table.rows
    found = [(row.name, words.get((metric.name, str(row.name)))) for row in rows if row.word is Word.NOT_CLEAR]
    return [
        text(f"caution.holm_{word.name.lower()}", name=name)
        for name, word in found
        if word in (Word.BETTER, Word.WORSE)
    ]


def _guardrails(decided: Grid) -> list[Text]:
    of = {
        said: tuple(_compared(row) for row in decided.rows if _is_guardrail(row) and row[-1] in words)
        for said, words in (("breached", (Word.BREACHED,)), ("open", (Word.NOT_CLEAR, Word.NOT_EVALUABLE)))
    }
    return [text(f"caution.guardrail_{said}", which=which) for said, which in of.items() if which]


def _compared(row: Sequence[Cell]) -> Text:
    metric, name = (_name(cell) for cell in row[:2])
    return text("decision.of", metric=metric, name=name)


def _name(cell: Cell) -> Name:
    return cell if isinstance(cell, (str, Text)) else ""


def _silenced(metric: MetricReport, check: Check) -> MetricReport:
    tables = tuple(_without_words(table) for table in metric.tables)
    if tables == metric.tables:
        return metric
    note = text("note.stopped", title=check.title)
    return replace(metric, tables=tables, grids=tuple(map(_quiet, metric.grids)), notes=(*metric.notes, note))


def _without_words(table: Table) -> Table:
    return replace(table, rows=tuple(replace(row, word=_silent(row.word)) for row in table.rows))


def _stopped(decided: Grid, check: Check) -> Grid:
    return replace(_quiet(decided), note=text("decision.note_stopped", title=check.title, sentence=check.sentence))


def _quiet(grid: Grid) -> Grid:
    rows = tuple(tuple(_silent(cell) if isinstance(cell, Word) else cell for cell in row) for row in grid.rows)
    chart = grid.chart
    if isinstance(chart, Forest):
        chart = replace(chart, words=tuple(map(_silent, chart.words)))
    return replace(grid, rows=rows, chart=chart)


def _silent(word: Word) -> Word:
    return Word.NOT_EVALUABLE if word in _SAYING else word
