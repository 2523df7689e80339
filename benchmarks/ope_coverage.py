"""Do the intervals of off-policy evaluation hold? Logs of known truth, through `analysis.ope.evaluate`.

    python benchmarks/ope_coverage.py --runs 1000 --look-runs 300 --out ope_coverage.json

Each cell is a kind of log: rare clicks, high rewards, amounts, weights up to 20 or 100, a policy that learns, contexts,
candidates. Its logs are evaluated once, and thirty times while they grow, for the value of a target and for how much
more than the logged policy it earns. Estimator, model, interval and verdict are what `evaluate` chooses. The rules:

- at one look, intervals hold in 94 % of the logs that are answered at least, within three standard errors of the
  simulation. The truth is that of all contexts, of which the log has those that came by chance;
- at thirty looks, the share of logs in which any interval that is said misses is 5 % at most, by the lower bound of its
  Wilson interval. The truth is that of the draws so far;
- an interval is at most 1.7 times as wide (at any look 2.1, and beyond 1.7 it is said), in the mean, as the normal one
  by who knows the true means of each context (1.96 times the standard error of the mean doubly robust score with these
  as the model, to each side), in logs with 100 rewarded draws that matched and weights up to 20. Where nothing can be
  unknown, it has no width;
- to refuse buys nothing: what is `said` is not less often than it `must` be, by more than luck and one look in a
  hundred. A log must be answered where the law of the verdict lets it, which is counted from its draws
  (benchmarks/covering_ope/requiring.py).

`forced` is what intervals hold that are given against the verdict as well. Beside the judged `width` stand that of the
`sure` ones of these logs, in which the draws of each kind (for and against, with a reward and without) weigh as much as
100 equal ones, that of `all` logs, and the `own` one: in widths of the normal interval with the true variance of the
estimate, as its errors have it.
Peers are asked for the value of some of the same logs. The exit status is 1 where a rule does not hold. At the default
sizes it takes about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from covering.running import LOOKS
from covering_ope import cells as kinds
from covering_ope import judging, showing
from covering_ope.drawing import ESTIMANDS
from covering_ope.judging import Beside, Judged
from covering_ope.running import Run, often, once
from covering_ope.worlds import Cell
from rich.progress import track

CHUNK = 10
"""So many runs are done at once by a process."""


@dataclass(frozen=True)
class Job:
    """Some runs of a cell: `kind` is "once" or "often"; peers are asked in runs before `n_peer_runs`."""

    kind: str
    name: str
    seed: int
    first: int
    last: int
    n_peer_runs: int


def main() -> None:
    asked = _arguments()
    begun = time.perf_counter()
    results = _done(_jobs(asked), asked.processes)
    looked_once, looked_often = (_judged(results[kind]) for kind in ("once", "often"))
    peers = _peers(results["once"])
    if looked_once:
        print(showing.cells("one look", looked_once), end="\n\n")
    if looked_often:
        print(showing.cells(f"{LOOKS} looks", looked_often), end="\n\n")
    if peers:
        print(showing.peers("peers, value at one look", peers), end="\n\n")
    print(f"seed {asked.seed}, {time.perf_counter() - begun:.0f} s in {asked.processes} processes")
    if asked.out:
        _write(asked.out, {"seed": asked.seed, "once": looked_once, "often": looked_often, "peers": peers})
    sys.exit(1 if any(each.why for each in (*looked_once, *looked_often)) else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the coverage of off-policy evaluation.")
    parser.add_argument("--runs", type=int, default=1_000, help="logs of each cell that are evaluated once")
    parser.add_argument("--look-runs", type=int, default=300, help="logs of each cell that are evaluated thirty times")
    parser.add_argument("--peer-runs", type=int, default=200, help="logs of each cell that peers are asked about")
    parser.add_argument("--cells", nargs="*", default=[], help="parts of the names of the cells, for fewer than all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--out", type=Path, help="a file for the same numbers as JSON")
    return parser.parse_args()


@cache
def cells() -> Mapping[str, Cell]:
    """Return the cells by name."""
    return {cell.name: cell for cell in kinds.cells()}


def _jobs(asked: argparse.Namespace) -> list[Job]:
    chosen = [name for name in cells() if not asked.cells or any(part in name for part in asked.cells)]
    return [
        Job(kind, name, asked.seed, first, min(first + CHUNK, n), asked.peer_runs)
        for kind, n in (("once", asked.runs), ("often", asked.look_runs))
        for name in chosen
        for first in range(0, n, CHUNK)
    ]


def _done(jobs: Sequence[Job], processes: int) -> Mapping[str, Mapping[str, list[Run]]]:
    """Return the runs by kind and cell."""
    # Each process has a core: threads of linear algebra would only get in each other's way.
    os.environ |= {f"{each}_NUM_THREADS": "1" for each in ("OMP", "OPENBLAS", "MKL")}
    found: dict[str, dict[str, list[Run]]] = defaultdict(dict)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        each = zip(jobs, pool.imap(work, jobs), strict=True)
        for job, runs in track(each, "simulating", total=len(jobs), transient=True):
            found[job.kind].setdefault(job.name, []).extend(runs)
    return found


def work(job: Job) -> list[Run]:
    """Return a job's runs, in order."""
    cell, numbers = cells()[job.name], range(job.first, job.last)
    if job.kind == "often":
        return [often(cell, job.seed, number) for number in numbers]
    return [once(cell, job.seed, number, with_peers=number < job.n_peer_runs) for number in numbers]


def _judged(results: Mapping[str, Sequence[Run]]) -> list[Judged]:
    return [
        judging.judged(name, estimand, [run.told[estimand] for run in runs])
        for name, runs in results.items()
        for estimand in ESTIMANDS
    ]


def _peers(results: Mapping[str, Sequence[Run]]) -> list[Beside]:
    found = []
    for name, runs in results.items():
        asked = [run for run in runs if run.peers]
        for peer in asked[0].peers if asked else ():
            ours = [run.told["value"] for run in asked]
            found.append(judging.beside(name, peer, [run.peers[peer] for run in asked], ours))
    return found


def _write(path: Path, results: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, default=asdict, indent=1) + "\n")


if __name__ == "__main__":
    main()
