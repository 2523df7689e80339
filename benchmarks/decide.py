"""What a contextual decision costs inside the process: beside Vowpal Wabbit's prediction on prepared examples.

    python benchmarks/decide.py [--rounds 25]

The experiment: ten fields of context (numbers, texts, flags), variants of ten features each (the name is one), squarecb
with all products of the two, taught by 300 lessons. Everybody takes turns, round by round. Printed are the medians over
the rounds in microseconds of the processor, and what means something on another machine, the medians of the ratios
within the rounds.

    VW          `predict_one` of vowpal_wabbit_next, of examples that were made before
    its core    the same without that package's look at every example's label, which takes longer than the prediction
    pipeline    context into features, lock, prediction, floor and whole numbers, number and draw
    decision    `Engine.decide`: also the steps before the policy, and the finished record

The second table has requests that bring 1,000 candidates along: the same ones each time, or ones never seen before with
names, numbers and half of the texts of their own. Its times are of everything, in milliseconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count, repeat
from statistics import median
from typing import TypeVar

import numpy as np
import vowpal_wabbit_next as vw
from assign import timed
from rich.console import Console
from rich.table import Table

from engine import drawing, randomness
from engine.catalog import Live
from engine.clock import RequestClock
from engine.definition import define
from engine.engine import Engine
from engine.experiments import ContextField, Experiment, ExperimentState, FieldType, Status, Variant
from engine.metrics import Metric
from engine.policies.contextual import ContextualPolicy
from engine.policies.features import ContextEncoder, Features, variant_features
from engine.randomness import ONE
from engine.records import Assignment, Candidate, Context, Reason, Request, Reward, Unit
from engine.settings import Settings
from engine.specs import ContextualSpec
from engine.storage.memory import MemoryStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TYPES = (*[FieldType.NUMBER] * 4, *[FieldType.TEXT] * 4, *[FieldType.FLAG] * 2)
CONTEXT = tuple(ContextField(f"field-{place}", of_type) for place, of_type in enumerate(TYPES))
OFFERED = tuple(ContextField(f"feature-{place}", of_type) for place, of_type in enumerate(TYPES[:9]))
TARGETS = {5: 2.5, 20: 1.5, 100: 1.2}
N_CANDIDATES, KNOWN_MS, NEW_MS = 1000, 2.0, 5.0
N_LESSONS, N_PREDICTED, N_BRINGING = 300, 3000, 10
SECRET = bytes(32)

Work = Callable[[], None]
Each = TypeVar("Each")


def values(rng: np.random.Generator, fields: Sequence[ContextField], own: str = "") -> Context:
    """Return values of fields; with a text of one's own, every other text begins with it."""
    made = {}
    for place, field in enumerate(fields):
        if field.type is FieldType.NUMBER:
            made[field.name] = float(rng.random())
        elif field.type is FieldType.TEXT:
            made[field.name] = f"{own * (place % 2)}text {rng.integers(20)}"
        else:
            made[field.name] = bool(rng.integers(2))
    return made


def engine_of(n_variants: int, candidates: tuple[ContextField, ...] | None = None) -> Engine:
    """Return an engine that runs the experiment, untaught."""
    rng = np.random.default_rng(n_variants)
    variants = tuple(Variant(f"variant-{place}", features=values(rng, OFFERED)) for place in range(n_variants))
    hero = Experiment(
        "hero", variants, (Metric("click"),), context=CONTEXT, policy=ContextualSpec(), candidates=candidates
    )
    engine = Engine(MemoryStore(), lambda *_: None, RequestClock(), Settings())
    engine.adopt(ExperimentState(define(hero), Status.RUNNING, 1, 1, "1"))
    return engine


def requests(n: int, candidates: Iterator[tuple[Candidate, ...]] | None = None) -> list[Request]:
    """Return what so many customers ask, each in a context of its own."""
    brought = candidates or repeat(())
    rng = np.random.default_rng(1)
    return [
        Request(
            "hero",
            {"customer": f"customer-{number}"},
            randomness.request_id(NOW, f"visit {number}"),
            NOW,
            context=values(rng, CONTEXT),
            candidates=next(brought),
        )
        for number in range(n)
    ]


