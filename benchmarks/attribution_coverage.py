"""Does the incremental effect hold what is true, and which rule misleads by how much? A world of which all is known.

    python benchmarks/attribution_coverage.py --runs 1000 --out attribution_coverage.json

In each run customers come by in the world `channels` (simulators/worlds/channels.py), through the engine, with the
experiments of simulators/recipes/channels. Some of them would buy anyway; they meet the most touches, and most of all
those of a channel that causes next to nothing. The log is asked by the public functions what each channel, experiment
and variant caused in all, and what each rule credits the channels with. The truth is arithmetic from the world's rates
(of the policy that learns, with its logged distributions), over all customers that could have come by. The rules:

- intervals hold in 94 % of the runs at least, within three standard errors of the simulation;
- to refuse buys nothing: each effect is told in 95 % of the runs.

`own` is the mean width in those of the normal interval with the standard deviation that the estimates have from run to
run. A rule's credit is shown in what is true, and `nobody` is what it leaves without a touch in the true demand;
`misplaced` is the share of all purchases, or of their value, that would have to change hands, and `among` that of the
channels' own credit, as if nothing came anyway. The exit status is 1
where a rule does not hold. At the default sizes it takes about twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from covering_attribution import judging, showing
from covering_attribution.running import MEASURES, Run, run
from rich.progress import track

CHUNK = 5
"""So many runs are done at once by a process."""


@dataclass(frozen=True)
class Job:
    """Some runs."""

    seed: int
    n_customers: int
    first: int
    last: int


def main() -> None:
    asked = _arguments()
    begun = time.perf_counter()
    runs = _done(_jobs(asked), asked.processes)
    effects, rules = judging.judged(runs), judging.misled(runs)
    print(showing.effects(effects), end="\n\n")
    print(showing.rules(rules), end="\n\n")
    print("\n".join(judging.verdict(rules, measure) for measure in MEASURES))
    print(f"seed {asked.seed}, {time.perf_counter() - begun:.0f} s in {asked.processes} processes")
    if asked.out:
        _write(asked.out, {"seed": asked.seed, "customers": asked.customers, "effects": effects, "rules": rules})
    sys.exit(1 if any(each.why for each in effects) else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the coverage of incremental effects, and how rules mislead.")
    parser.add_argument("--runs", type=int, default=1_000, help="simulated logs")
    parser.add_argument("--customers", type=int, default=2_000, help="customers in each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--out", type=Path, help="a file for the same numbers as JSON")
    return parser.parse_args()


def _jobs(asked: argparse.Namespace) -> list[Job]:
    return [
        Job(asked.seed, asked.customers, first, min(first + CHUNK, asked.runs)) for first in range(0, asked.runs, CHUNK)
    ]


def _done(jobs: Sequence[Job], processes: int) -> list[Run]:
    """Return the runs in order."""
    # Each process has a core: threads of linear algebra would only get in each other's way.
    os.environ |= {f"{each}_NUM_THREADS": "1" for each in ("OMP", "OPENBLAS", "MKL")}
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        each = track(pool.imap(work, jobs), "simulating", total=len(jobs), transient=True)
        return [one for chunk in each for one in chunk]


def work(job: Job) -> list[Run]:
    """Return a job's runs, in order."""
    return [run(job.n_customers, job.seed, number) for number in range(job.first, job.last)]


def _write(path: Path, results: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, default=asdict, indent=1) + "\n")


if __name__ == "__main__":
    main()
