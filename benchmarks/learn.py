"""How fast policies learn, through Assigner, log and learner, beside raw Vowpal Wabbit and MABWiser.

    python benchmarks/learn.py [--seeds 20] [--rounds 5000] [--long-rounds 100000] [--out out/learn]

Every policy and peer meets the same customers with the same luck, and learns at the same simulated times, in the same
blocks, of rewards at the same age. A seed is another world of its kind, or in the storefront other customers. Regret is
exact: it comes of the world's own chances. A ratio is one of mean regrets; its error comes of the seeds' pairs.

`raw VW` has the arguments of `contextual`, the same floor, and is told the same propensities; `raw VW, weighted` is
told the true ones. MABWiser's policies have their defaults, once as they are and once with the same floor, which is the
price of a log that can say what another policy would have earned. Thompson sampling has a floor of one in a million on
our side, because MABWiser's has none; what the default floor costs stands beside.
"""

from __future__ import annotations

import argparse
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from learning.peers import MabWiser, PeerDoor, RawVw, dense
from rich.console import Console
from rich.progress import track
from rich.table import Table

from engine.definition import define
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.policies.explorers import vw_arguments
from engine.policies.features import BITS
from engine.specs import ContextualSpec, LearningSpec, LinearSpec, ThompsonSpec
from simulators.doors import Door, EngineDoor
from simulators.environment import World
from simulators.play import SETTLE_EVERY, Player
from simulators.rehearsal import SPAN, START
from simulators.scoring import Tally
from simulators.worlds import Bernoulli, Delayed, Indifferent, Linear, Logistic, Sparse, Storefront

BLOCK = 200
NAMES = tuple("abcde")
TINY = 1e-6
CONTEXTUAL = ContextualSpec(publish_every=BLOCK)
LINEAR = LinearSpec(publish_every=BLOCK)
THOMPSON = ThompsonSpec(publish_every=BLOCK)
WINDOW = timedelta(hours=1)


@dataclass(frozen=True)
class Setting:
    """A kind of world: a seed is a draw of it, which shows these fields."""

    world: Callable[[int], World]
    fields: tuple[ContextField, ...] = ()
    window: timedelta = WINDOW

    def experiment(self, policy: LearningSpec) -> Experiment:
        """Return an experiment of five variants on a click."""
        metrics, variants = (Metric("click", window=self.window),), tuple(map(Variant, NAMES))
        return define(Experiment("learn", variants, metrics, context=self.fields, policy=policy))


NUMBERS = tuple(ContextField(f"x{place}", FieldType.NUMBER) for place in range(1, 6))
SHOP = (ContextField("device", FieldType.TEXT), ContextField("visits", FieldType.NUMBER))
SHOP += (ContextField("plan", FieldType.TEXT),)

SETTINGS: Mapping[str, Setting] = {
    "linear": Setting(Linear, NUMBERS),
    "logistic": Setting(Logistic, NUMBERS),
    "sparse": Setting(Sparse, NUMBERS),
    "delayed": Setting(Delayed, NUMBERS, timedelta(days=2)),
    "indifferent": Setting(lambda draw: Indifferent(draw=draw), NUMBERS),
    "storefront": Setting(lambda _: Storefront(), SHOP),
    "bernoulli": Setting(lambda draw: Bernoulli(draw=draw)),
}


def play(
    setting: Setting, door_to: Callable[[Experiment, World], Door], policy: LearningSpec, n: int, seed: int
) -> Tally:
    """Return the tally of n visits that met what is behind a door."""
    experiment, world = setting.experiment(policy), setting.world(seed + 1)
    rng = np.random.default_rng(seed)
    visits = world.visits(n, START, SPAN, rng)
    player = Player(world, [experiment], door_to(experiment), rng, SETTLE_EVERY)
    player.play(visits)
    return player.tallies[experiment.experiment_id]


def ours(setting: Setting, policy: LearningSpec, n: int, seed: int) -> Tally:
    """Let armlift meet the visits."""
    return play(setting, lambda experiment: EngineDoor([experiment], START, seed), policy, n, seed)