def lessons(asked: Sequence[Request], eligible: Sequence[Variant]) -> list[Reward]:
    """Return rewards of draws at random, of which every third is 1."""
    names = tuple(variant.name for variant in eligible)
    first, *others = (ONE - (len(names) - 1) * (ONE // len(names)), *[ONE // len(names)] * (len(names) - 1))
    rows = (
        Assignment(
            "hero",
            names[number % len(names)],
            Reason.DRAWN,
            Unit("customer", "7"),
            NOW,
            NOW,
            is_draw=True,
            eligible=names,
            distribution=(first, *others),
            context=asked[number % len(asked)].context,
        )
        for number in range(N_LESSONS)
    )
    return [Reward(row, float(number % 3 == 0), NOW, 1) for number, row in enumerate(rows)]


def prepared(asked: Sequence[Request], policy: ContextualPolicy, variants: Sequence[Variant]) -> tuple[Work, Work]:
    """Return VW's predictions of the same questions by the same model, as its package makes them and its core alone."""
    encoder = ContextEncoder(CONTEXT)
    workspace = vw.Workspace([*policy.arguments, "--quiet", "--log_level", "off"])
    actions = [example("A", variant_features(variant), vw.CBLabel()) for variant in variants]
    shared = [example("U", encoder.encode(each.context), vw.CBLabel(shared=True)) for each in asked]
    for each in lessons(asked, variants):
        chosen = actions[each.assignment.eligible.index(each.assignment.variant)]
        chosen.set_label(vw.CBLabel(label=(0, -each.value, 1.0)))
        workspace.learn_one([shared[0], *actions])
        chosen.set_label(vw.CBLabel())
    questions = [[context, *actions] for context in shared]
    cores = [[each._example for each in question] for question in questions]
    core = workspace._workspace.predict_multi_ex_one
    return over(questions, workspace.predict_one), over(cores, core)


def example(namespace: str, features: Features, label: vw.CBLabel) -> vw.Example:
    """Return an example of features."""
    made = vw.Example()
    made[namespace].push_many_features(*features)
    made.set_label(label)
    return made


def over(each_of: Sequence[Each], work: Callable[[Each], object]) -> Work:
    """Return what does the work for each."""

    def all_of_them() -> None:
        for each in each_of:
            work(each)

    return all_of_them


def pipeline(live: Live, policy: ContextualPolicy) -> Callable[[Request], object]:
    """Return what goes from a context to a draw, and keeps nothing."""
    variants, spec = live.experiment.variants, live.experiment.policy

    def draw(request: Request) -> int:
        weights = drawing.weighed(policy, spec, request.context, variants)
        return randomness.draw(weights, randomness.assignment_number(SECRET, "hero", request.request_id, 0))

    return draw


def in_turns(works: Mapping[str, Iterator[Work]], n_calls: int, n_rounds: int) -> dict[str, list[float]]:
    """Return the microseconds of one call in each round, by name; each work makes so many calls."""
    for work in works.values():
        next(work)()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(n_rounds):
        for name, work in works.items():
            taken[name].append(timed(next(work)) / n_calls * 1e6)
    return taken


def ratio(taken: Mapping[str, Sequence[float]], name: str) -> float:
    """Return the median over the rounds of how many times as long as VW it took."""
    return median(ours / theirs for ours, theirs in zip(taken[name], taken["VW"], strict=True))


def taught(engine: Engine) -> tuple[Live, ContextualPolicy]:
    """Return the engine's experiment and its policy, which learned the lessons."""
    live = engine.catalog.find("hero")
    assert isinstance(live.policy, ContextualPolicy)
    live.policy.learn(lessons(requests(1), live.experiment.variants))
    return live, live.policy


def beside_vw(console: Console, n_rounds: int) -> None:
    """Print what a decision among declared variants costs."""
    table = Table("variants", "VW, us", "its core", "pipeline", "decision", "pipeline / VW", "decision / VW", "target")
    for n_variants, target in TARGETS.items():
        engine = engine_of(n_variants)
        live, policy = taught(engine)
        asked = requests(max(10, N_PREDICTED // n_variants))
        whole, core = prepared(asked, policy, live.experiment.variants)
        works = {
            "VW": whole,
            "core": core,
            "pipeline": over(asked, pipeline(live, policy)),
            "decision": over(asked, engine.decide),
        }
        taken = in_turns({name: repeat(work) for name, work in works.items()}, len(asked), n_rounds)
        times = [f"{median(each):.1f}" for each in taken.values()]
        ratios = [f"{ratio(taken, name):.2f}" for name in ("pipeline", "decision")]
        table.add_row(str(n_variants), *times, *ratios, f"{target} (pipeline)")
    console.print(table)


def offered(first: int, own: str = "") -> tuple[Candidate, ...]:
    """Return candidates of names from a number on, always the same ones."""
    rng = np.random.default_rng(first)
    return tuple(Candidate(f"article {first + place}", values(rng, OFFERED, own)) for place in range(N_CANDIDATES))


def bringing(console: Console, n_rounds: int) -> None:
    """Print what a decision among candidates costs."""
    # Two engines: what is new to one would push out what the other knows.
    knowing, learning = (engine_of(2, OFFERED) for _ in range(2))
    (_, policy), _ = taught(knowing), taught(learning)
    variants = tuple(map(Variant.of, offered(0)))
    whole, core = prepared(requests(N_BRINGING), policy, variants)
    # Equal ones, not the same objects: so they come in at a door.
    known = over(requests(N_BRINGING, map(offered, repeat(0))), knowing.decide)
    news = (offered(first, f"{first} ") for first in count(N_CANDIDATES, N_CANDIDATES))
    new = (over(requests(N_BRINGING, news), learning.decide) for _ in count())
    works = {"VW": repeat(whole), "core": repeat(core), "known": repeat(known), "new": new}
    taken = in_turns(works, N_BRINGING, n_rounds)
    table = Table(f"{N_CANDIDATES:,} candidates", "ms", "/ VW", "target, ms")
    rows = {"VW": "", "core": "", "known": f"{KNOWN_MS}", "new": f"{NEW_MS}"}
    for name, target in rows.items():
        table.add_row(name, f"{median(taken[name]) / 1e3:.2f}", f"{ratio(taken, name):.2f}", target)
    console.print(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    n_rounds = parser.parse_args().rounds
    console = Console(width=120)
    beside_vw(console, n_rounds)
    bringing(console, n_rounds)


if __name__ == "__main__":
    main()
