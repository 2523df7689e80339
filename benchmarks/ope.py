"""Off-policy evaluation beside obp's formulas in numpy: time, memory, and the same numbers.

    python benchmarks/ope.py [--rows 1000000] [--repeat 5]

obp 0.5.7 does not install on Python 3.11, so its formulas stand here as it computes them, over dense tables (n, k, l)
of all slots. Each kind of table has a process of its own:

- `points`: IPS, SNIPS and DR alone, ours against the formulas, 10 variants, without checks on either side; medians of
  some repeats. The values must agree to 1e-12.
- `evaluate`: the whole of `analysis.ope.evaluate` on the same tables, which is nine estimators, intervals at one look
  and at any, diagnostics, the verdict and the panel; beside the five estimators of obp's formulas.
- `slots`: 80 variants in three slots, of which a row has one. The peak of memory is of the whole process, less what it
  had before. The formulas need (n, 80, 3) for each of three tables; ours a block at a time.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from analysis import ope
from analysis.adaptive.drawn import Context
from analysis.arrays import Floats
from analysis.ope.doors.open_bandit import AtPositions
from analysis.ope.estimators.dr import Dr
from analysis.ope.estimators.ips import Ips
from analysis.ope.estimators.snips import Snips
from analysis.ope.logged import Collection, Logged
from analysis.ope.models.given import predicted
from analysis.ope.points import point
from analysis.ope.targets.given import given

K, SLOTS, MANY = 10, 3, 80
SEED = 20_260_301


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--one", choices=sorted(PARTS), help="what one process does")
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(PARTS[asked.one](asked.rows, asked.repeat)))
        return
    found = {name: _alone(name, asked) for name in PARTS}
    _show(found, asked.rows)


def _alone(name: str, asked: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--rows", str(asked.rows), "--repeat", str(asked.repeat), "--one", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def tables(n: int, k: int) -> tuple[Logged, Floats, Floats]:
    """Return a log of a policy that reads a context, a target and predictions, (n, k) each."""
    chance = np.random.default_rng(SEED)
    x = chance.normal(size=(n, 5))
    p = _softmax(x @ chance.normal(size=(5, k)))
    p = 0.2 / k + 0.8 * p
    variant = (p.cumsum(axis=1) > chance.random((n, 1))).argmax(axis=1)
    rate = 1 / (1 + np.exp(2 - x @ chance.normal(size=(5, k)) / 2))
    drawn = np.arange(n), variant
    reward = (chance.random(n) < rate[drawn]).astype(np.float64)
    collection = Collection(is_adaptive=False, value_range=(0.0, 1.0), least=0.2 / k, is_share=True)
    names = tuple(f"v{place}" for place in range(k))
    context = Context(x, np.zeros((n, 0), np.int64))
    log = Logged.of(names, variant, reward, p[drawn], probabilities=p, collection=collection, context=context)
    return log, _softmax(x @ chance.normal(size=(5, k))), 0.5 * rate + 0.1


def _softmax(scores: Floats) -> Floats:
    size = np.exp(scores)
    return np.asarray(size / size.sum(axis=1, keepdims=True))


def obp_ips(log: Logged, pi: Floats, position: Floats) -> float:
    """`InverseProbabilityWeighting`: mean of reward * action_dist[i, action, position] / pscore."""
    weight = pi[np.arange(len(log)), log.variant, position] / log.propensity
    return float((log.reward * weight).mean())


def obp_snips(log: Logged, pi: Floats, position: Floats) -> float:
    """`SelfNormalizedInverseProbabilityWeighting`."""
    weight = pi[np.arange(len(log)), log.variant, position] / log.propensity
    return float((log.reward * weight / weight.mean()).mean())


def obp_dm(log: Logged, pi: Floats, q: Floats, position: Floats) -> float:
    """`DirectMethod`."""
    rows = np.arange(len(log))
    return float(np.average(q[rows, :, position], weights=pi[rows, :, position], axis=1).mean())


def obp_dr(log: Logged, pi: Floats, q: Floats, position: Floats, most: float = np.inf) -> float:
    """`DoublyRobust`; with a largest weight, `SwitchDoublyRobust`."""
    rows = np.arange(len(log))
    weight = pi[rows, log.variant, position] / log.propensity
    weight = np.where(weight <= most, weight, 0.0)
    expected = np.average(q[rows, :, position], weights=pi[rows, :, position], axis=1)
    return float((weight * (log.reward - q[rows, log.variant, position]) + expected).mean())


def _median_s(call: Callable[[], float], repeat: int) -> float:
    times = []
    for _ in range(repeat):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return float(np.median(times))


def points(n: int, repeat: int) -> dict[str, float]:
    log, pi, q = tables(n, K)
    dense, guessed, position = pi[:, :, None], q[:, :, None], np.zeros(n, np.int64)
    pairs: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
        "IPS": (lambda: point(Ips(), log, pi), lambda: obp_ips(log, dense, position)),
        "SNIPS": (lambda: point(Snips(), log, pi), lambda: obp_snips(log, dense, position)),
        "DR": (lambda: point(Dr(), log, pi, q), lambda: obp_dr(log, dense, guessed, position)),
    }
    found = {}
    for name, (ours, theirs) in pairs.items():
        assert abs(ours() - theirs()) < 1e-12, name
        found[name] = _median_s(ours, repeat) / _median_s(theirs, repeat)
    return found


def evaluated(n: int, repeat: int) -> dict[str, float]:
    log, pi, q = tables(n, K)
    dense, guessed, position = pi[:, :, None], q[:, :, None], np.zeros(n, np.int64)

    def five() -> float:
        obp_ips(log, dense, position)
        obp_snips(log, dense, position)
        obp_dm(log, dense, guessed, position)
        obp_dr(log, dense, guessed, position)
        return obp_dr(log, dense, guessed, position, most=10.0)

    target, model = given(pi, log), predicted(q, log)
    ours = _median_s(lambda: ope.evaluate(log, target, model=model).value.value or 0.0, repeat)
    fitted = _median_s(lambda: ope.evaluate(log, target).value.value or 0.0, 1)
    theirs = _median_s(five, repeat)
    return {"seconds": ours, "fitted_seconds": fitted, "five_seconds": theirs}


def slots(n: int, repeat: int) -> dict[str, float]:  # noqa: ARG001 (once: the peak is of the whole process)
    """One evaluation of 80 variants in three slots, in a process that has nothing else."""
    chance = np.random.default_rng(SEED)
    position = chance.integers(0, SLOTS, n)
    prior = chance.dirichlet(np.ones(MANY), SLOTS).T
    variant = chance.integers(0, MANY, n)
    reward = (chance.random(n) < 0.02 + 0.1 * prior[variant, position]).astype(np.float64)
    even = np.full((1, MANY), 1 / MANY)
    collection = Collection(is_adaptive=False, value_range=(0.0, 1.0), least=1 / MANY, is_share=True)
    names = tuple(f"item {place}" for place in range(MANY))
    before = _peak_mb()
    log = Logged.of(names, variant, reward, np.full(n, 1 / MANY), collection=collection)
    log = replace(log, pattern=np.zeros(n, np.int64), patterns=even, slot=position)
    begun = time.perf_counter()
    ope.evaluate(log, AtPositions(prior, "prior"))
    return {
        "seconds": time.perf_counter() - begun,
        "mb": _peak_mb() - before,
        "dense_mb": 3 * n * MANY * SLOTS * 8 / 2**20,
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


PARTS = {"points": points, "evaluate": evaluated, "slots": slots}


def _show(found: dict[str, dict[str, float]], n: int) -> None:
    print(f"{n:,} rows, {K} variants; values agree to 1e-12")
    for name, ratio in found["points"].items():
        print(f"  {name:6} {ratio:.2f} of the time of obp's formula")
    whole, many = found["evaluate"], found["slots"]
    print(f"evaluate: nine estimators, intervals, sequences, diagnostics: {whole['seconds']:.2f} s here,")
    print(
        f"  {whole['seconds'] / whole['five_seconds']:.1f} times the five formulas alone; with the model fitted as well"
    )
    print(f"  {whole['fitted_seconds'] / whole['seconds']:.1f} times that")
    print(f"{MANY} variants in {SLOTS} slots: {many['mb']:,.0f} MB at most, and {many['seconds']:.2f} s here;")
    print(f"  three dense tables as obp has them take {many['dense_mb']:,.0f} MB")


if __name__ == "__main__":
    main()
