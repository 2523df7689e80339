"""Logs of tests: a fixed distribution, and all that makes its lift hard to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from covering.simulated import Cell, Floats, Ints, Simulated, outcomes
from scipy import integrate, stats

from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric, MetricKind, Role
from engine.records import DrawKey
from engine.specs import FixedSpec

EVEN, UNEVEN, THREE = (0.5, 0.5), (0.9, 0.1), (1 / 3, 1 / 3, 1 / 3)
HOUR = 3_600_000_000
Values = Callable[[Ints, np.random.Generator], Floats]
"""What each row brings, (n,), by its variant (n,)."""


def cells() -> list[Cell]:
    """Return the cells of fixed designs."""
    return [
        *(conversion(f"conversion {name}", 2_000, split, (0.10, 0.12)) for name, split in _SPLITS.items()),
        *(conversion(f"rare {name}", 3_000, split, (0.009, 0.009)) for name, split in _SPLITS.items()),
        *(_amount(f"normal {name}", split, _normal, (10.0, 10.3)) for name, split in _SPLITS.items()),
        *(_amount(f"skewed {name}", split, _skewed, _SKEWED) for name, split in _SPLITS.items()),
        *(_revenue(f"capped revenue {name}", split) for name, split in _SPLITS.items()),
        _ratio(),
        _repeating(),
        _late(),
        _adjusted(),
        conversion("three variants", 3_000, THREE, (0.10, 0.12, 0.10)),
        _epochs(),
    ]


_SKEWED = float(np.exp(0.5)), 1.1 * float(np.exp(0.5))
_SPLITS: Mapping[str, Sequence[float]] = {"50/50": EVEN, "90/10": UNEVEN}


def experiment(split: Sequence[float], *metrics: Metric, **more: Any) -> Experiment:
    """Return a test of so many variants."""
    names = [f"v{place}" for place in range(len(split))]
    policy = FixedSpec(dict(zip(names, map(float, split), strict=True)))
    return Experiment("hero", tuple(map(Variant, names)), metrics, **{"policy": policy, **more})


def _steady(
    label: Ints, heard: Mapping[str, Any], means: Sequence[float], split: Sequence[float], **more: Any
) -> Simulated:
    """Return a log in which neither means nor propensities ever change; `heard` are its outcomes."""
    expected, propensity = (np.tile(np.array(each, np.float64), (len(label), 1)) for each in (means, split))
    rows = {"variant": label, **more.pop("rows", {})}
    return Simulated(rows, heard, label, expected, propensity, **more)


def _drawn(n: int, split: Sequence[float], rng: np.random.Generator) -> Ints:
    return np.asarray(rng.choice(len(split), n, p=split), np.int64)


def conversion(name: str, n: int, split: Sequence[float], rates: Sequence[float]) -> Cell:
    """Return a cell of n rows with these rates of conversion."""

    def simulate(rng: np.random.Generator) -> Simulated:
        label = _drawn(n, split, rng)
        values = (rng.random(n) < np.array(rates)[label]).astype(np.float64)
        return _steady(label, outcomes(values), rates, split)

    return Cell(name, experiment(split, Metric("click")), simulate)


def _amount(name: str, split: Sequence[float], values: Values, means: Sequence[float]) -> Cell:
    def simulate(rng: np.random.Generator) -> Simulated:
        label = _drawn(2_000, split, rng)
        return _steady(label, outcomes(values(label, rng)), means, split)

    return Cell(name, experiment(split, Metric("amount", MetricKind.REVENUE)), simulate, needs=(2, 20))


def _normal(label: Ints, rng: np.random.Generator) -> Floats:
    return 10 + 0.3 * label + (2 + label) * rng.standard_normal(len(label))


def _skewed(label: Ints, rng: np.random.Generator) -> Floats:
    return np.asarray((1 + 0.1 * label) * rng.lognormal(0, 1, len(label)))


_CAP = 100.0
_RATES, _LOG_MEANS = (0.05, 0.05), (3.0, 3.1)


def _revenue(name: str, split: Sequence[float]) -> Cell:
    """One in twenty buys for a lognormal amount."""
    means = [rate * _capped_mean(log_mean) for rate, log_mean in zip(_RATES, _LOG_MEANS, strict=True)]

    def simulate(rng: np.random.Generator) -> Simulated:
        label = _drawn(4_000, split, rng)
        buys = rng.random(len(label)) < np.array(_RATES)[label]
        spent = rng.lognormal(np.array(_LOG_MEANS)[label], 1.0)
        return _steady(label, outcomes(buys * spent), means, split)

    return Cell(name, experiment(split, Metric("spend", MetricKind.REVENUE, cap=_CAP)), simulate, needs=(2, None))


def _capped_mean(log_mean: float) -> float:
    """Return the mean of min(X, cap) for the lognormal X: the integral of its survival function up to the cap."""
    return float(integrate.quad(lambda x: stats.lognorm.sf(x, 1.0, scale=np.exp(log_mean)), 0, _CAP)[0])


def _ratio() -> Cell:
    """Orders per session; a customer has several sessions, and customers differ."""
    rates, sessions = (0.20, 0.23), (4.0, 4.4)

    def simulate(rng: np.random.Generator) -> Simulated:
        label = _drawn(2_000, EVEN, rng)
        n_sessions = 1 + rng.poisson(np.array(sessions)[label] - 1)
        own = rng.beta(2.0, 2.0 / np.array(rates)[label] - 2.0)
        n_orders = rng.binomial(n_sessions, own)
        parts = [outcomes(each.astype(np.float64)) for each in (n_orders, n_sessions)]
        heard = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        heard["metric"] = np.repeat(["order", "session"], [len(part["row"]) for part in parts])
        below = np.tile(np.array(sessions), (len(label), 1))
        means = [rate * many for rate, many in zip(rates, sessions, strict=True)]
        return _steady(label, heard, means, EVEN, below=below)

    metrics = (
        Metric("order", MetricKind.COUNT),
        Metric("session", MetricKind.COUNT),
        Metric("per session", MetricKind.RATIO, of="order", per="session", role=Role.GOAL),
    )
    return Cell("ratio: orders per session", experiment(EVEN, *metrics), simulate, needs=(2, 20))


def _repeating() -> Cell:
    """Draws by assignment: a customer comes one to seven times and meets either variant, and customers differ."""
    rates = (0.20, 0.23)

    def simulate(rng: np.random.Generator) -> Simulated:
        n = 2_000
        visits = rng.integers(1, 8, n)
        unit = rng.permutation(np.repeat(np.arange(1, n + 1), visits)[:n])
        # A customer's pull on both variants has the mean 1, so that it leaves the means as they are.
        pull = rng.choice([0.2, 1.8], n + 1)
        favourite = rng.choice([0.5, 1.5], (n + 1, 2))
        label = _drawn(n, EVEN, rng)
        chance = np.array(rates)[label] * pull[unit] * favourite[unit, label]
        values = (rng.random(n) < chance).astype(np.float64)
        rows = {"unit_key": unit, "draw_key": list(DrawKey).index(DrawKey.ASSIGNMENT) * np.ones(n, np.int64)}
        return _steady(label, outcomes(values), rates, EVEN, rows=rows)

    return Cell("repeating units", experiment(EVEN, Metric("click")), simulate, needs=(5, 20))


def _late() -> Cell:
    """Conversions come hours after; one variant's come sooner, but no more often within the window."""
    rate, hours, window = 0.15, np.array([3.0, 1.0]), 6.0
    ever = rate / (1 - np.exp(-window / hours))

    def simulate(rng: np.random.Generator) -> Simulated:
        n = 2_000
        label = _drawn(n, EVEN, rng)
        happens = rng.random(n) < ever[label]
        delay = rng.exponential(hours[label]) * HOUR
        late = outcomes(happens.astype(np.float64), delay=delay)
        return _steady(label, late, (rate, rate), EVEN)

    click = Metric("click", window=timedelta(hours=window))
    return Cell("late outcomes, open windows", experiment(EVEN, click), simulate, ends_early=True)


