"""Slates follow the sequential distribution that is logged, and come out the same in a new process from files alone."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from engine import lifecycle, randomness
from engine.clock import RequestClock
from engine.engine import Engine
from engine.experiments import ContextField, Experiment, FieldType, Status, Variant
from engine.learning import LearnerPool
from engine.metrics import Metric
from engine.records import Assignment, Candidate, Group, Outcome, Reason, Request
from engine.settings import Settings
from engine.specs import ContextualSpec, EpsilonGreedySpec, FixedSpec, PolicySpec, Rule, SegmentsSpec, ThompsonSpec
from engine.storage import find_snapshot_in, open_reader, open_snapshots, open_store
from tests.engine.house import AUTHOR, NOW, House, days
from tests.engine.house import experiment as plain_experiment

SCRIPT = Path(__file__).with_name("recompute_log.py")
SHARES = {"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1}
FOUR = tuple(map(Variant, SHARES))
RULES = SegmentsSpec((Rule({"visits": {"$gte": 100}}, {"a": 1.0}),), SHARES)
P_VALUE = 1e-4
"""The draws are the same in every run, so a test passes for ever or never; a right one fails once in ten thousand."""


# --- the law -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [FixedSpec(SHARES), RULES])
def test_slates_follow_the_sequential_distribution(spec: PolicySpec) -> None:
    """Against Plackett and Luce: chi-square over the 24 sequences of three of four, drawn by unit and by assignment.

    The rarest, (d, c, b), has the probability 0.1 * 0.2/0.9 * 0.3/0.7 = 0.0095, so that 6,000 slates expect 57 of it.
    """
    n, house = 6_000, House()
    house.run(plain_experiment(variants=FOUR, slots=3, policy=spec))
    slates = (house.engine.fill(house.request(f"u{number}", n_slots=3)) for number in range(n))
    counts = Counter(tuple(row.variant for row in rows) for rows in slates)
    sequences = list(permutations(SHARES, 3))
    expected = [n * probability_of(sequence) for sequence in sequences]
    observed = [counts[sequence] for sequence in sequences]
    assert math.fsum(expected) == pytest.approx(n)
    assert sum(observed) == n
    assert stats.chisquare(observed, expected).pvalue > P_VALUE


def probability_of(sequence: tuple[str, ...]) -> float:
    left = [1 - math.fsum(SHARES[name] for name in sequence[:place]) for place in range(len(sequence))]
    return math.prod(SHARES[name] / rest for name, rest in zip(sequence, left, strict=True))


def test_the_logged_propensities_weigh_every_sequence_back_to_one() -> None:
    """Against theory: 1 / propensity of a slate has the mean 24, the number of sequences.

    Its second moment is the sum of 1 / p over the sequences, so that the tolerance is 4 standard errors.
    """
    n, house = 6_000, House()
    house.run(plain_experiment(variants=FOUR, slots=3, policy=FixedSpec(SHARES)))
    slates = (house.engine.fill(house.request(f"u{number}", n_slots=3)) for number in range(n))
    weights = np.array([1 / math.prod(row.propensity or 0 for row in rows) for rows in slates])
    sequences = list(permutations(SHARES, 3))
    variance = math.fsum(1 / probability_of(sequence) for sequence in sequences) - len(sequences) ** 2
    assert abs(weights.mean() - len(sequences)) < 4 * math.sqrt(variance / n)


def test_the_slots_of_a_slate_are_drawn_independently_given_what_is_left() -> None:
    """Against theory: of two slots with even chances, which half of its range each number lies in is independent."""
    n, house = 4_000, House()
    house.run(plain_experiment(variants=FOUR, slots=2))
    slates = [house.engine.fill(house.request(f"u{number}", n_slots=2)) for number in range(n)]
    halves = np.array([[row.drawn < randomness.ONE // 2 for row in rows] for rows in slates])
    assert abs(np.corrcoef(halves.T)[0, 1]) < 4 / math.sqrt(n)


# --- from files alone ----------------------------------------------------------------------------------------------

NEWS = Experiment(
    "news",
    (Variant("nothing"),),
    (Metric("click", window=days(0.01)),),
    context=(ContextField("device", FieldType.TEXT),),
    candidates=(ContextField("topic", FieldType.TEXT), ContextField("age", FieldType.NUMBER)),
    slots=3,
    policy=ContextualSpec(control_share=0.2, publish_every=60, publish_after=days(0)),
    shadow=ContextualSpec(gamma=3.0, publish_every=60, publish_after=days(0)),
)
EXPERIMENTS = {
    "news": NEWS,
    "offers": replace(
        NEWS,
        experiment_id="offers",
        variants=FOUR,
        candidates=None,
        policy=ThompsonSpec(publish_every=60, publish_after=days(0), control_share=0.2),
        shadow=EpsilonGreedySpec(publish_every=60, publish_after=days(0)),
    ),
    "test": replace(
        NEWS, experiment_id="test", variants=FOUR, candidates=None, policy=FixedSpec(SHARES), shadow=NEWS.shadow
    ),
}
TOPICS = ("sports", "news", "arts", "weather")


class Service:
    """An engine and a learner on a store in files."""

    def __init__(self, directory: Path) -> None:
        self.store, self.reader = open_store(directory), open_reader(directory)
        self.snapshots = open_snapshots(directory, write=True)
        self.engine = Engine(self.reader, find_snapshot_in(directory), RequestClock(), Settings(policy_budget_s=10.0))
        self.pool = LearnerPool(self.reader, self.snapshots)
        for experiment in EXPERIMENTS.values():
            draft, created = lifecycle.create(experiment, AUTHOR)
            running, started = lifecycle.transition(draft, Status.RUNNING, "", AUTHOR)
            self.store.save(draft, created, "")
            self.store.save(running, started, draft.etag)
            self.engine.adopt(running)

    def visit(self, number: int, chance: np.random.Generator) -> list[Assignment]:
        """Let one customer come to all experiments, and perhaps click on what is in the first slot."""
        at = NOW + days(number / 100)
        n_brought = int(chance.integers(0, 8))
        brought = tuple(
            Candidate(f"article {number}-{n}", {"topic": TOPICS[chance.integers(4)], "age": float(n)})
            for n in range(n_brought)
        )
        rows: list[Assignment] = []
        for name in EXPERIMENTS:
            request = Request(
                name,
                {"customer": f"c{number}"},
                randomness.request_id(at, f"{number} {name}"),
                at,
                {"device": TOPICS[number % 2] if number % 10 else 7.0},
                candidates=brought if name == "news" else (),
                excluded_variants=frozenset({"b"} if number % 5 == 0 else ()),
                n_slots=1 + number % 3,
            )
            rows += self.engine.fill(request)
        self.store.append(rows)
        self.engine.settle(rows)
        clicked = [row for row in rows if row.slot == 0 and chance.random() < 0.3]
        self.store.append([Outcome(row.assignment_id, "click", 1.0, at, at, row.assignment_id) for row in clicked])
        return rows

    def learn(self) -> None:
        for snapshot in self.pool.step():
            state = self.engine.catalog.find(snapshot.experiment_id).state
            moved = {"shadow_snapshot" if snapshot.is_shadow else "snapshot": snapshot.hash}
            staged = self.engine.stage(replace(state, **moved))
            self.store.point(snapshot.experiment_id, state.epoch, snapshot.hash, is_shadow=snapshot.is_shadow)
            self.engine.swap_in(staged)
        self.pool.done()

    def close(self) -> None:
        for each in (self.snapshots, self.reader, self.store):
            each.close()


def test_every_slot_of_a_log_and_its_shadow_come_out_the_same_in_a_new_process(tmp_path: Path) -> None:
    chance, rows = np.random.default_rng(11), []
    with closing(Service(tmp_path)) as service:
        for number in range(300):
            rows += service.visit(number, chance)
            if number % 60 == 59:
                service.learn()
    drawn = [row for row in rows if row.is_draw]
    assert {row.slot for row in drawn} == {0, 1, 2}
    assert {row.group for row in drawn} == set(Group)
    assert {row.reason for row in rows} == {Reason.DRAWN, Reason.CONTEXT_INVALID, Reason.NO_VARIANTS}
    for name in EXPERIMENTS:
        own = [row for row in drawn if row.experiment_id == name and row.group is Group.POLICY]
        assert all(row.shadow_distribution for row in own)
        assert len({row.shadow_snapshot for row in own}) > 2
        assert len({row.snapshot for row in own}) > 2 or name == "test"
    done = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=True)
    counts = json.loads(done.stdout)
    print(counts)
    assert (counts["reproduced"], counts["not_drawn"]) == (len(drawn), len(rows) - len(drawn))
    assert counts["n_rows"] == len(rows)
