"""From a log to a page on an outcome: its journeys, credit by every rule, and what randomisation proves of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from analysis.attribution import across, showing, telling
from analysis.attribution.credits import credit
from analysis.attribution.events import Windows
from analysis.attribution.incremental.reading import read as read_units
from analysis.attribution.incremental.units import Units
from analysis.attribution.intervals import Method
from analysis.attribution.journeys import By
from analysis.attribution.levels import Level
from analysis.attribution.proving import proven
from analysis.attribution.rules import by_name
from analysis.attribution.rules.base import Rule
from analysis.attribution.rules.positional import Last, LastNonDirect
from analysis.attribution.stores.asked import CHANNEL_FIELD
from analysis.attribution.stores.reading import USUAL, Touched
from analysis.attribution.stores.reading import read as read_touches
from analysis.document import ATTRIBUTION_VERSION, Attribution, Grid, Verdict, Word
from analysis.logs.sources import LogSource
from analysis.ope.stores.asking import opening
from engine.errors import InvalidRequest
from engine.metrics import MetricKind


@dataclass(frozen=True, slots=True)
class Asked:
    """How the credit for an outcome is to be shared: by which rules, among what, and of which journeys.

    `channels` are those that are told apart: where any are given, all others are among the others. `method` is that of
    the intervals of credit; `within` ends what counts of a unit so long after its first draw.

    Raises:
        InvalidRequest: there is no rule, or nothing to share among.
    """

    rules: Sequence[str | Rule] = by_name.DEFAULT
    by: Sequence[By] = tuple(By)
    windows: Windows = USUAL
    channel_field: str = CHANNEL_FIELD
    channels: Sequence[str] = ()
    method: Method = "delta"
    within: timedelta | None = None

    def __post_init__(self) -> None:
        if not self.rules or not self.by:
            raise InvalidRequest("credit is shared by at least one rule, among channels, experiments or variants")


def attribute(log: str | Path | LogSource, outcome: str, asked: Asked | None = None) -> Attribution:
    """Return how the credit for an outcome of a log is shared, and how much of it randomisation proves.

    Raises:
        InvalidRequest: the log has no such outcome, or there is no rule of a name.
        StoreUnavailable: there is no store in the directory.
    """
    with opening(log)() as source:
        return _attributed(source, outcome, asked or Asked())


def outcomes(log: str | Path | LogSource) -> tuple[str, ...]:
    """Return the outcomes of a log whose credit is to be shared out unless others are named.

    Those are what several experiments have among their outcomes, and where they have nothing in common, what brings in
    money: the outcomes of their metrics of revenue. One experiment alone shares with none.

    Raises:
        StoreUnavailable: there is no store in the directory.
    """
    with opening(log)() as source:
        experiments = [state.experiment for state in source.states()]
    if len(experiments) < 2:
        return ()
    declared = Counter(name for experiment in experiments for name in experiment.outcomes)
    shared = sorted(name for name, n in declared.items() if n > 1)
    metrics = (metric for experiment in experiments for metric in experiment.metrics)
    return tuple(shared or sorted({metric.outcome for metric in metrics if metric.kind is MetricKind.REVENUE}))


def _attributed(log: LogSource, outcome: str, asked: Asked) -> Attribution:
    units = read_units(log, outcome, within=asked.within)
    field, channels = asked.channel_field, asked.channels
    with read_touches(log, outcome, windows=asked.windows, channel_field=field, channels=channels) as touched:
        rules, same = _told_apart(asked, touched)
        levels = [_level(touched, units, by, rules, asked.method) for by in asked.by]
        # Both are of the same outcomes, so what one leaves out the other does.
        left_out = touched.left_out
        period, n_units = touched.period, touched.n_units
    first = _leading(levels)
    return Attribution(
        version=ATTRIBUTION_VERSION,
        outcome=outcome,
        verdict=Verdict(Word.NOT_COMPARED, telling.sentence(first), ()),
        period=period,
        n_journeys=first.credits.n_journeys,
        n_units=n_units,
        grids=tuple(_grids(log, units, first, levels)),
        assumptions=showing.assumptions(rules, same),
        left_out=left_out,
        about=showing.about(asked.windows),
    )


def _told_apart(asked: Asked, touched: Touched) -> tuple[Sequence[Rule], Sequence[Rule]]:
    """Return the rules, and apart from them those that share as the last touch does, because nothing is direct."""
    rules = [by_name.rule(each) if isinstance(each, str) else each for each in asked.rules]
    names = {name for by in asked.by for name in touched.touchpoints(by) if isinstance(name, str)}
    is_last = any(isinstance(rule, Last) for rule in rules)
    same = [rule for rule in rules if is_last and isinstance(rule, LastNonDirect) and not rule.direct & names]
    return [rule for rule in rules if rule not in same], same


def _level(touched: Touched, units: Units, by: By, rules: Sequence[Rule], method: Method) -> Level:
    return Level(by, credit(touched.journeys(by), rules), proven(touched.answers, units, by), method)


def _leading(levels: Sequence[Level]) -> Level:
    """Return the level that a page is about: the first one that has anything to share credit among."""
    return next((level for level in levels if len(level.credits.touchpoints) > 1), levels[0])


def _grids(log: LogSource, units: Units, first: Level, levels: Sequence[Level]) -> Iterator[Grid]:
    """Yield all tables; without a conversion there is nothing to say but what was met."""
    if not first.has_conversions:
        yield showing.journeys_grid(first)
        return
    yield from showing.grids(first)
    for level in levels:
        if level is not first:
            yield from showing.further(level)
    yield from across.grids(log, units, first.credits, first.proven)
