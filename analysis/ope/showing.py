"""An evaluation as tables and sentences, for a report, a terminal or a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from analysis.document import Candidate, Cell, Grid, Trajectory, Verdict, Word
from analysis.estimate import Estimate, Holds
from analysis.ope.evaluation import Diagnostics, Evaluable, Evaluation
from analysis.pages import wording
from analysis.texts import Number, Text, amount, count, share, text
from engine.metrics import Better

METHODS = text("page.method")
"""What the row of methods is called."""

_BIASED, _FORCED = text("ope.estimator.biased"), "ope.forced"
_AT_ANY_LOOK = (Holds.ALWAYS, Holds.ALWAYS_IN_THE_LIMIT)


def to_html(found: Evaluation, language: str = "en", over_time: Trajectory | None = None) -> str:
    """Return an evaluation as one page that needs no network and runs nothing; the same bytes for the same one.

    It has a chart where its difference `over_time` is given.

    Raises:
        InvalidRequest: there is no such language.
    """
    from analysis.pages import render

    return render.candidate_to_html(candidate(found, over_time=over_time), language)


def to_cell(found: Evaluation) -> str:
    """Return an evaluation as a notebook shows it."""
    from analysis.pages import render

    return render.candidate_to_cell(candidate(found))


def candidate(
    found: Evaluation,
    title: Text | None = None,
    over_time: Trajectory | None = None,
    better: Better = Better.HIGHER,
) -> Candidate:
    """Return an evaluation as a part of a report, with a chart of its difference over time where that is given.

    Its word is read off the difference at any look; `better` says which way is up.
    """
    said = Verdict(word(found, better), sentence(found), found.verdict.reasons)
    return Candidate(title or text("ope.page", policy=found.policy), said, grids(found, over_time))


def verdict(found: Evaluation) -> Text:
    """Return the verdict in words, without its reasons."""
    word = found.verdict.word
    if word is Evaluable.NO and found.value.value is not None:
        return text("ope.no_forced")
    return text(f"ope.{word.name.lower()}")


def word(found: Evaluation, better: Better = Better.HIGHER) -> Word:
    """Return whether the policy is better than the other one, by the difference at any look."""
    at_any_look = found.difference_anytime.interval
    if found.verdict.word is Evaluable.NO or at_any_look is None:
        return Word.NOT_EVALUABLE if found.verdict.word is Evaluable.NO else Word.NOT_CLEAR
    low, high = at_any_look if better is Better.HIGHER else (-at_any_look[1], -at_any_look[0])
    return Word.BETTER if low > 0 else Word.WORSE if high < 0 else Word.NOT_CLEAR


def sentence(found: Evaluation) -> Text:
    """Return in words whether the log says it, and what it says: what both policies earn, and by how much they differ.

    The difference is the one at any look, or where that has no interval, at one look.
    """
    if found.value.value is None:
        return text("ope.unsaid", verdict=verdict(found), policy=found.policy)
    is_named = found.other.estimand.key != "ope.served"
    said = text(
        f"ope.said_{'other' if is_named else 'served'}",
        verdict=verdict(found),
        policy=found.policy,
        value=wording.value(found.value),
        other=wording.value(found.other),
        **({"against": found.against} if is_named else {}),
    )
    differ = next((each for each in (found.difference_anytime, found.difference) if each.interval), None)
    if differ is None:
        return said
    when = "always" if differ.holds in _AT_ANY_LOOK else "once"
    return text(f"ope.differs_{when}", said=said, difference=wording.whole(replace(differ, note=None)))


def grids(found: Evaluation, over_time: Trajectory | None = None) -> tuple[Grid, ...]:
    """Return the tables of an evaluation: what it comes to, by which estimators, and what it stands on."""
    has_numbers = found.value.value is not None
    made = (
        estimates(found, over_time) if has_numbers else None,
        panel(found) if has_numbers else None,
        standing(found),
        found.overlap,
        left_out(found),
    )
    return tuple(grid for grid in made if grid is not None)


def estimates(found: Evaluation, over_time: Trajectory | None = None) -> Grid:
    """Return what both policies earn and their difference, at one look and at any; and how, in a row of its own."""
    rows: tuple[tuple[Cell, ...], ...] = (
        (found.policy, found.value, found.value_anytime),
        (found.against, found.other, None),
        (text("ope.difference_row"), found.difference, found.difference_anytime),
    )
    methods = [_common([row[place] for row in rows]) for place in (1, 2)]
    is_alike = None not in methods
    columns = tuple(text(f"ope.column_{name}") for name in ("policy", "once", "always"))
    note = text("ope.estimates_note", estimand=found.value.estimand, model=found.model)
    shown = (*rows, (METHODS, *methods)) if is_alike else rows
    return Grid("value", text("ope.title"), columns, shown, note, over_time, with_methods=not is_alike)


def _common(cells: Sequence[Cell]) -> Text | None:
    """Return the method of all estimates that have an interval, or None where there is none or they differ."""
    methods = [wording.method(each) for each in cells if wording.is_estimate(each) and each.interval is not None]
    one = methods[0] if methods else None
    return one if isinstance(one, Text) and all(each == one for each in methods) else None


def panel(found: Evaluation) -> Grid:
    """Return the value by every estimator, with what is said where they disagree."""
    columns = tuple(text(f"ope.column_{name}") for name in ("estimator", "value", "remark"))
    rows = tuple((each.method, *_told(each)) for each in found.panel)
    # Said once, and not in each row.
    whys = (each.note for each in found.panel if each.value is not None and each.note is not None)
    common = next((why for why in whys if why != _BIASED and why.key != _FORCED), None)
    note = found.agreement
    for more in (found.slope, None if common is None else text("ope.panel_note", why=common)):
        note = note if more is None else text("ope.then", first=note, second=more)
    return Grid("panel", text("ope.panel"), columns, rows, note, with_methods=False)


def _told(estimate: Estimate) -> tuple[Cell, Cell]:
    """Return an estimate, and whether it is biased."""
    if estimate.value is None:
        return estimate, None
    return replace(estimate, note=None), text("ope.biased") if estimate.note == _BIASED else None


def standing(found: Evaluation) -> Grid:
    """Return what the evaluation stands on."""
    columns = text("ope.column_what"), text("ope.column_number")
    rows = tuple((text(f"ope.standing_{name}"), number) for name, number in _numbers(found.diagnostics))
    return Grid("standing", text("ope.standing"), columns, rows, text("ope.standing_note"))


def left_out(found: Evaluation) -> Grid | None:
    """Return what is in the log and not in the evaluation, and why, or None where that is nothing."""
    columns = text("ope.column_what"), text("ope.column_number")
    rows = tuple((each.what, count(each.n)) for each in found.left_out)
    return Grid("left-out", text("page.left_out"), columns, rows) if rows else None


def _numbers(found: Diagnostics) -> Iterator[tuple[str, Cell]]:
    yield "draws", count(found.n)
    yield "units", count(found.n_units)
    yield "matched", count(found.n_matched)
    yield "rewarded", count(found.n_rewarded)
    yield "effective", count(round(found.effective))
    yield "effective_rewarded", count(round(found.effective_rewarded))
    yield "largest", amount(found.largest)
    yield "possible", _or_none(found.possible, amount)
    yield "tail", _or_none(found.tail, amount)
    yield "unsupported", _or_none(found.unsupported, share)
    yield "mean_weight", amount(found.mean_weight)
    yield "matured", share(found.matured)


def _or_none(number: float | None, shown: Callable[[float], Number]) -> Number | None:
    return None if number is None else shown(number)
