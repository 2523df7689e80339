"""How the credit for an outcome is shared, as tables with a chart: rules beside what randomisation proves.

Rules credit. That a touch brought anything is said of the incremental effect alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from analysis.attribution.calibrating import ratios
from analysis.attribution.commonest import Path
from analysis.attribution.events import Windows
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.intervals import Pair
from analysis.attribution.levels import CONVERSIONS, VALUE, Level
from analysis.attribution.proving import noted
from analysis.attribution.rules.base import Rule
from analysis.document import Beside, Cell, Definition, Grid
from analysis.estimate import Estimate, Scale
from analysis.pages import wording
from analysis.texts import Name, Number, Style, Text, amount, count, duration, text

MOST_SHOWN = 12
"""So many touchpoints are in the chart, those with the most credit; the table has all."""

MOST_JOURNEYS, MOST_STEPS = 10, 8
"""So many journeys are shown, and of each so many steps: the first and the last of them."""

_KEYS = ("credit", "value")


def grids(level: Level) -> Iterator[Grid]:
    """Yield everything that is shown of the level that a page is about; what few readers need is folded."""
    parts = (CONVERSIONS, VALUE) if level.credits.has_values else (CONVERSIONS,)
    yield from (_credit(level, part) for part in parts)
    yield from (replace(_shares(level, part), is_folded=True) for part in parts)
    if any(_is_known(level, name) for name in level.credits.touchpoints):
        yield from (replace(_calibration(level, part), is_folded=part == VALUE) for part in parts)
    yield journeys_grid(level)


def further(level: Level) -> Iterator[Grid]:
    """Yield what is shown of other levels, folded."""
    yield replace(credit_grid(level), is_folded=True)
    if level.credits.has_values:
        yield replace(value_grid(level), is_folded=True)


def credit_grid(level: Level) -> Grid:
    """Return the conversions that each rule credits each touchpoint with, beside what randomisation proves of it."""
    return _credit(level, CONVERSIONS)


def value_grid(level: Level) -> Grid:
    """Return the same as `credit_grid` of what the conversions are worth."""
    return _credit(level, VALUE)


def journeys_grid(level: Level) -> Grid:
    """Return the commonest journeys: how many there were, how many converted, and what they were worth."""
    names = ("journey", "n_journeys", "converted", "rate", "value")
    columns = tuple(text(f"attribution.page.{name}") for name in names)
    rows = tuple(map(_journey, level.credits.commonest.top(MOST_JOURNEYS)))
    return Grid(f"journeys-{level.by.value}", text(f"attribution.page.journeys_{level.by.value}"), columns, rows)


def assumptions(rules: Sequence[Rule], same: Sequence[Rule] = ()) -> tuple[Definition, ...]:
    """Return what each rule takes to be true, and what the incremental effect does, in plain words.

    The `same` are rules that credit as the last touch does, because nothing is direct.
    """
    of_rules = [Definition(rule.title, rule.assumes) for rule in rules]
    of_same = [Definition(rule.title, text("attribution.page.nothing_direct")) for rule in same]
    term, meaning = (text(f"attribution.page.incremental{ending}") for ending in ("", "_assumes"))
    return (*of_rules, *of_same, Definition(term, meaning))


def about(windows: Windows) -> tuple[Definition, ...]:
    """Return by which windows journeys were made."""
    lengths = {"look_back": windows.look_back, "session_gap": windows.session_gap}
    return tuple(
        Definition(
            text(f"attribution.page.{name}"),
            text(f"attribution.page.{name}_is", length=duration(length.total_seconds())),
        )
        for name, length in lengths.items()
    )


def _credit(level: Level, part: int) -> Grid:
    places, key = level.ranked(part), f"{_KEYS[part]}_{level.by.value}"
    title = text(f"attribution.page.{key}")
    effects = [level.effect(name, part) for name in level.credits.touchpoints]
    is_said = _differs(effects)
    # Rules can be many, and a wide table is read from the left: so what is proven stands before them.
    before = ("touches", "proven") if is_said else ("touches",)
    columns = [text(f"attribution.page.{name}") for name in (f"by_{level.by.value}", *before)]
    rows = tuple(_row(level, part, place, effects if is_said else None) for place in places)
    note, chart = _note(level, part, effects), _beside(level, part, title, places)
    shown = key.replace("_", "-")
    return Grid(shown, title, (*columns, *level.titles), rows, note, chart, with_methods=False, is_dense=True)


def _row(level: Level, part: int, place: int, effects: Sequence[Estimate] | None) -> tuple[Cell, ...]:
    """Return the row of a touchpoint, or of "none"; without a column for `effects` where there are none."""
    (name,), is_none = level.names([place]), place == len(level.credits.touchpoints)
    touches = None if is_none else count(level.credits.n_touches[place])
    proven = () if effects is None else (None if is_none else effects[place],)
    return name, touches, *proven, *(_brief(each[place][part]) for each in level.amounts)


def _beside(level: Level, part: int, title: Text, places: Sequence[int]) -> Beside:
    """Return the chart of the touchpoints with the most credit."""
    *known, _ = places
    shown = known[:MOST_SHOWN]
    names = level.names(shown)
    effects = tuple(replace(level.effect(name, part), scale=Scale.AMOUNT) for name in names)
    has_proof = any(each.value is not None for each in effects)
    caption = text("attribution.page.caption" if has_proof else "attribution.page.caption_rules")
    if len(known) > len(shown):
        caption = text("attribution.page.caption_most", caption=caption, n=count(len(known) - len(shown)))
    estimates = (*(tuple(each[place][part] for place in shown) for each in level.amounts), effects)
    series = (*level.titles, text("attribution.page.incremental"))
    return Beside(title, caption, names, series, estimates, text(f"attribution.page.axis_{_KEYS[part]}"))


def _note(level: Level, part: int, effects: Sequence[Estimate]) -> Text:
    """Return what the columns sum to, and how their intervals were made."""
    total = amount(level.total(part))
    note = _on_rules(text(f"attribution.page.note_{_KEYS[part]}", total=total), _of(level.amounts, part))
    for sampled in filter(None, (credit.sampled(part) for credit in level.credits.by_rule)):
        note = text("attribution.page.note_also", note=note, why=sampled)
    if effects and effects[0].note and not _differs(effects):
        return text("attribution.page.note_unproven", note=note, why=effects[0].note)
    return noted(_with_method(note, "incremental", effects), zip(level.credits.touchpoints, effects, strict=True))


def _shares(level: Level, part: int) -> Grid:
    """Return the share of all conversions, or of all value, that each rule credits each touchpoint with."""
    return _by_rule(level, "shares", part, level.shares, level.ranked(part))


def _calibration(level: Level, part: int) -> Grid:
    """Return how much is incremental of each conversion or value that a rule credits, where an experiment says so."""
    known = [effect for name in level.credits.touchpoints if isinstance(effect := level.proven.get(name), Effect)]
    found = [ratios(level.credits, rule.name, known) for rule in level.rules]
    places = [place for place in level.ranked(part)[:-1] if _is_known(level, level.credits.touchpoints[place])]
    return _by_rule(level, "calibration", part, found, places)


def _by_rule(level: Level, kind: str, part: int, found: Sequence[Sequence[Pair]], places: Sequence[int]) -> Grid:
    """Return a table of what is found by each rule of each touchpoint at some places."""
    key = f"{kind}_value" if part == VALUE else kind
    rows = tuple(
        (name, *(_brief(each[place][part]) for each in found))
        for place, name in zip(places, level.names(places), strict=True)
    )
    columns = (text(f"attribution.page.by_{level.by.value}"), *level.titles)
    note = _on_rules(text(f"attribution.page.note_{key}", total=amount(level.total(part))), _of(found, part, places))
    title = text(f"attribution.page.{key}_{level.by.value}")
    shown = f"{key}-{level.by.value}".replace("_", "-")
    return Grid(shown, title, columns, rows, note, with_methods=False, is_dense=True)


def _is_known(level: Level, name: Name) -> bool:
    return level.effect(name, CONVERSIONS).interval is not None


def _of(found: Sequence[Sequence[Pair]], part: int, places: Sequence[int] | None = None) -> list[Estimate]:
    """Return all estimates of a part, or those at some places."""
    return [each[place][part] for each in found for place in (range(len(each)) if places is None else places)]


def _differs(effects: Sequence[Estimate]) -> bool:
    """Whether effects fill a column: some is known, or there are several reasons why none is."""
    return any((each.value, each.note) != (None, effects[0].note) for each in effects)


def _on_rules(note: Text, found: Sequence[Estimate]) -> Text:
    """Return a note with how the intervals of rules were made, and why some have none."""
    return _with_whys(_with_method(note, "method", found), found)


def _with_method(note: Text, kind: str, found: Sequence[Estimate]) -> Text:
    """Return a note with the method of estimates, as far as any has an interval."""
    known = (each for each in found if each.interval is not None)
    method = next((wording.method(replace(each, note=None)) for each in known), None)
    return note if method is None else text(f"attribution.page.note_{kind}", note=note, method=method)


def _brief(found: Estimate) -> Estimate:
    """Return an estimate for a cell: that it has no interval is explained once, under the table."""
    return found if found.value is None else replace(found, note=None)


def _with_whys(note: Text, found: Sequence[Estimate]) -> Text:
    """Return a note with why estimates have no interval, each reason once, whatever numbers are in it."""
    notes = (each.note for each in found if each.value is not None and each.interval is None)
    for number, why in enumerate({why.key: why for why in notes if why is not None}.values()):
        note = text(f"attribution.page.note_{'also' if number else 'why'}", note=note, why=why)
    return note


def _journey(path: Path) -> tuple[Cell, ...]:
    return (
        _steps(path.touchpoints),
        count(path.n),
        amount(path.conversions),
        Number(path.conversions / path.n, Style.SHARE, 1),
        amount(path.value),
    )


def _steps(touchpoints: Sequence[Name]) -> Name:
    """Return touchpoints in their order as one name; of a long journey the middle is left out."""
    steps = [_step(name, len(list(same))) for name, same in groupby(touchpoints)]
    if len(steps) > MOST_STEPS:
        half = MOST_STEPS // 2
        middle = text("attribution.page.middle", steps=count(len(steps) - 2 * half))
        steps = [*steps[:half], middle, *steps[-half:]]
    said, *rest = steps
    for step in rest:
        said = text("attribution.page.step", journey=said, next=step)
    return said


def _step(name: Name, n: int) -> Name:
    return name if n == 1 else text("attribution.page.repeated", name=name, times=count(n))