def _adjusted() -> Cell:
    """Two covariates that foretell half of the variance, one of them less so in the variant."""

    def simulate(rng: np.random.Generator) -> Simulated:
        n = 2_000
        label = _drawn(n, (0.7, 0.3), rng)
        visits, tenure = rng.gamma(2.0, 1.0, n), rng.standard_normal(n)
        slope = np.array([1.0, 0.4])[label]
        values = 5 + 0.2 * label + slope * (visits - 2) + 0.7 * tenure + rng.standard_normal(n)
        context = {"visits": visits, "tenure": tenure}
        return _steady(label, outcomes(values), (5.0, 5.2), (0.7, 0.3), context=context)

    fields = tuple(ContextField(name, FieldType.NUMBER) for name in ("visits", "tenure"))
    metric = Metric("amount", MetricKind.REVENUE, covariates=("visits", "tenure"))
    return Cell("covariates 70/30", experiment((0.7, 0.3), metric, context=fields), simulate, needs=(2, 20))


def _epochs() -> Cell:
    """The split and the rates change between two epochs, so that plain means mix them up."""
    splits, rates = ((0.9, 0.1), (0.4, 0.6)), np.array([[0.10, 0.12], [0.25, 0.27]])

    def simulate(rng: np.random.Generator) -> Simulated:
        n = 2_000
        epoch = np.repeat([0, 1], n // 2)
        propensity = np.array(splits)[epoch]
        label = (rng.random(n) >= propensity[:, 0]).astype(np.int64)
        values = (rng.random(n) < rates[epoch, label]).astype(np.float64)
        rows = {"variant": label, "epoch": epoch + 1, "distribution": propensity}
        return Simulated(rows, outcomes(values), label, rates[epoch], propensity)

    return Cell("epochs with other splits", experiment(splits[1], Metric("click")), simulate)
