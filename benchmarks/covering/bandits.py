"""Logs of policies that learn: Thompson sampling by its exact probabilities, with a context, a drift, or a control."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from covering.simulated import Cell, Floats, Ints, Simulated, outcomes

from analysis.adaptive.sequences import ROWS_PER_BOUND
from analysis.sequential.asymptotic import N_TIGHTEST
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.policies.posteriors import probability_of_best
from engine.randomness import ONE, quantise
from engine.specs import ContextualSpec, ThompsonSpec


@dataclass(frozen=True)
class World:
    """Conversion rates (n, k) of each row, and how the policy goes: by batches, with a floor, by a context or none."""

    rates: Callable[[Ints], Floats]
    n: int
    batch: int
    floor: float
    n_contexts: int = 1
    control_share: float = 0.0


def cells() -> list[Cell]:
    """Return the cells of policies that learn: by variant, and by group."""
    ten = World(lambda _: _tile(2_000, 0.10, 0.12), 2_000, 100, 0.1)
    alike = World(lambda _: _tile(2_000, 0.10, 0.10), 2_000, 100, 0.05)
    one = World(lambda _: _tile(8_000, 0.010, 0.013), 8_000, 200, 0.1)
    three = World(lambda _: _tile(3_000, 0.10, 0.10, 0.13), 3_000, 150, 0.06)
    drift = World(lambda _: _drifting(3_000), 3_000, 150, 0.1)
    context = World(_by_context, 3_000, 150, 0.1, n_contexts=2)
    held = World(lambda _: _tile(3_000, 0.10, 0.14), 3_000, 150, 0.1, control_share=0.25)
    drift_held = World(lambda _: _drifting(3_000), 3_000, 150, 0.1, control_share=0.25)
    return [
        _variants("Thompson, rates of 10 %", ten),
        _variants("Thompson, rates alike", alike),
        _variants("Thompson, rates of 1 %", one),
        _variants("Thompson, three variants", three),
        _variants("Thompson, drift", drift),
        _variants("contextual", context),
        _variants("Thompson, beside a control group", held),
        _groups("groups", held),
        _groups("groups, drift", drift_held),
    ]


def long(name: str, n: int) -> Cell:
    """Return a cell of n rows in which one variant wins."""
    return _variants(name, World(lambda _: _tile(n, 0.10, 0.12), n, 150, 0.1))


def _tile(n: int, *rates: float) -> Floats:
    return np.tile(np.array(rates), (n, 1))


def _drifting(n: int) -> Floats:
    """Both rates rise by half, and the lift turns round."""
    time = np.arange(n) / n
    return np.stack([0.10 + 0.05 * time, 0.10 + 0.05 * time + 0.06 * (0.3 - time)], axis=1)


def _by_context(context: Ints) -> Floats:
    return np.array([[0.10, 0.06], [0.10, 0.20]])[context]


def _variants(name: str, world: World) -> Cell:
    needs = 5, None if _bets(world) else 20
    return Cell(name, _experiment(world), lambda rng: _simulated(world, rng), "adaptive variants", needs=needs)


def _bets(world: World) -> bool:
    """Whether the plan has enough rows for each unit of the bound on 1 / p to bet on the scores."""
    n_variants = world.rates(np.zeros(world.n, np.int64)).shape[1]
    return bool(N_TIGHTEST * world.floor / n_variants >= ROWS_PER_BOUND)


def _groups(name: str, world: World) -> Cell:
    return Cell(name, _experiment(world), lambda rng: _by_group(_simulated(world, rng), world), "groups")


def _experiment(world: World) -> Experiment:
    k = world.rates(np.zeros(world.n, np.int64)).shape[1]
    kind = ThompsonSpec if world.n_contexts == 1 else ContextualSpec
    policy = kind(floor=world.floor, control_share=world.control_share)
    fields = (ContextField("returning", FieldType.FLAG),) if world.n_contexts > 1 else ()
    variants = tuple(Variant(f"v{place}") for place in range(k))
    return Experiment("hero", variants, (Metric("click"),), policy=policy, context=fields)


def _simulated(world: World, rng: np.random.Generator) -> Simulated:
    """Return a log of the policy's own draws, with the control group's rows in between."""
    context = rng.integers(0, world.n_contexts, world.n)
    rates = world.rates(context)
    is_control = rng.random(world.n) < world.control_share
    would = rng.random(world.n)[:, None] < rates
    drawn, weights = _drawn(world, context, is_control, would, rng)
    label = np.where(is_control, 0, drawn)
    values = would[np.arange(world.n), label].astype(np.float64)
    rows: dict[str, Any] = {"variant": label, "distribution": weights}
    if world.control_share:
        rows["group_name"] = np.where(is_control, "control", "policy")
    fields = {"returning": context.astype(np.float64)} if world.n_contexts > 1 else {}
    compared = np.where(is_control, -1, drawn)
    return Simulated(rows, outcomes(values), compared, rates, weights / ONE, context=fields)


def _drawn(
    world: World, context: Ints, is_control: np.ndarray, would: np.ndarray, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Return the policy's draws, (n,), and the integer weights that they are from, (n, k)."""
    n, k = would.shape
    drawn, weights = np.zeros(n, np.int64), np.zeros((n, k), np.int64)
    posterior = np.ones((world.n_contexts, k, 2))
    number = rng.integers(0, ONE, n)
    for start in range(0, n, world.batch):
        batch = np.arange(start, min(start + world.batch, n))
        by_context = np.array(
            [quantise(probability_of_best([(a, b) for a, b in each]), world.floor) for each in posterior], np.int64
        )
        weights[batch] = by_context[context[batch]]
        drawn[batch] = (number[batch, None] >= np.cumsum(weights[batch], axis=1)).sum(axis=1)
        own = batch[~is_control[batch]]
        won = would[own, drawn[own]].astype(np.int64)
        np.add.at(posterior, (context[own], drawn[own], 1 - won), 1)
    return drawn, weights


def _by_group(made: Simulated, world: World) -> Simulated:
    """Return the same log by group: the control's, and the policy's with what it would have brought in each row."""
    by_policy = (made.expected * made.propensity).sum(axis=1)
    expected = np.stack([made.expected[:, 0], by_policy], axis=1)
    shares = np.tile([world.control_share, 1 - world.control_share], (len(made), 1))
    label = (made.label >= 0).astype(np.int64)
    return Simulated(made.rows, made.outcomes, label, expected, shares)
