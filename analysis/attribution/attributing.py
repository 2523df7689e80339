"""From a log to a page on an outcome: its journeys, credit by every rule, and what randomisation proves of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from analysis.attribution import across, showing
from analysis.attribution.credits import Credits, credit
from analysis.attribution.events import Windows
from analysis.attribution.incremental.reading import read as read_units
from analysis.attribution.incremental.units import Units
from analysis.attribution.intervals import Method
from analysis.attribution.journeys import By
from analysis.attribution.proving import Effects, proven
from analysis.attribution.rules import by_name
from analysis.attribution.rules.base import Rule
from analysis.attribution.stores.asked import CHANNEL_FIELD
from analysis.attribution.stores.reading import USUAL, Touched
from analysis.attribution.stores.reading import read as read_touches
from analysis.document import ATTRIBUTION_VERSION, Attribution, Grid, Verdict, Word
from analysis.logs.sources import LogSource
from analysis.ope.stores.asking import opening


@dataclass(frozen=True, slots=True)
class Asked:
    """How the credit for an outcome is to be shared: by which rules, among what, and of which journeys.

    `method` is that of the intervals of credit; `within` ends what counts of a unit so long after its first draw.
    """

    rules: Sequence[str | Rule] = by_name.DEFAULT
    by: Sequence[By] = tuple(By)
    windows: Windows = USUAL
    channel_field: str = CHANNEL_FIELD
    method: Method = "delta"
    within: timedelta | None = None


def attribute(log: str | Path | LogSource, outcome: str, asked: Asked | None = None) -> Attribution:
    """Return how the credit for an outcome of a log is shared, and how much of it randomisation proves.

    Raises:
        InvalidRequest: the log has no such outcome, or there is no rule of a name.
        StoreUnavailable: there is no store in the directory.
    """
    with opening(log)() as source:
        return _attributed(source, outcome, asked or Asked())


def outcomes(log: LogSource) -> tuple[str, ...]:
    """Return the outcomes that several experiments of a log share: their credit is to be shared out."""
    found: dict[str, int] = {}
    for state in log.states():
        for name in state.experiment.outcomes:
            found[name] = found.get(name, 0) + 1
    return tuple(sorted(name for name, n in found.items() if n > 1))


def _attributed(log: LogSource, outcome: str, asked: Asked) -> Attribution:
    units = read_units(log, outcome, within=asked.within)
    with read_touches(log, outcome, windows=asked.windows, channel_field=asked.channel_field) as touched:
        levels = [_Level.of(touched, units, by, asked) for by in asked.by]
        left_out = (*touched.left_out, *units.left_out)
        period, n_units = touched.period, touched.n_units
    first, across_all = levels[0], across.grids(log, units, levels[0].credits, levels[0].proven)
    return Attribution(
        version=ATTRIBUTION_VERSION,
        outcome=outcome,
        verdict=Verdict(Word.NOT_COMPARED, showing.sentence(first.credits, first.proven, asked.method), ()),
        period=period,
        n_journeys=first.credits.n_journeys,
        n_units=n_units,
        grids=(*(grid for level in levels for grid in level.grids(asked.method)), *across_all),
        assumptions=showing.assumptions([each.rule for each in first.credits.by_rule]),
        left_out=tuple(dict.fromkeys(left_out)),
        about=showing.about(asked.windows),
    )


@dataclass(frozen=True, slots=True)
class _Level:
    """Credit among channels, experiments or variants, and what is proven of each."""

    by: By
    credits: Credits
    proven: Effects

    @classmethod
    def of(cls, touched: Touched, units: Units, by: By, asked: Asked) -> _Level:
        return cls(by, credit(touched.journeys(by), asked.rules), proven(touched.answers, units, by))

    def grids(self, method: Method) -> Iterator[Grid]:
        yield showing.credit_grid(self.credits, self.proven, self.by, method)
        if self.credits.has_values:
            yield showing.value_grid(self.credits, self.proven, self.by, method)
        yield showing.calibration_grid(self.credits, self.proven, self.by)
        yield showing.journeys_grid(self.credits, self.by)
