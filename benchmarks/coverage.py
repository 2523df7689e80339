"""Do the report's intervals cover, whatever the log was made by? Simulated logs of known truth, through `report`.

    python benchmarks/coverage.py --runs 4000 --look-runs 1000 --out coverage.json

Each cell is a kind of log: a split, a metric, late outcomes, repeating units, a policy that learns. Its logs are read
once, as tests that have ended and were planned so, and thirty times while they grow, as is the plan by default. The
report chooses the estimator. The rules:

- read once, intervals cover in 94 % of logs at least, within three standard errors of the simulation;
- read thirty times, the share of logs in which an interval misses at any look is 5 % at most by the lower bound of its
  Wilson interval;
- refusing must not buy coverage: what is `said` is not less often than it `may` be, by more than luck. An interval may
  be given where its theory holds. A score interval needs no event, a variance two on each side, a normal limit by units
  or by weights 5 effective ones, a sequence in the limit 20: they are counted in each simulated log. Bets may tell
  something once the half width that is expected of them, by the true rates and propensities, is within the range;
- the ratio test alarms in no more whole logs than its level. Where 10 % of one variant's rows are lost, it finds four
  in five of what a test finds that knows what is lost (`may`): where a policy gives one variant alone, few rows tell.

`strict` counts not to say anything at the end as a miss as well. The naive interval is the normal one of a difference
of plain means, which knows nothing of the design: its mean width and its coverage stand beside. The exit status is 1
where a rule does not hold. At the default sizes it takes about an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from covering import bandits, fixed, losing, showing
from covering.judging import judged
from covering.losing import Alarms
from covering.running import LOOKS, Run, run
from covering.simulated import Cell
from rich.progress import track

from engine.experiments import Looking

CHUNK = 20
"""So many runs are done at once by a process."""


@dataclass(frozen=True)
class Job:
    """Some runs of a cell: `kind` is "once", "often" or "lost"."""

    kind: str
    name: str
    seed: int
    first: int
    last: int


def main() -> None:
    asked = _arguments()
    begun = time.perf_counter()
    results = _done(_jobs(asked), asked.processes)
    once, often = ([judged(name, runs) for name, runs in results[kind].items()] for kind in ("once", "often"))
    alarms = _alarms(results)
    if once:
        print(showing.cells("read once", once), end="\n\n")
    if often:
        print(showing.cells(f"read {LOOKS} times", often), end="\n\n")
    if alarms:
        print(showing.alarms(f"ratio test at {LOOKS} looks", alarms), end="\n\n")
    print(f"seed {asked.seed}, {time.perf_counter() - begun:.0f} s in {asked.processes} processes")
    if asked.out:
        _write(asked.out, {"seed": asked.seed, "once": once, "often": often, "ratio": alarms})
    failed = [each.name for each in (*once, *often) if each.why] + [each.name for each in alarms if each.why]
    sys.exit(1 if failed else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the coverage of the report's intervals.")
    parser.add_argument("--runs", type=int, default=4_000, help="logs of each cell that are read once")
    parser.add_argument("--look-runs", type=int, default=1_000, help="logs of each cell that are read thirty times")
    parser.add_argument("--lost-runs", type=int, default=100, help="logs of each kind that lose rows")
    parser.add_argument("--cells", nargs="*", default=[], help="parts of the names of the cells, for fewer than all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--out", type=Path, help="a file for the same numbers as JSON")
    return parser.parse_args()


@cache
def cells() -> Mapping[str, Cell]:
    """Return the cells by name: of tests first."""
    return {cell.name: cell for cell in (*fixed.cells(), *bandits.cells())}


@cache
def lossy() -> Mapping[str, Cell]:
    return {cell.name: cell for cell in losing.cells()}


def _jobs(asked: argparse.Namespace) -> list[Job]:
    chosen = [name for name in cells() if not asked.cells or any(part in name for part in asked.cells)]
    lost = [] if asked.cells and "lost" not in asked.cells else list(lossy())
    kinds = (("once", chosen, asked.runs), ("often", chosen, asked.look_runs), ("lost", lost, asked.lost_runs))
    return [
        Job(kind, name, asked.seed, first, min(first + CHUNK, n))
        for kind, names, n in kinds
        for name in names
        for first in range(0, n, CHUNK)
    ]


def _done(jobs: Sequence[Job], processes: int) -> Mapping[str, Mapping[str, list[Any]]]:
    """Return the runs by kind and cell."""
    found: dict[str, dict[str, list[Any]]] = defaultdict(dict)
    with multiprocessing.Pool(processes) as pool:
        each = zip(jobs, pool.imap(work, jobs), strict=True)
        for job, results in track(each, "simulating", total=len(jobs), transient=True):
            found[job.kind].setdefault(job.name, []).extend(results)
    return found


def work(job: Job) -> list[Any]:
    """Return the results of a job's runs, in order."""
    numbers = range(job.first, job.last)
    if job.kind == "lost":
        return [losing.search(lossy()[job.name], job.seed, number) for number in numbers]
    looking = Looking.ONCE if job.kind == "once" else Looking.ANY
    return [run(cells()[job.name], looking, job.seed, number) for number in numbers]


def _alarms(results: Mapping[str, Mapping[str, list[Any]]]) -> list[Alarms]:
    """Return the ratio test's rows: whole logs of all cells together, by how they were drawn, and logs with losses."""
    often: Mapping[str, list[Run]] = results["often"]
    learns: Callable[[str], bool] = lambda name: cells()[name].experiment.policy.learns  # noqa: E731 it is used twice
    found = []
    for kind, wanted in (("whole logs of tests", False), ("whole logs of policies that learn", True)):
        if runs := [each for name, several in often.items() if learns(name) == wanted for each in several]:
            found.append(losing.false_alarms(kind, runs))
    for name, searches in results["lost"].items():
        found.append(losing.found(f"{name}, {losing.LOST:.0%} of a variant lost", searches))
    return found


def _write(path: Path, results: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, default=asdict, indent=1) + "\n")


if __name__ == "__main__":
    main()
