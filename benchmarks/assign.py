"""What a decision costs inside the process: beside GrowthBook's SDK on the same rules, and among many experiments.

    python benchmarks/assign.py [--rounds 15]

The test: an audience of five clauses, a layer of which it has 80 %, a holdout of 5 %, two halves. Ours draws and makes
the whole record of the assignment (ids, weights, distribution, inclusion, context); GrowthBook evaluates the feature.
Everybody takes turns, round by round. Printed are the medians over the rounds in microseconds of the processor, and
their ratios, which are what means something on another machine. The last table has 1,000 running experiments in 50
layers.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import median

from growthbook import GrowthBook
from rich.console import Console
from rich.table import Table

from engine import randomness
from engine.clock import RequestClock
from engine.definition import define
from engine.engine import Engine
from engine.experiments import ContextField, Experiment, ExperimentState, FieldType, Status, Variant
from engine.funnel import Funnel, Layer, LayerRange, Population, PopulationState
from engine.metrics import Metric
from engine.records import Request, Value
from engine.settings import Settings
from engine.storage.memory import MemoryStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
N_UNITS = 2000
HOLDOUT, LAYER_SHARE = 0.05, 0.8
N_LAYERS, N_EXPERIMENTS, N_FEW = 50, 1000, 10
AUDIENCE = {
    "country": {"$in": ["NO", "SE", "DK"]},
    "age": {"$gte": 18},
    "plan": {"$ne": "trial"},
    "visits": {"$gt": 2},
    "member": True,
}
CONTEXT: Mapping[str, Value] = {"country": "NO", "age": 30.0, "plan": "pro", "visits": 5.0, "member": True}
TYPES = {
    "country": FieldType.TEXT,
    "age": FieldType.NUMBER,
    "plan": FieldType.TEXT,
    "visits": FieldType.NUMBER,
    "member": FieldType.FLAG,
}
UNITS = tuple(f"customer-{number}" for number in range(N_UNITS))

Work = Callable[[], None]


def experiment(name: str, layer: LayerRange) -> Experiment:
    """Return a test with the audience, in a part of a layer."""
    fields = tuple(ContextField(each, of_type) for each, of_type in TYPES.items())
    funnel = Funnel(audience=AUDIENCE, layer=layer)
    return Experiment(name, (Variant("plain"), Variant("bold")), (Metric("click"),), context=fields, funnel=funnel)


def engine_of(experiments: Sequence[Experiment]) -> Engine:
    """Return an engine that runs them, in layers of their own seeds and under a holdout of all."""
    engine = Engine(MemoryStore(), lambda *_: None, RequestClock(), Settings())
    layers = {name: Layer(seed=name) for name in {each.funnel.layer.layer for each in experiments}}
    engine.adopt_population(PopulationState(Population(layers=layers, holdout=HOLDOUT), 1), ())
    for each in experiments:
        engine.adopt(ExperimentState(define(each), Status.RUNNING, 1, 1, "1"))
    return engine


def request(experiment_id: str, unit: str) -> Request:
    """Return what a unit asks."""
    named = randomness.request_id(NOW, f"{experiment_id} {unit}")
    return Request(experiment_id, {"customer": unit}, named, NOW, context=CONTEXT)


def growthbook() -> GrowthBook:
    """Return the SDK with the same rules: the layer and the holdout as its namespaces, which it calls filters."""
    ranges = {"everybody": [HOLDOUT, 1.0], "checkout": [0.0, LAYER_SHARE]}
    rule = {
        "key": "hero",
        "condition": AUDIENCE,
        "filters": [
            {"seed": seed, "ranges": [share], "hashVersion": 2, "attribute": "id"} for seed, share in ranges.items()
        ],
        "variations": ["plain", "bold"],
        "weights": [0.5, 0.5],
        "coverage": 1.0,
        "seed": "hero",
        "hashVersion": 2,
        "hashAttribute": "id",
    }
    return GrowthBook(features={"hero": {"defaultValue": "plain", "rules": [rule]}})


def timed(work: Work) -> float:
    """Return how many seconds of the processor it took, without the collector of garbage."""
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        work()
        return time.process_time() - start
    finally:
        gc.enable()


def in_turns(works: Mapping[str, tuple[Work, int]], n_rounds: int) -> dict[str, float]:
    """Return the median microseconds of one call, by name; each work makes so many."""
    for work, _ in works.values():
        work()
    rounds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(n_rounds):
        for name, (work, n_calls) in works.items():
            rounds[name].append(timed(work) / n_calls * 1e6)
    return {name: median(times) for name, times in rounds.items()}


def deciding(engine: Engine, requests: Sequence[Request]) -> tuple[Work, int]:
    """Return what decides the requests one by one."""

    def work() -> None:
        for each in requests:
            engine.decide(each)

    return work, len(requests)


def walking(engine: Engine, requests: Sequence[Request]) -> tuple[Work, int]:
    """Return what decides the requests of one unit in one walk."""

    def work() -> None:
        walk = engine.walk()
        for each in requests:
            engine.decide(each, walk)

    return work, len(requests)


def evaluating(peer: GrowthBook, attributes: Sequence[dict[str, Value]]) -> tuple[Work, int]:
    """Return what evaluates the feature for one after the other."""

    def work() -> None:
        for each in attributes:
            peer.set_attributes(each)
            peer.eval_feature("hero")

    return work, len(attributes)


def is_in(peer: GrowthBook, attributes: dict[str, Value]) -> bool:
    """Whether the SDK takes somebody into the experiment."""
    peer.set_attributes(attributes)
    result = peer.eval_feature("hero").experimentResult
    return result is not None and result.inExperiment


def beside_growthbook(console: Console, n_rounds: int) -> None:
    """Print what one decision costs, for everybody and for those alone who are in, each by its own rules."""
    engine, peer = engine_of([experiment("hero", LayerRange("checkout", 0.0, LAYER_SHARE))]), growthbook()
    requests = [request("hero", unit) for unit in UNITS]
    attributes = [{**CONTEXT, "id": unit} for unit in UNITS]
    ours_in = [each for each in requests if engine.decide(each).is_draw]
    peers_in = [each for each in attributes if is_in(peer, each)]
    found = in_turns(
        {
            "everybody, armlift": deciding(engine, requests),
            "everybody, growthbook": evaluating(peer, attributes),
            "in, armlift": deciding(engine, ours_in),
            "in, growthbook": evaluating(peer, peers_in),
        },
        n_rounds,
    )
    table = Table("who asks", "armlift, us", "growthbook, us", "ratio", "in, armlift", "in, growthbook")
    shares = f"{len(ours_in) / N_UNITS:.1%}", f"{len(peers_in) / N_UNITS:.1%}"
    for who, admitted in (("everybody", shares), ("in", ("", ""))):
        ours, theirs = found[f"{who}, armlift"], found[f"{who}, growthbook"]
        table.add_row(who, f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.2f}", *admitted)
    console.print(table)


def among_many(console: Console, n_rounds: int) -> None:
    """Print what one decision costs among few and among many, and one walk over all for one unit."""
    per_layer = N_EXPERIMENTS // N_LAYERS
    places = [divmod(number, per_layer) for number in range(N_EXPERIMENTS)]
    experiments = [
        experiment(f"test-{layer}-{slot}", LayerRange(f"layer-{layer}", slot / per_layer, (slot + 1) / per_layer))
        for layer, slot in places
    ]
    few, many = engine_of(experiments[:N_FEW]), engine_of(experiments)
    one = [request(experiments[0].experiment_id, unit) for unit in UNITS]
    of_one_unit = [request(each, UNITS[0]) for each in many.running()]
    found = in_turns(
        {
            f"one of {N_FEW}": deciding(few, one),
            f"one of {N_EXPERIMENTS:,}": deciding(many, one),
            f"all {N_EXPERIMENTS:,} for one unit, each alone": deciding(many, of_one_unit),
            f"all {N_EXPERIMENTS:,} for one unit, one walk": walking(many, of_one_unit),
        },
        n_rounds,
    )
    (_, base), *_ = found.items()
    table = Table("deciding", "us for each experiment", f"ratio to one of {N_FEW}")
    for name, microseconds in found.items():
        table.add_row(name, f"{microseconds:.1f}", f"{microseconds / base:.2f}")
    console.print(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    n_rounds = parser.parse_args().rounds
    console = Console(width=120)
    beside_growthbook(console, n_rounds)
    among_many(console, n_rounds)


if __name__ == "__main__":
    main()
