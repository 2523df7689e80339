"""Attribution beside a peer's Markov: time by rule, the same numbers, and the memory of journeys from a log.

    python benchmarks/attribution.py [--journeys 200000] [--touches 500000 1000000] [--repeat 5]

- Rules: journeys of 8 channels with about three touches each, as arrays. Each rule is timed from journeys to its credit
  of count and value, and once more with its influence, from which its intervals are. The peer is the Markov of
  marketing_attribution_models, of its version 2 (`mam`) and 1 where they can be imported, on the same journeys: alone,
  after it has read the paths. Its removal effects must be ours to 1e-9. Best of some repeats.
- Logs: SQLite logs of some sizes are read into journeys with all usual rules, each in a process of its own, and beside
  it another one reads the same columns and does nothing else. `--touches 1000000 5000000` takes some minutes more, most
  of which write the log.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
from attributing.logs import OUTCOME, grow

from analysis.arrays import Floats
from analysis.attribution.credits import Credit, credit
from analysis.attribution.journeys import By, Journeys
from analysis.attribution.rules import by_name
from analysis.attribution.rules.base import Rule
from analysis.attribution.stores.reading import ROWS, read
from engine.storage import open_reader

CHANNELS = tuple(f"c{place}" for place in range(8))
SEED = 20_260_307
COLUMNS = {
    "assignments": ("seq", "experiment_id", "assigned_at", "revision", "reason", "variant", "unit_key"),
    "exposures": ("assignment_seq", "exposed_at"),
    "outcomes": ("seq", "metric", "value", "occurred_at", "void_of", "assignment_seq", "unit_key"),
}
"""What journeys are made of, by table."""

WANTED, LIMIT_S = 20, 0.3
"""So many times as fast as the peer each rule is to be, or below so many seconds where there is none."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--journeys", type=int, default=200_000)
    parser.add_argument("--touches", type=int, nargs="*", default=[500_000, 1_000_000])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "STORE"), help="what one process does with a log")
    asked = parser.parse_args()
    if asked.one:
        what, store = asked.one
        print(json.dumps(_alone(LOGS[what], Path(store))))
        return
    _rules(made(asked.journeys), asked.repeat)
    _logs(asked.touches)


def made(n: int) -> Journeys:
    """Return journeys of which one in twenty converts."""
    chance = np.random.default_rng(SEED)
    length = np.minimum(chance.geometric(1 / 3, n), 12)
    m = int(length.sum())
    won = (chance.random(n) < 0.05).astype(np.float64)
    return Journeys(
        CHANNELS,
        np.concatenate([[0], np.cumsum(length)]),
        chance.choice(len(CHANNELS), m, p=chance.dirichlet(np.full(len(CHANNELS), 4.0))),
        won,
        won * chance.exponential(50.0, n).round(2),
        np.arange(n),
        chance.exponential(3 * 86_400.0, m),
    )


def _rules(journeys: Journeys, repeat: int) -> None:
    print(f"{len(journeys):,} journeys with {len(journeys.touchpoint):,} touches of {len(CHANNELS)} channels")
    peers = dict(_peers(journeys, repeat))
    print(f"{'rule':22}{'seconds':>9}{'with influence':>16}" + "".join(f"{name:>16}" for name in peers))
    for name in by_name.RULES:
        rule = by_name.rule(name)
        alone = _best(lambda rule=rule: _credited(rule, journeys), repeat)
        whole = _best(lambda rule=rule: Credit.of(rule, rule.sums(journeys), len(CHANNELS)), repeat)
        times = "".join(f"{f'{seconds / alone:.0f} times':>16}" for seconds in peers.values())
        print(f"{name:22}{alone:9.3f}{whole:16.3f}{times}")
    wanted = f"{WANTED} times as fast as the peer's Markov" if peers else f"below {LIMIT_S} s, as no peer is there"
    print(f"  wanted of each rule: {wanted}")


def _credited(rule: Rule, journeys: Journeys) -> Floats:
    sums = rule.sums(journeys)
    return rule.credit(sums.keys, sums.totals, len(CHANNELS))


