"""A small product whose customers are alike until something changes, decided and learned from by the engine's parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from heapq import heappop, heappush

import numpy as np
from armlift import Ask, Event

from analysis.checks.predicting import Learned
from analysis.logs import frames
from analysis.logs.frames import Frame
from engine.clock import EPOCH
from engine.definition import define
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.randomness import request_id
from engine.specs import PolicySpec
from simulators.doors import EngineDoor

START = EPOCH + timedelta(days=20_000)
MINUTE = timedelta(minutes=1)
WINDOW = timedelta(minutes=30)
DEVICES = ("phone", "tablet", "desktop")

Rate = Callable[[int, str, str], float]
"""The chance of a click by visit, variant and device."""


@dataclass(frozen=True)
class Lived:
    """What came of some visits."""

    door: EngineDoor

    @property
    def frame(self) -> Frame:
        return frames.read(self.door.store, "hero")

    @property
    def learned(self) -> Learned:
        return Learned(self.door.store, self.door.snapshots.snapshot)


def hero(policy: PolicySpec) -> Experiment:
    return define(
        Experiment(
            "hero",
            (Variant("plain"), Variant("bold"), Variant("loud")),
            (Metric("click", window=WINDOW),),
            context=(ContextField("device", FieldType.TEXT),),
            policy=policy,
        )
    )


def lived(
    policy: PolicySpec,
    n: int,
    seed: int,
    rate: Rate,
    *,
    minute: Callable[[int], float] = float,
    wait: Callable[[str, float], float] = lambda _, luck: 29 * luck,
    closes: bool = True,
) -> Lived:
    """Return the log of n visits, each of another customer, at these minutes; learned from after each hundred.

    A click comes after `wait` minutes, by variant and a luck in [0, 1). Unless it `closes`, it ends with the last
    visit.
    """
    chance = np.random.default_rng(seed)
    door = EngineDoor([hero(policy)], START, seed)
    clicks: list[tuple[float, int, Event]] = []
    for number in range(n):
        now = minute(number)
        while clicks and clicks[0][0] <= now:
            came, _, event = heappop(clicks)
            door.record([event], START + came * MINUTE)
        if number % 100 == 0:
            door.settle()
        device, at = DEVICES[chance.integers(len(DEVICES))], START + now * MINUTE
        name = request_id(at, f"visit-{number}")
        ask = Ask("hero", units={"customer": f"unit-{number}"}, context={"device": device}, request_id=name, at=at)
        (answer,) = door.assign([ask])
        happens, luck = chance.random(2)
        if happens < rate(number, answer.variant, device):
            came = now + wait(answer.variant, luck)
            told = {"outcome_id": f"click-{number}", "occurred_at": START + came * MINUTE}
            heappush(clicks, (came, number, Event("click", assignment_id=answer.assignment_id, **told)))
    if closes:
        for came, _, event in sorted(clicks, key=lambda each: each[:2]):
            door.record([event], START + came * MINUTE)
        door.tick(START + (minute(n) + 100) * MINUTE)
    door.settle()
    return Lived(door)
