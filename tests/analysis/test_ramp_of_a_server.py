"""A ramp on a real server: it climbs by the evidence of its log, and goes back when a guardrail gives way."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from armlift import Client

from analysis.ramping import ACTOR, Evaluator
from engine.clock import RequestClock
from engine.experiments import ROLLED_BACK, Experiment, Status, Variant
from engine.funnel import Funnel, RampStep
from engine.metrics import Better, Metric, Role
from engine.service.management import Management
from engine.service.server import Serving, serving_beside
from engine.storage import open_reader

AT = datetime(2024, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HERO = Experiment(
    "hero",
    (Variant("plain"), Variant("bold")),
    (
        Metric("click", window=HOUR),
        Metric("error", window=timedelta(minutes=1), role=Role.GUARDRAIL, margin=0.2, better=Better.LOWER),
    ),
    funnel=Funnel(ramp=(RampStep(0.5, HOUR, 300), RampStep(0.8, HOUR), RampStep(1.0))),
)
WELL, BROKEN = {"plain": 0.2, "bold": 0.2}, {"plain": 0.1, "bold": 0.9}


class Product:
    """A server with one ramp, and visitors of whom some meet an error."""

    def __init__(self, client, management):
        self.client, self.management = client, management
        self.now, self.n, self.rng = AT, 0, np.random.default_rng(1)

    def visit(self, n, rates, hours):
        """Let n units come one after the other while so many hours pass."""
        for _ in range(n):
            self.n += 1
            self.now += hours * HOUR / n
            unit = f"unit {self.n}"
            answer = self.client.assign("hero", unit=unit, at=self.now)
            if self.rng.random() < rates[answer.variant]:
                self.client.record("error", unit=unit, at=self.now)

    @property
    def step(self):
        return self.management.get("hero").step

    @property
    def change(self):
        return list(self.management.history("hero"))[-1]


@contextmanager
def serve(directory, *companions):
    serving = Serving(directory, "127.0.0.1:0", RequestClock(), companions=companions)
    with (
        serving_beside(serving) as address,
        Client(address, timeout_s=10.0) as client,
        Management(address, ACTOR) as management,
    ):
        management.apply(HERO, "to be tested")
        client.assign("hero", unit="the first", at=AT)
        management.move("hero", Status.RUNNING, "to be tested")
        yield Product(client, management)


@pytest.fixture
def product(tmp_path):
    with serve(tmp_path) as running:
        yield running


@pytest.fixture
def evaluator(product, tmp_path):
    with closing(open_reader(tmp_path)) as reader:
        yield Evaluator(reader, product.management)


def test_a_healthy_ramp_climbs_when_units_and_time_are_enough(product, evaluator):
    evaluator.look()
    assert product.step == 0
    product.visit(700, WELL, 0.5)
    evaluator.look()
    assert product.step == 0
    product.visit(20, WELL, 0.6)
    evaluator.look()
    assert (product.step, product.change.actor, product.change.epoch) == (1, ACTOR, 1)
    assert product.change.reason.startswith("step 1 of 3: 3")
    assert "no mismatch" in product.change.reason
    evaluator.look()
    assert product.step == 1
    product.visit(20, WELL, 1.1)
    evaluator.look()
    assert product.step == 2
    evaluator.look()
    assert product.step == 2


def test_harm_sends_the_ramp_back_at_once_and_leaves_it_to_people(product, evaluator):
    product.visit(200, BROKEN, 0.1)
    evaluator.look()
    assert (product.step, product.change.epoch) == (ROLLED_BACK, 2)
    assert "guardrail error of bold: worse than its margin" in product.change.reason
    assert product.client.assign("hero", unit="somebody", at=product.now).variant == "plain"
    evaluator.look()
    assert product.step == ROLLED_BACK
    product.management.move_ramp("hero", 0, "", "mended")
    evaluator.look()
    assert product.step == 0


def test_the_server_runs_it_beside_itself(tmp_path):
    with serve(tmp_path, "analysis.ramping") as product:
        product.visit(200, BROKEN, 0.1)
        until = time.monotonic() + 60
        while product.step != ROLLED_BACK and time.monotonic() < until:
            time.sleep(0.2)
        assert product.step == ROLLED_BACK