def _peers(journeys: Journeys, repeat: int) -> Iterator[tuple[str, float]]:
    """Yield the time of the Markov of each version of the peer that is there, whose numbers are ours."""
    ours = credit(journeys, ["markov_1"]).of("markov_1").amounts[:, 0]
    for name, make in (("MAM 2's Markov", _mam_2), ("MAM 1's Markov", _mam_1)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                run = make(journeys)
            except ImportError as missing:
                print(f"{name} is not there: {missing}")
                continue
            effects = run()
            share = np.array([effects[channel] for channel in CHANNELS])
            assert np.abs(share / share.sum() - ours / ours.sum()).max() < 1e-9, name
            yield name, _best(run, min(repeat, 3))


Peer = Callable[[], Mapping[str, float]]
"""Runs a peer's Markov once and returns its removal effect by channel."""


def _mam_2(journeys: Journeys) -> Peer:
    import polars as pl
    from mam import MAM

    lengths = journeys.lengths.tolist()
    columns = {
        "journey_id": np.arange(len(journeys)),
        "time_till_end": [" > ".join(["0"] * length) for length in lengths],
    }
    table = pl.DataFrame({**columns, **_paths(journeys)})
    peer = MAM(
        table,
        "journey",
        channels_colname="path",
        journey_with_conv_colname="converted",
        conversion_value_colname="value",
    )

    def run() -> Mapping[str, float]:
        found = peer.run_markov(transition_to_same_state=True).metadata["removal_effect"]
        return dict(found["removal_effect"])

    return run


def _mam_1(journeys: Journeys) -> Peer:
    import matplotlib.pyplot as plt
    import pandas as pd

    # It asks for a style that matplotlib has no more.
    plt.style.use = lambda _: None  # type: ignore[assignment]
    from marketing_attribution_models import MAM

    peer = MAM(
        pd.DataFrame(_paths(journeys)),
        channels_colname="path",
        journey_with_conv_colname="converted",
        conversion_value="value",
    )

    def run() -> Mapping[str, float]:
        # It adds a column to what it found before, and does so once.
        peer.group_by_channels_models = None
        *_, found = peer.attribution_markov(transition_to_same_state=True, conversion_value_as_frequency=False)
        return dict(found["removal_effect"])

    return run


def _paths(journeys: Journeys) -> dict[str, object]:
    names = np.array(journeys.touchpoints)[journeys.touchpoint].tolist()
    starts = journeys.starts.tolist()
    return {
        "path": [" > ".join(names[start:end]) for start, end in pairwise(starts)],
        "converted": journeys.conversions > 0,
        "value": journeys.value,
    }


def _best(call: Callable[[], object], repeat: int) -> float:
    times = []
    for _ in range(repeat):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return min(times)


def _logs(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, n = Path(folder) / "store", 0
        for size in sorted(sizes):
            grow(store, size, n)
            n = size
            found = {what: _in_a_process(what, store) for what in LOGS}
            ours, floor = found["journeys"], found["columns"]
            print(
                f"{size:>10,} touches from the log: {ours['mb']:,.0f} MB at most, {ours['seconds']:.1f} s of CPU,"
                f" {ours['seconds'] / floor['seconds']:.1f} times reading the columns ({floor['mb']:,.0f} MB)"
            )


def _in_a_process(what: str, store: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", what, str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def _alone(work: Callable[[Path], None], store: Path) -> dict[str, float]:
    begun = time.process_time()
    work(store)
    seconds = time.process_time() - begun
    return {"seconds": seconds, "mb": _peak_mb()}


def _peak_mb() -> float:
    """Return the most memory that this process had on Linux, where `getrusage` begins with what its parent had."""
    (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(peak.split()[1]) / 1024


def _credit(store: Path) -> None:
    with read(store, OUTCOME) as touched:
        credit(touched.journeys(By.CHANNEL))


def _look(store: Path) -> None:
    with closing(open_reader(store)) as reader:
        last = reader.last_seq()
        for after in range(0, last, ROWS):
            for table, names in COLUMNS.items():
                reader.columns(table, names, after=after, until=after + ROWS)


LOGS: Mapping[str, Callable[[Path], None]] = {"journeys": _credit, "columns": _look}


if __name__ == "__main__":
    main()
