"""What to try next: where many units come, little is known, and the policy has not decided either.

The worth of knowing is what a week's units lose on average because the better of variant and control is chosen by an
estimate that is not exact: with an effect of d per unit and a standard error of s, each of n units loses
s * (phi(z) - z * (1 - Phi(z))), z = |d| / s, in expectation (the unit normal loss; Raiffa and Schlaifer 1961, 5.4, with
a flat prior). It is large where the audience is large and the interval wide, and small where the sign is clear. A
policy that has settled on a variant has taken that decision, so the worth counts by how undecided it still is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from analysis.arrays import Floats
from analysis.attribution.incremental.effect import Effect
from analysis.document import Cell, Grid
from analysis.estimate import Estimate
from analysis.logs.sources import LogSource
from analysis.sequential import asymptotic
from analysis.texts import Name, Text, amount, count, share, text
from engine.experiments import Experiment, Status

MOST, MOST_UNTESTED = 10, 3
"""So many suggestions are made, and so many of them to find out whether something does anything at all."""

_WEEK = 7 * 86_400_000_000
_RECENT = 0.1
"""The share of the latest draws by which a policy is judged."""

_COLUMNS = ("what", "audience", "known", "undecided", "worth", "why")


@dataclass(frozen=True, slots=True)
class Open:
    """Something that could be learned: of whom (`n_a_week` units), what is known, and how undecided the policy is.

    `effect` is that per unit. `undecided` is 0 where the policy has settled, and 1 where it gives all the same chance.
    """

    name: Name
    n_a_week: float
    effect: Estimate
    undecided: float

    @property
    def worth(self) -> float | None:
        """The expected loss a week, in conversions, of choosing by what is known; None where nothing is known."""
        error = asymptotic.standard_error(self.effect)
        if error is None or self.effect.value is None:
            return None
        return self.n_a_week * self.undecided * error * unit_normal_loss(abs(self.effect.value) / error)


def unit_normal_loss(z: float) -> float:
    """Return the mean of max(0, Z - z) for a standard normal Z.

    >>> round(unit_normal_loss(0.0), 4), unit_normal_loss(5.0) < 1e-6
    (0.3989, True)
    """
    return float(stats.norm.pdf(z) - z * stats.norm.sf(z))


def running(log: LogSource, effects: Mapping[str, Sequence[Effect]]) -> Iterator[Open]:
    """Yield what the experiments that still run could teach, of some `effects` by experiment."""
    for state in log.states():
        experiment = state.experiment
        if state.status is not Status.RUNNING or experiment.experiment_id not in effects:
            continue
        audience, doubt = _audience(log, experiment), undecided(log, experiment)
        for effect in effects[experiment.experiment_id]:
            yield Open(effect.name, audience, effect.per_unit[0], doubt)


def undecided(log: LogSource, experiment: Experiment) -> float:
    """Return the mean entropy of the latest distributions as a share of the most that they could have.

    A policy that does not learn has decided nothing while its test runs: 1.
    """
    if not experiment.policy.learns:
        return 1.0
    rows = log.columns("assignments", ("is_draw", "distribution"), experiment.experiment_id)
    drawn = rows["distribution"].codes[rows["is_draw"] == 1]
    if not len(drawn):
        return 1.0
    latest = drawn[-math.ceil(_RECENT * len(drawn)) :]
    return float(np.array([_evenness(packed) for packed in rows["distribution"].words])[latest].mean())


def grid(found: Iterable[Open], unproven: Sequence[tuple[Name, int]] = ()) -> Grid:
    """Return what to try next, what is worth most first.

    `unproven` are touchpoints with their touches of which no experiment proves anything: the first thing to learn there
    is whether they do anything at all.
    """
    known = sorted((each for each in found if each.worth is not None), key=lambda each: -(each.worth or 0.0))
    untested = sorted(unproven, key=lambda each: -each[1])[:MOST_UNTESTED]
    rows = [*map(_untested, untested), *map(_row, known)]
    columns = tuple(text(f"attribution.trying.{name}") for name in _COLUMNS)
    note = text("attribution.trying.note")
    return Grid("next", text("attribution.trying.title"), columns, tuple(rows[:MOST]), note, with_methods=False)


def _row(found: Open) -> tuple[Cell, ...]:
    return (
        found.name,
        count(round(found.n_a_week)),
        found.effect,
        share(found.undecided),
        amount(found.worth or 0.0),
        text(f"attribution.trying.{_reason(found.effect)}"),
    )


def _untested(found: tuple[Name, int]) -> tuple[Cell, ...]:
    name, n_touches = found
    return name, text("attribution.trying.touches", n=count(n_touches)), None, None, None, _UNTESTED


_UNTESTED: Text = text("attribution.trying.untested")


def _reason(effect: Estimate) -> str:
    """Return whether the sign is known, and so what more units would say."""
    if effect.interval is None:
        return "too_few"
    low, high = effect.interval
    return "which" if low <= 0 <= high else "how_much"


def _audience(log: LogSource, experiment: Experiment) -> float:
    """Return how many units come in a week, as the experiment's own time says."""
    rows = log.columns("assignments", ("assigned_at", "unit_key"), experiment.experiment_id)
    if not len(rows["unit_key"]):
        return 0.0
    n_units = len(np.unique(rows["unit_key"]))
    span = int(rows["assigned_at"].max() - rows["assigned_at"].min())
    return n_units * _WEEK / max(span, _WEEK)


def _evenness(packed: bytes) -> float:
    """Return the entropy of a packed distribution as a share of that of an even one; of one variant alone 0.

    >>> _evenness(np.array([1, 1], "<i8").tobytes()), _evenness(np.array([1, 0], "<i8").tobytes())
    (1.0, 0.0)
    """
    weights: Floats = np.frombuffer(packed[: len(packed) // 8 * 8], "<i8").astype(np.float64)
    total = weights.sum()
    if len(weights) < 2 or total <= 0:
        return 0.0
    return float(special.entr(weights / total).sum() / math.log(len(weights)))
