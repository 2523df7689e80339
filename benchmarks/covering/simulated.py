"""A simulated log of which the truth is known, and the report's log of its first rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.logs.columns_source import ColumnsSource
from analysis.logs.crediting import micros
from analysis.logs.simple_log import START, simple_log
from analysis.sequential import asymptotic, betting
from engine.experiments import Experiment, Looking, Plan, Status
from engine.metrics import MetricKind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEP = 60_000_000
"""A row comes every minute."""


@dataclass(frozen=True)
class Simulated:
    """A log drawn once; arrays are (n,) or (n, k) by row, for k labels (variants or groups) with the control first.

    `rows` and `outcomes` are as `simple_log` takes them. `label` is what each row got, -1 where it is in no comparison.
    `expected` is what each label would have brought in each row on average, and `propensity` its probability; `below`
    is `expected` of what is below the line of a ratio.
    """

    rows: Mapping[str, Any]
    outcomes: Mapping[str, Any]
    label: Ints
    expected: Floats
    propensity: Floats
    below: Floats | None = None
    context: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class Cell:
    """A kind of log. `table` is the report's that is judged.

    `needs` are the events that each side needs for its theory to hold, at one look and at any; None where bets are
    made on the declared range, which need none. A log that `ends_early` ends with its last row, while windows are open;
    others when all windows have closed.
    """

    name: str
    experiment: Experiment
    simulate: Callable[[np.random.Generator], Simulated]
    table: str = "variants"
    needs: tuple[int, int | None] = (0, None)
    ends_early: bool = False

    @property
    def window(self) -> int:
        """The window of the metric that is judged, in microseconds."""
        return micros(self.experiment.primary.window)


@dataclass(frozen=True)
class Cut:
    """The first n rows of a log, which ends at `end`, in microseconds; the windows of `n_closed` rows have closed."""

    made: Simulated
    n: int
    n_closed: int
    end: int

    @classmethod
    def of(cls, cell: Cell, made: Simulated, n: int) -> Cut:
        last = START + (n - 1) * STEP
        end = last if cell.ends_early else last + cell.window
        n_closed = min(n, max(0, (end - cell.window - START) // STEP + 1))
        return cls(made, n, n_closed, end)

    def truth(self) -> Floats:
        """Return the true difference of each other label from the first, (k - 1,), over the rows that count."""
        counted = self._counted()
        mean = self.made.expected[counted].sum(axis=0)
        below = len(counted) if self.made.below is None else self.made.below[counted].sum(axis=0)
        return _differences(mean / np.maximum(below, 1e-9))

    def allows(self, cell: Cell, needed: int | None) -> bool:
        """Whether theory lets something be said: all sides have as many events as are needed, or bets can tell."""
        counted = self._counted()
        if not len(counted):
            return False
        if needed is None:
            return _bets_tell(cell, self.made.expected[counted], self.made.propensity[counted])
        happened = self._brought(cell)[0][counted] > 0
        kinds = (happened, ~happened) if cell.experiment.primary.kind is MetricKind.CONVERSION else (happened,)
        label, k = self.made.label[counted], self.made.expected.shape[1]
        weight = 1 / self.made.propensity[counted, label]
        return all(_effective(weight[kind & (label == place)]) >= needed for kind in kinds for place in range(k))

    def _counted(self) -> Ints:
        """Return the rows that are compared and whose windows have closed."""
        return np.flatnonzero(self.made.label[: self.n_closed] >= 0)

    def heard(self) -> NDArray[np.bool_]:
        """Return which outcomes the log has, (m,)."""
        outcomes = self.made.outcomes
        return np.asarray((outcomes["row"] < self.n) & (outcomes["occurred_at"] <= self.end))

    def log(self, cell: Cell, looking: Looking) -> ColumnsSource:
        """Return the log: of a test that has ended and is read once, or of one that runs and is read at any time."""
        plan = replace(cell.experiment.plan, looking=looking) if looking is Looking.ONCE else Plan()
        heard = self.heard()
        found = simple_log(
            replace(cell.experiment, plan=plan),
            {name: values[: self.n] for name, values in _rows(self.made).items()},
            {name: values[heard] for name, values in self.made.outcomes.items()},
            context={name: values[: self.n] for name, values in self.made.context.items()},
            ended_at=self.end,
        )
        status = Status.CONCLUDED if looking is Looking.ONCE else Status.RUNNING
        return replace(found, experiment_state=replace(found.experiment_state, status=status))

    def naive(self, cell: Cell) -> tuple[Floats, Floats]:
        """Return differences of plain means and the halves of their normal intervals, (k - 1,) each.

        They ignore how rows were drawn, that units come again, and that windows are open; ratios are taken for shares.
        """
        label = self.made.label[: self.n]
        k = self.made.expected.shape[1]
        found = np.array([_naive_mean(*(each[label == place] for each in self._brought(cell))) for place in range(k)])
        half = stats.norm.isf(0.025) * np.sqrt(found[1:, 1] + found[0, 1])
        return _differences(found[:, 0]), half

    def _brought(self, cell: Cell) -> tuple[Floats, Floats]:
        """Return what each row brought, capped as declared, and what is below the line, (n,) each."""
        metric, heard = cell.experiment.primary, self.heard()
        outcomes = {name: values[heard] for name, values in self.made.outcomes.items()}
        if metric.kind is not MetricKind.RATIO:
            total = np.bincount(outcomes["row"], outcomes["value"], self.n)
            return np.minimum(total, np.inf if metric.cap is None else metric.cap), np.ones(self.n)
        parts = [outcomes["metric"] == name for name in (metric.of, metric.per)]
        above, below = (np.bincount(outcomes["row"][part], outcomes["value"][part], self.n) for part in parts)
        return above, below


def outcomes(values: Floats, *, at: Ints | None = None, delay: Floats | None = None) -> dict[str, Any]:
    """Return an outcome for each row whose value is not 0, which comes `delay` (n,) microseconds after it."""
    row = np.flatnonzero(values)
    since = START + row * STEP if at is None else at[row]
    late = 0 if delay is None else delay[row].astype(np.int64)
    return {"row": row, "value": values[row], "occurred_at": since + late}


def _effective(weights: Floats) -> float:
    """Return how many events of equal weight are worth those of some weights: their number where all are alike."""
    # A millionth more, so that rounding takes no event away.
    return float(weights.sum() ** 2 / (weights**2).sum() * (1 + 1e-6)) if len(weights) else 0.0


def _bets_tell(cell: Cell, expected: Floats, propensity: Floats) -> bool:
    """Whether bets are expected to rule out anything in the declared range, by the variance that the truth has.

    Of values from 0 to `most` with the mean m it is at most m * (most - m).
    """
    most = cell.experiment.primary.cap or 1.0
    floor = cell.experiment.policy.floor / expected.shape[1]
    bound = 1 / (floor if floor and cell.table != "groups" else propensity.min())
    error = np.sqrt((expected * (most - expected) / propensity).sum()) / len(expected)
    offered = betting.bets(bound * most, most, asymptotic.N_TIGHTEST)
    alpha = 0.05 / (expected.shape[1] - 1)
    return betting.half_width(float(error), len(expected), offered, most, alpha) < most


def _differences(means: Floats) -> Floats:
    return np.asarray(means[1:] - means[0])


def _rows(made: Simulated) -> dict[str, Any]:
    return {"assigned_at": START + np.arange(len(made)) * STEP, **made.rows}


def _naive_mean(values: Floats, below: Floats) -> tuple[float, float]:
    """Return a mean and its squared standard error, or a share of what is below the line; 0 for too few rows."""
    n = below.sum()
    if len(values) < 2 or not n:
        return 0.0, 0.0
    mean = values.sum() / n
    return mean, (values.var(ddof=1) if np.ptp(below) == 0 else mean * (1 - mean)) / n
