"""A store's log of touches over several channels, as long as is asked for, written through the store's own writer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from engine.clock import EPOCH
from engine.definition import define
from engine.experiments import Brief, ContextField, Experiment, ExposureRule, FieldType, Variant
from engine.lifecycle import Author, create
from engine.metrics import Metric, MetricKind
from engine.randomness import ONE
from engine.records import Assignment, DrawKey, Entry, Exposure, Outcome, Reason, Unit
from engine.storage import open_store

OUTCOME = "order"
START = EPOCH + timedelta(days=20_000)
NAMES = ("plain", "bold")
BATCH = 20_000
"""So many touches are appended at once."""

TOUCHES_PER_UNIT = 10
_WEIGHTS = ONE // 2, ONE // 2
_PLAIN = Experiment(
    "search",
    tuple(map(Variant, NAMES)),
    (Metric(OUTCOME, MetricKind.REVENUE, timedelta(days=30), cap=100.0),),
    brief=Brief(channel="search"),
)
CHANNELS = ("search", "social", "display", "affiliate", "print")
IN_CONTEXT = ("web", "app")
"""The channels of an experiment whose context names them, row by row."""

EXPERIMENTS = (
    *(replace(_PLAIN, experiment_id=each, brief=Brief(channel=each)) for each in CHANNELS),
    replace(_PLAIN, experiment_id="mail", brief=Brief(channel="mail"), exposure=ExposureRule.REPORTED),
    replace(_PLAIN, experiment_id="home", brief=Brief(), context=(ContextField("channel", FieldType.TEXT),)),
)
"""Eight channels in seven experiments; that of mail has its exposures reported."""


def grow(directory: Path, n_touches: int, first: int = 0) -> None:
    """Let the log of a store have `n_touches` answers, of which it has the `first` already.

    Units come to be as the log goes on, so that each has TOUCHES_PER_UNIT on average, mixed with those of the others.
    One touch in ten is followed by an order, of the unit or, one time in four, of the answer.
    """
    with closing(open_store(directory, "n1", b"secret")) as store:
        if not first:
            for experiment in EXPERIMENTS:
                store.save(*create(define(experiment), Author("benchmark", "to measure", START)), "")
        for start in range(first, n_touches, BATCH):
            store.append(list(entries(start, min(start + BATCH, n_touches))))


def entries(first: int, last: int) -> Iterator[Entry]:
    """Yield the touches from `first` to before `last`, each with what is reported of it and what it was followed by."""
    rng = np.random.default_rng([17, first])
    n = last - first
    units = rng.integers(0, last // TOUCHES_PER_UNIT + 1, n).tolist()
    kinds = rng.integers(0, len(EXPERIMENTS), n).tolist()
    variants, tails = rng.integers(0, 2, n).tolist(), rng.integers(0, 2**62, n).tolist()
    for i, who, kind, variant, tail in zip(range(first, last), units, kinds, variants, tails, strict=True):
        made = _touch(i, f"customer {who}", EXPERIMENTS[kind], NAMES[variant], tail)
        later = made.assigned_at + timedelta(hours=1)
        yield made
        if made.experiment_id == "mail" and i % 3:
            yield Exposure(made.assignment_id, made.assigned_at + timedelta(minutes=5), later)
        if i % 10 == 0:
            order = Outcome(f"order {i}", OUTCOME, i % 50 + 0.5, later, later)
            yield replace(order, assignment_id=made.assignment_id) if i % 40 == 0 else replace(order, unit=made.unit)


def _touch(i: int, who: str, experiment: Experiment, variant: str, tail: int) -> Assignment:
    at = START + timedelta(seconds=2 * i)
    return Assignment(
        experiment.experiment_id,
        variant,
        Reason.DRAWN,
        Unit("customer", who),
        at,
        at,
        assignment_id=f"{i:016x}{tail:016x}",
        request_id=f"request {i}",
        request_digest=bytes(16),
        revision=1,
        epoch=1,
        draw_key=DrawKey.ASSIGNMENT,
        drawn=7,
        is_draw=True,
        eligible=NAMES,
        distribution=_WEIGHTS,
        context={"channel": IN_CONTEXT[i % 2]} if experiment.context else {},
    )
