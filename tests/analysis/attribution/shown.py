"""Credit, effects and an attribution made up by hand, with names that no page may run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.attribution import showing, telling
from analysis.attribution.credits import Credits, credit
from analysis.attribution.events import Windows
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.journeys import By, Journeys
from analysis.attribution.levels import Level
from analysis.attribution.sums import N_GROUPS
from analysis.document import ATTRIBUTION_VERSION, Attribution, Count, Period, Verdict, Word
from analysis.estimate import Estimate, Scale, not_evaluable
from analysis.texts import Name, Text, text

EVIL = '=cmd|"<script>alert(1)</script>'
RULES = ("first", "last", "linear")
WHY = text("not_evaluable.nobody")


def estimate(value: float, half: float, scale: Scale = Scale.DIFFERENCE) -> Estimate:
    return Estimate(value, value - half, value + half, 900, text("method.welch"), text("method.none"), scale)


def effect(name: Name, value: float, half: float, *, is_known: bool = True) -> Effect:
    """Return an effect of `value` conversions, each worth 30."""
    unknown = not_evaluable(WHY, text("method.none"))
    total = (estimate(value, half), estimate(30 * value, 30 * half)) if is_known else (unknown, unknown)
    influence = np.random.default_rng(1).normal(0, half / 45, (N_GROUPS, 2)) if is_known else None
    return Effect(name, ("test",), total, total, estimate(0.1, 0.02, Scale.RELATIVE), 900, influence)


def journeys(names: Sequence[str], n: int = 1200, *, has_values: bool = True) -> Journeys:
    """Return journeys of up to four touches; the first of the names are the commonest."""
    rng = np.random.default_rng(7)
    shares = np.arange(len(names), 0, -1) / np.arange(len(names) + 1).sum()
    paths = [[names[place] for place in rng.choice(len(names), size, p=shares)] for size in rng.integers(0, 5, n)]
    won = np.array([rng.random() < 0.3 or not path for path in paths], np.float64)
    return Journeys.of(paths, won, won * rng.uniform(10, 50, n) if has_values else won)


def shared(names: Sequence[str], rules: Sequence[str] = RULES) -> Credits:
    return credit(journeys(names), rules)


def attribution(
    credits: Credits, effects: Mapping[Name, Effect | Text], outcome: str = "purchase", by: By = By.CHANNEL
) -> Attribution:
    """Return what a page says, with every part that it can have."""
    level = Level(by, credits, effects)
    starts = (f"2026-03-0{day}T00:00:00+00:00" for day in (1, 2, 3))
    return Attribution(
        ATTRIBUTION_VERSION,
        outcome,
        Verdict(Word.NOT_COMPARED, telling.sentence(level), (text("caution.imported"),)),
        Period(*starts),
        credits.n_journeys,
        900,
        tuple(showing.grids(level)),
        showing.assumptions(level.rules),
        (Count(3, text("left_out.switched")),),
        showing.about(Windows()),
    )