def raw_vw(setting: Setting, policy: ContextualSpec, n: int, seed: int, *, weighted: bool) -> Tally:
    """Let raw Vowpal Wabbit meet them, with the arguments of the policy."""
    arguments = vw_arguments(policy, BITS)
    peer = RawVw(NAMES, arguments, policy.floor, weighted, seed)
    return play(setting, lambda experiment: PeerDoor(experiment, peer, BLOCK), policy, n, seed)


def mabwiser(setting: Setting, name: str, n: int, seed: int, floor: float = 0.0) -> Tally:
    """Let a policy of MABWiser meet them."""
    from mabwiser.mab import LearningPolicy

    world, experiment = setting.world(seed + 1), setting.experiment(CONTEXTUAL)
    seen = world.visits(2000, START, SPAN, np.random.default_rng(seed))
    encode = dense([world.context(experiment, visit) for visit in seen]) if setting.fields else None
    peer = MabWiser(NAMES, getattr(LearningPolicy, name)(), encode, floor, seed)
    return play(setting, lambda defined: PeerDoor(defined, peer, BLOCK), CONTEXTUAL, n, seed)


WAYS: Mapping[str, Callable[..., Any]] = {
    "contextual": partial(ours, policy=CONTEXTUAL),
    "raw VW": partial(raw_vw, policy=CONTEXTUAL, weighted=False),
    "raw VW, weighted": partial(raw_vw, policy=CONTEXTUAL, weighted=True),
    "linear": partial(ours, policy=LINEAR),
    "LinUCB": partial(mabwiser, name="LinUCB"),
    "LinUCB, floor": partial(mabwiser, name="LinUCB", floor=CONTEXTUAL.floor),
    "LinTS": partial(mabwiser, name="LinTS"),
    "LinTS, floor": partial(mabwiser, name="LinTS", floor=CONTEXTUAL.floor),
}
RATIOS = (
    ("contextual", "raw VW", 1.02),
    ("contextual", "raw VW, weighted", None),
    ("linear", "LinUCB, floor", 1.0),
    ("linear", "LinTS, floor", 1.0),
    ("linear", "LinUCB", None),
    ("linear", "LinTS", None),
)
PLAIN_WAYS: Mapping[str, Callable[..., Any]] = {
    "thompson": partial(ours, policy=replace(THOMPSON, floor=TINY)),
    "thompson, floor 0.02": partial(ours, policy=THOMPSON),
    "MABWiser's": partial(mabwiser, name="ThompsonSampling"),
}
PLAIN_RATIOS = (("thompson", "MABWiser's", 1.05), ("thompson, floor 0.02", "MABWiser's", None))
SHARES = np.linspace(0.01, 1.0, 100)


@dataclass(frozen=True)
class Task:
    """One way in one world under one seed."""

    setting: str
    way: str
    n: int
    seed: int

    def curve(self) -> list[float]:
        """Return the regret after each hundredth of the visits."""
        warnings.filterwarnings("ignore", module="mabwiser")
        ways = PLAIN_WAYS if self.setting == "bernoulli" else WAYS
        tally = ways[self.way](SETTINGS[self.setting], n=self.n, seed=self.seed)
        regret = tally.regret_curve()
        return [float(regret[round(len(regret) * share) - 1]) for share in SHARES]

    def lai_robbins(self) -> list[float]:
        """Return the bound of Lai and Robbins (1985) for the world's rates: ln n times the sum of gap / KL."""
        experiment, world = SETTINGS[self.setting].experiment(THOMPSON), SETTINGS[self.setting].world(self.seed + 1)
        (visit,) = world.visits(1, START, SPAN, np.random.default_rng(0))
        rates = sorted(world.expected_rewards(experiment, visit).values())
        weight = sum((rates[-1] - rate) / _divergence(rate, rates[-1]) for rate in rates[:-1])
        return [weight * math.log(self.n * share) for share in SHARES]


