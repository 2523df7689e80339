"""Logs of a policy that learns, made as arrays, in a world that stands still or drifts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from analysis.logs import frames
from analysis.logs.columns_source import ColumnsSource
from analysis.logs.frames import Frame
from analysis.logs.simple_log import START, simple_log
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.specs import ContextualSpec, SoftmaxSpec

K = 3
FLOOR = 0.1
BATCH = 100
MINUTE = 60_000_000
DEVICES = np.array(["phone", "tablet", "desktop"])
FIELDS = (
    ContextField("device", FieldType.TEXT),
    ContextField("age", FieldType.NUMBER),
    ContextField("new", FieldType.FLAG),
)


def hero(*, reads_context: bool) -> Experiment:
    spec = ContextualSpec if reads_context else SoftmaxSpec
    policy = spec(floor=FLOOR, control_share=0.1)
    variants = tuple(Variant(name) for name in "abc")
    return Experiment("hero", variants, (Metric("click", window=timedelta(hours=1)),), context=FIELDS, policy=policy)


def log(chance: np.random.Generator, n: int, **change: Any) -> Frame:
    """Return the log that `source` makes, read."""
    return frames.read(source(chance, n, **change), "hero")


def source(
    chance: np.random.Generator,
    n: int,
    *,
    reads_context: bool = False,
    rates: np.ndarray | None = None,
    after: int | None = None,
    factor: float = 1.0,
    phones: float = 0.0,
    older: float = 0.0,
    n_units: int = 0,
    even_until: int = 0,
) -> ColumnsSource:
    """Return the log of n visits, a minute apart.

    `rates` (3, K) are chances by device and variant. From visit `after` on they are multiplied by `factor`, a share
    `phones` of visits is by phone whatever it was, and ages are higher by `older`. With `n_units`, those come again and
    again, each with a propensity of its own. Until visit `even_until` the policy draws evenly, whatever it learned.
    """
    unit = chance.integers(0, n_units, n) if n_units else np.arange(n)
    own = chance.gamma(4.0, 0.25, n_units)[unit] if n_units else np.ones(n)
    device = chance.integers(0, 3, n_units)[unit] if n_units else chance.integers(0, 3, n)
    since = np.arange(n) >= (n if after is None else after)
    device = np.where(since & (chance.random(n) < phones), 0, device)
    by_device = np.array([[0.10, 0.20, 0.14], [0.12, 0.10, 0.16], [0.20, 0.12, 0.10]]) if rates is None else rates
    true = np.clip(by_device[device] * own[:, None] * np.where(since, factor, 1.0)[:, None], 0, 1)
    is_control = chance.random(n) < 0.1
    cell = device if reads_context else np.zeros(n, int)
    drawn, shares, clicks = _learned(chance, true, cell, is_control, even_until=even_until)
    at = START + np.arange(n) * MINUTE
    age = chance.normal(40, 10, n) + older * since
    age[chance.random(n) < 0.1] = np.nan
    rows = {"variant": drawn, "distribution": shares, "unit_key": unit + 1, "assigned_at": at, "received_at": at}
    context = {"device": DEVICES[device].tolist(), "age": age, "new": (chance.random(n) < 0.3).astype(float)}
    told = {"row": clicks, "occurred_at": at[clicks] + MINUTE}
    groups = {"group_name": np.where(is_control, "control", "policy").tolist()}
    return simple_log(hero(reads_context=reads_context), rows | groups, told, context=context)


def _learned(chance, true, cell, is_control, *, even_until):
    """Draw by softmax of the means so far in each cell, learned after each hundred; the control group gets `a`."""
    n = len(true)
    wins, total = np.ones((3, K)), np.full((3, K), 10.0)
    drawn, shares, clicked = np.zeros(n, int), np.zeros((n, K)), np.zeros(n, bool)
    for start in range(0, n, BATCH):
        part = slice(start, min(start + BATCH, n))
        odds = np.exp(wins / total / 0.02) if start >= even_until else np.ones((3, K))
        shares[part] = ((1 - FLOOR) * odds / odds.sum(axis=1, keepdims=True) + FLOOR / K)[cell[part]]
        got = (chance.random(len(shares[part]))[:, None] > shares[part].cumsum(axis=1)).sum(axis=1).clip(max=K - 1)
        drawn[part] = np.where(is_control[part], 0, got)
        clicked[part] = chance.random(len(got)) < true[part][np.arange(len(got)), drawn[part]]
        own = np.flatnonzero(~is_control[part]) + start
        np.add.at(wins, (cell[own], drawn[own]), clicked[own])
        np.add.at(total, (cell[own], drawn[own]), 1)
    return drawn, shares, np.flatnonzero(clicked)
