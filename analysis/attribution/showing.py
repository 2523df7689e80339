"""How the credit for an outcome is shared, as tables, a chart and a sentence: rules beside what randomisation proves.

Rules credit. That a touch brought anything is said of the incremental effect alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.attribution import intervals
from analysis.attribution.calibrating import ratios
from analysis.attribution.commonest import Path
from analysis.attribution.credits import Credits
from analysis.attribution.events import Windows
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.intervals import Method
from analysis.attribution.journeys import NONE, By
from analysis.attribution.rules.base import Rule
from analysis.document import Beside, Cell, Definition, Grid
from analysis.estimate import Estimate, Scale, not_evaluable
from analysis.pages import wording
from analysis.texts import Arg, Name, Text, amount, count, duration, share, text

MOST_SHOWN = 12
"""So many touchpoints are in the chart, those with the most credit; the table has all."""

MOST_JOURNEYS, MOST_STEPS = 20, 8
"""So many journeys are shown, and of each so many touches: the first and the last of them."""

BEFORE_RULES = ("touches", "incremental")
"""The columns of a table of credit between what a row is of and what rules credit it with."""

Effects = Mapping[Name, Effect | Text]
"""What randomisation proves of touchpoints, or why it can say nothing of one."""

_COUNT, _VALUE = range(2)
_KEYS = ("credit", "value")
_MOST_NAMED = 5


def credit_grid(credits: Credits, effects: Effects, by: By, method: Method = "delta") -> Grid:
    """Return the conversions that each rule credits each touchpoint with, beside what randomisation proves of it.

    `method` is how the intervals of credit are made.
    """
    return _grid(_Compared.of(credits, effects, _COUNT, method), by)


def value_grid(credits: Credits, effects: Effects, by: By, method: Method = "delta") -> Grid:
    """Return the same as `credit_grid` of what the conversions are worth."""
    return _grid(_Compared.of(credits, effects, _VALUE, method), by)


def calibration_grid(credits: Credits, effects: Effects, by: By) -> Grid:
    """Return how many conversions are incremental for each that a rule credits, where an experiment says so."""
    known = [effect for name in credits.touchpoints if isinstance(effect := effects.get(name), Effect)]
    found = [[each[_COUNT] for each in ratios(credits, rule.name, known)] for rule in _rules(credits)]
    names = {effect.name for effect in known}
    places = [place for place in _ranked(credits, _COUNT)[:-1] if credits.touchpoints[place] in names]
    return _by_rule("calibration", credits, by, found, places)


def shares_grid(credits: Credits, by: By, method: Method = "delta") -> Grid:
    """Return the share of all conversions that each rule credits each touchpoint with."""
    found = [[each[_COUNT] for each in intervals.shares(credits, rule.name, method)] for rule in _rules(credits)]
    return _by_rule("shares", credits, by, found, _ranked(credits, _COUNT))


def journeys_grid(credits: Credits, by: By) -> Grid:
    """Return the commonest journeys: how many there were, how many converted, and what they were worth."""
    names = ("journey", "n_journeys", "converted", "rate", "value")
    columns = tuple(text(f"attribution.page.{name}") for name in names)
    rows = tuple(map(_journey, credits.commonest.top(MOST_JOURNEYS)))
    return Grid(f"journeys-{by.value}", text(f"attribution.page.journeys_{by.value}"), columns, rows)


def assumptions(rules: Sequence[Rule]) -> tuple[Definition, ...]:
    """Return what each rule takes to be true, and what the incremental effect does, in plain words."""
    of_rules = (Definition(rule.title, rule.assumes) for rule in rules)
    term, meaning = (text(f"attribution.page.incremental{ending}") for ending in ("", "_assumes"))
    return (*of_rules, Definition(term, meaning))


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


def sentence(credits: Credits, effects: Effects, method: Method = "delta") -> Text:
    """Return which rule's credit is furthest from what randomisation proves, and of what; and what cannot be said.

    A rule whose credit lies outside of the interval of the effect comes before all whose credit lies inside.
    """
    total = _total(credits, _COUNT)
    if not total:
        return text("attribution.page.nothing")
    found = [(_gap(*each), each) for each in _held_against(credits, effects, method)]
    if not found:
        return text("attribution.page.unproven", total=amount(total))
    _, (rule, name, credit, effect) = max(found, key=lambda each: each[0])
    said = text(
        f"attribution.page.{_finding(credit, effect)}",
        rule=rule.title,
        name=wording.shortened(name, 40),
        credit=wording.value(credit),
        total=wording.whole(replace(effect, scale=Scale.AMOUNT)),
    )
    return _and_unproven(
        said, [name for name in credits.touchpoints if _effect(effects, name, _COUNT).interval is None]
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    """What p touchpoints and "none" are credited with, `credit[i][j]` by rule i, and what is proven of them.

    `part` says whether that is conversions or value, and `places` in which order they are shown, the last "none".
    """

    credits: Credits
    part: int
    credit: Sequence[Sequence[Estimate]]
    proven: Mapping[Name, Estimate]
    places: Sequence[int]

    @classmethod
    def of(cls, credits: Credits, effects: Effects, part: int, method: Method) -> _Compared:
        """Return what is compared of conversions or of value."""
        credit = [[each[part] for each in intervals.amounts(credits, rule.name, method)] for rule in _rules(credits)]
        proven = {name: _effect(effects, name, part) for name in credits.touchpoints}
        return cls(credits, part, credit, proven, _ranked(credits, part))

    @property
    def key(self) -> str:
        """The name of what is compared."""
        return _KEYS[self.part]

    @property
    def series(self) -> tuple[Text, ...]:
        """What the rules and the incremental effect are called."""
        return (*_titles(self.credits), text("attribution.page.incremental"))

    def row(self, place: int) -> tuple[Cell, ...]:
        """Return the row of a touchpoint, or of "none"."""
        (name,) = _names(self.credits, [place])
        touches = count(self.credits.n_touches[place]) if name in self.proven else None
        return name, touches, self.proven.get(name), *(_brief(each[place]) for each in self.credit)


def _grid(compared: _Compared, by: By) -> Grid:
    # Rules can be many, and a wide table is read from the left: so what is proven stands before them.
    columns = [text(f"attribution.page.{name}") for name in (f"by_{by.value}", *BEFORE_RULES)]
    title = text(f"attribution.page.{compared.key}_{by.value}")
    rows = tuple(map(compared.row, compared.places))
    key, note, chart = f"{compared.key}-{by.value}", _note(compared), _beside(compared, title)
    return Grid(key, title, (*columns, *_titles(compared.credits)), rows, note, chart, with_methods=False)


def _beside(compared: _Compared, title: Text) -> Beside:
    """Return the chart of the touchpoints with the most credit."""
    *known, _ = compared.places
    shown = known[:MOST_SHOWN]
    names = _names(compared.credits, shown)
    effects = tuple(replace(compared.proven[name], scale=Scale.AMOUNT) for name in names)
    has_proof = any(each.value is not None for each in effects)
    caption = text("attribution.page.caption" if has_proof else "attribution.page.caption_rules")
    if len(known) > len(shown):
        caption = text("attribution.page.caption_most", caption=caption, n=count(len(known) - len(shown)))
    estimates = (*(tuple(each[place] for place in shown) for each in compared.credit), effects)
    return Beside(title, caption, names, compared.series, estimates, text(f"attribution.page.axis_{compared.key}"))


def _note(compared: _Compared) -> Text:
    """Return what the columns sum to, and how their intervals were made."""
    note = text(f"attribution.page.note_{compared.key}", total=amount(_total(compared.credits, compared.part)))
    note = _with_whys(_with_method(note, "method", compared.credit), compared.credit)
    return _with_method(note, "incremental", [list(compared.proven.values())])


def _by_rule(key: str, credits: Credits, by: By, found: Sequence[Sequence[Estimate]], places: Sequence[int]) -> Grid:
    """Return a table of what is found by each rule of each touchpoint at some places."""
    columns = (text(f"attribution.page.by_{by.value}"), *_titles(credits))
    rows = tuple(
        (name, *(_brief(each[place]) for each in found))
        for place, name in zip(places, _names(credits, places), strict=True)
    )
    note = text(f"attribution.page.note_{key}", total=amount(_total(credits, _COUNT)))
    note = _with_whys(_with_method(note, "method", found), found)
    title = text(f"attribution.page.{key}_{by.value}")
    return Grid(f"{key}-{by.value}", title, columns, rows, note, with_methods=False)


def _with_method(note: Text, kind: str, found: Sequence[Sequence[Estimate]]) -> Text:
    """Return a note with the method of estimates, as far as any has an interval."""
    known = (each for estimates in found for each in estimates if each.interval is not None)
    method = next((wording.method(replace(each, note=None)) for each in known), None)
    return note if method is None else text(f"attribution.page.note_{kind}", note=note, method=method)


def _brief(found: Estimate) -> Estimate:
    """Return an estimate for a cell: that it has no interval is explained once, under the table."""
    return found if found.value is None else replace(found, note=None)


def _with_whys(note: Text, found: Sequence[Sequence[Estimate]]) -> Text:
    """Return a note with why estimates have no interval, each reason once, whatever numbers are in it."""
    notes = (each.note for estimates in found for each in estimates if each.value is not None and each.interval is None)
    for number, why in enumerate({why.key: why for why in notes if why is not None}.values()):
        note = text(f"attribution.page.note_{'also' if number else 'why'}", note=note, why=why)
    return note


def _journey(path: Path) -> tuple[Cell, ...]:
    return (
        _steps(path.touchpoints),
        count(path.n),
        amount(path.conversions),
        share(path.conversions / path.n),
        amount(path.value),
    )


def _steps(touchpoints: Sequence[Name]) -> Name:
    """Return touchpoints in their order as one name; of a long journey the middle is left out."""
    if len(touchpoints) > MOST_STEPS:
        half = MOST_STEPS // 2
        touchpoints = (*touchpoints[:half], "…", *touchpoints[-half:])
    said, *rest = touchpoints
    for step in rest:
        said = text("attribution.page.step", journey=said, next=step)
    return said


def _rules(credits: Credits) -> list[Rule]:
    return [each.rule for each in credits.by_rule]


def _titles(credits: Credits) -> list[Text]:
    return [rule.title for rule in _rules(credits)]


def _names(credits: Credits, places: Sequence[int]) -> tuple[Name, ...]:
    return tuple((*credits.touchpoints, NONE)[place] for place in places)


def _total(credits: Credits, part: int) -> float:
    return float(credits.everything[:, part].sum())


def _ranked(credits: Credits, part: int) -> list[int]:
    """Return the places of touchpoints by the mean credit of all rules, and after them the place of none."""
    credit = np.mean([each.amounts[:, part] for each in credits.by_rule], axis=0)
    return [*np.argsort(-credit, kind="stable").tolist(), len(credits.touchpoints)]


def _effect(effects: Effects, name: Name, part: int) -> Estimate:
    """Return what randomisation proves of a touchpoint, or that it says nothing of it."""
    match effects.get(name):
        case Effect() as effect:
            return effect.total[part]
        case None:
            return not_evaluable(text("attribution.page.untested"), text("attribution.page.incremental"))
        case why:
            return not_evaluable(why, text("attribution.page.incremental"))


Held = tuple[Rule, Name, Estimate, Estimate]
"""A rule, a touchpoint, what it credits it with, and what randomisation proves of it."""


def _held_against(credits: Credits, effects: Effects, method: Method) -> Iterator[Held]:
    """Yield all credit that can be held against an effect."""
    for rule in _rules(credits):
        for name, (credit, _) in zip(credits.touchpoints, intervals.amounts(credits, rule.name, method), strict=False):
            effect = _effect(effects, name, _COUNT)
            if credit.value is not None and effect.value is not None and effect.interval is not None:
                yield rule, name, credit, effect


def _gap(_rule: Rule, _name: Name, credit: Estimate, effect: Estimate) -> tuple[bool, float]:
    """Return whether credit lies outside of what randomisation leaves open, and how far it is from the effect."""
    return _finding(credit, effect) != "within", abs((credit.value or 0.0) - (effect.value or 0.0))


def _finding(credit: Estimate, effect: Estimate) -> str:
    low, high = effect.interval or (0.0, 0.0)
    value = credit.value or 0.0
    if low <= value <= high:
        return "within"
    if value < low:
        return "below"
    return "lost" if high < 0 else "none" if low <= 0 else "above"


def _and_unproven(said: Text, names: Sequence[Name]) -> Text:
    """Return a sentence, and of what nothing is proven."""
    if not names:
        return said
    named: tuple[Arg, ...] = tuple(wording.shortened(name, 40) for name in names[:_MOST_NAMED])
    rest = len(names) - len(named)
    if rest:
        return text("attribution.page.unproven_more", said=said, names=named, n=count(rest))
    return text("attribution.page.unproven_of", said=said, names=named)
