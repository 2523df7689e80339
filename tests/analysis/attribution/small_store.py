"""A small store of four experiments in two channels, made by the engine's own draws, with what each draw caused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine import lifecycle
from engine.experiments import Brief, ContextField, Experiment, FieldType, Looking, Plan, Status, Variant
from engine.lifecycle import Author
from engine.metrics import Metric, MetricKind
from engine.specs import FixedSpec, Rule, SegmentsSpec, ThompsonSpec
from tests.analysis.conftest import START, Log

OUTCOME = "order"
DEVICE = (ContextField("device", FieldType.TEXT),)
ORDER = Metric(OUTCOME, MetricKind.REVENUE)
ONCE = Plan(looking=Looking.ONCE)
MAIL = Brief(segment="members", moment="sunday", channel="mail")
WEB = Brief(segment="everybody", moment="landing", channel="web")
LETTER = Experiment(
    "letter", (Variant("none", is_blank=True), Variant("short")), (ORDER,), brief=MAIL, context=DEVICE, plan=ONCE
)
HERO = Experiment(
    "hero",
    (Variant("plain"), Variant("bold")),
    (ORDER,),
    brief=WEB,
    context=(*DEVICE, ContextField("vip", FieldType.FLAG)),
    plan=ONCE,
)
OFFER = Experiment(
    "offer", HERO.variants, (Metric(OUTCOME),), brief=WEB, policy=ThompsonSpec(floor=0.1, control_share=0.4), plan=ONCE
)
EVEN = SegmentsSpec((Rule({"device": "phone"}, {"plain": 0.5, "bold": 0.5}),))
RULED = replace(OFFER, experiment_id="ruled", brief=replace(MAIL, moment="monday"), policy=EVEN, context=DEVICE)
OLD = replace(HERO, experiment_id="old", context=(), brief=replace(WEB, moment="last year"), policy=FixedSpec())


def beside(log: Log, experiment: Experiment) -> Log:
    """Return short words for another experiment in the same store."""
    other = object.__new__(type(log))
    other.store, other._n = log.store, log._n
    other.state, change = lifecycle.create(experiment, Author("test", "because", START))
    other.store.save(other.state, change, "")
    other.move(Status.RUNNING)
    return other


def small_store(n: int = 500, seed: int = 11):
    """Return the store: a letter brings .5 orders, a bold hero none, and a fifth of the units order anyway."""
    random = np.random.default_rng(seed)
    letter = Log(LETTER)
    hero, offer, ruled, old = (beside(letter, each) for each in (HERO, OFFER, RULED, OLD))
    for i in range(n):
        unit, device = f"unit {i}", "phone" if i % 3 else "desktop"
        sent = letter.assign(unit, 1 + i / n, context={"device": device})
        # Later the device is another one: who has come in stays in the first one's segment.
        hero.assign(unit, 3 + i / n, context={"device": "desktop", "vip": i % 2 == 0})
        if i % 2:
            offer.assign(unit, 10 + 10 * i / n, (0.3, 0.7))
            ruled.assign(unit, 4 + i / n, (0.5, 0.5))
            old.assign(unit, i / n)
        for _ in range((random.random() < 0.2) + (sent.variant == "short" and random.random() < 0.5)):
            letter.observe(unit, OUTCOME, 5 + random.random(), value=float(random.integers(10, 50)))
    old.move(Status.CONCLUDED)
    letter.end(25)
    return letter.store