def _divergence(p: float, q: float) -> float:
    """Return the Kullback-Leibler divergence of two rates."""
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


Curves = Mapping[str, np.ndarray]
"""Regret (seeds, 100) by way."""


def measure(setting: str, ways: Sequence[str], n: int, n_seeds: int, pool: ProcessPoolExecutor) -> Curves:
    """Return the curves of a world."""
    tasks = [Task(setting, way, n, seed) for way in ways for seed in range(n_seeds)]
    found = list(track(pool.map(Task.curve, tasks), setting, len(tasks), transient=True))
    return {way: np.array(found[place * n_seeds : (place + 1) * n_seeds]) for place, way in enumerate(ways)}


def ratio(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Return the ratio of the means of paired values (n,), with its standard error."""
    value = ours.mean() / theirs.mean()
    error = (ours - value * theirs).std(ddof=1) / theirs.mean() / math.sqrt(len(ours))
    return float(value), float(error)


def show(console: Console, curves: Mapping[str, Curves], ratios: Sequence[tuple[str, str, float | None]]) -> None:
    """Print the regrets at the end, and the ratios beside their targets."""
    ways = list(next(iter(curves.values())))
    regrets = Table("regret", *ways, box=None)
    for setting, by_way in curves.items():
        ends = [by_way[way][:, -1] for way in ways]
        regrets.add_row(setting, *(f"{end.mean():,.0f} ± {end.std(ddof=1) / len(end) ** 0.5:,.0f}" for end in ends))
    console.print(regrets)
    compared = Table("ratio", *(f"{mine} / {theirs}" for mine, theirs, _ in ratios), box=None)
    for setting, by_way in curves.items():
        pairs = [ratio(by_way[mine][:, -1], by_way[theirs][:, -1]) for mine, theirs, _ in ratios]
        compared.add_row(setting, *(f"{value:.2f} ± {error:.2f}" for value, error in pairs))
    compared.add_row("at most", *(f"{target:.2f}" if target else "" for *_, target in ratios))
    console.print(compared)


def plot(curves: Curves, bound: np.ndarray, n: int, file: Path) -> None:
    """Draw the regret of the long rounds beside the bound."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    rounds = SHARES * n
    for name, curve in curves.items():
        axes.plot(rounds, curve.mean(axis=0), label=name)
    axes.plot(rounds, bound.mean(axis=0), "k--", label="Lai and Robbins' bound, in the limit")
    axes.set(xscale="log", xlabel="rounds", ylabel="regret", title="Thompson sampling in Bernoulli worlds")
    axes.legend(frameon=False)
    figure.savefig(file, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5_000)
    parser.add_argument("--long-rounds", type=int, default=100_000)
    parser.add_argument("--worlds", default=",".join(SETTINGS), help="which of them, with commas between")
    parser.add_argument("--out", type=Path, default=Path("out/learn"))
    asked = parser.parse_args()
    console, worlds = Console(width=160), asked.worlds.split(",")
    asked.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        contextual = {
            name: measure(name, list(WAYS), asked.rounds, asked.seeds, pool) for name in worlds if name != "bernoulli"
        }
        if contextual:
            console.print(f"{asked.seeds} seeds, {asked.rounds:,} rounds, blocks of {BLOCK}")
            show(console, contextual, RATIOS)
        if "bernoulli" in worlds:
            plain = measure("bernoulli", list(PLAIN_WAYS), asked.long_rounds, asked.seeds, pool)
            bound = np.array(
                [Task("bernoulli", "", asked.long_rounds, seed).lai_robbins() for seed in range(asked.seeds)]
            )
            console.print(f"{asked.seeds} seeds, {asked.long_rounds:,} rounds; the bound is {bound[:, -1].mean():,.0f}")
            show(console, {"bernoulli": plain}, PLAIN_RATIOS)
            plot(plain, bound, asked.long_rounds, asked.out / "thompson.png")


if __name__ == "__main__":
    main()
