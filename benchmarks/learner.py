"""How many matured assignments a second the learner takes in: beside what no learner on this log can do without.

    python benchmarks/learner.py [--rows 300000] [--rounds 3] [--directory DIR]

The log: one contextual experiment of five variants in a SQLite store, 20,000 assignments a second of its own time,
each with four fields of context, and an outcome for every tenth. The learner reads it from its first row to its last,
as its process does: record, ledger, lesson, snapshots every ten seconds of the log. The floor is SQLite handing over
the same records, and VW learning the same examples, made before. Everybody takes turns, round by round. Printed are
the medians over the rounds in time of the processor, and their ratio, which is what means something on another machine.
"""

from __future__ import annotations

import argparse
import gc
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import vowpal_wabbit_next as vw
from rich.console import Console
from rich.table import Table

from engine import lifecycle
from engine.definition import define
from engine.experiments import ContextField, Experiment, FieldType, Status, Variant
from engine.learning import LearnerPool
from engine.lifecycle import Author
from engine.metrics import Metric
from engine.policies import learned_policy
from engine.policies.features import ContextEncoder, variant_features
from engine.randomness import ONE
from engine.records import Assignment, DrawKey, Entry, Inclusion, Outcome, Reason, Unit
from engine.specs import ContextualSpec
from engine.storage import open_reader, open_snapshots, open_store

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
BETWEEN = timedelta(microseconds=50)
WINDOW = timedelta(milliseconds=500)
NAMES = ("a", "b", "c", "d", "e")
WEIGHTS = (*[ONE // 5] * 4, ONE - 4 * (ONE // 5))
N_DISTINCT = 1000
N_APPENDED = 10_000
CLICKS = 0.1
FIELDS = {
    "device": FieldType.TEXT,
    "country": FieldType.TEXT,
    "visits": FieldType.NUMBER,
    "member": FieldType.FLAG,
}
HERO = define(
    Experiment(
        "hero",
        tuple(map(Variant, NAMES)),
        (Metric("click", window=WINDOW),),
        context=tuple(ContextField(name, kind) for name, kind in FIELDS.items()),
        policy=ContextualSpec(),
    )
)


def contexts(rng: np.random.Generator) -> list[dict[str, float | str | bool]]:
    """Return the contexts that the rows are made of."""
    return [
        {
            "device": ("phone", "desk", "tablet")[rng.integers(3)],
            "country": f"country {rng.integers(20)}",
            "visits": float(rng.integers(50)),
            "member": bool(rng.integers(2)),
        }
        for _ in range(N_DISTINCT)
    ]


def entries(n_rows: int) -> Iterator[Entry]:
    """Yield the log's entries."""
    rng = np.random.default_rng(3)
    known = contexts(rng)
    drawn, which, clicks = (rng.integers(5, size=n_rows), rng.integers(N_DISTINCT, size=n_rows), rng.random(n_rows))
    for index in range(n_rows):
        row = assigned(index, NAMES[drawn[index]], known[which[index]])
        yield row
        if clicks[index] < CLICKS:
            at = row.assigned_at
            yield Outcome(f"click-{index}", "click", 1.0, at, at, assignment_id=row.assignment_id)


def assigned(index: int, variant: str, context: dict[str, float | str | bool]) -> Assignment:
    at = START + index * BETWEEN
    return Assignment(
        "hero",
        variant,
        Reason.DRAWN,
        Unit("customer", f"customer-{index}"),
        at,
        at,
        assignment_id=f"{index:032x}",
        request_id=f"request-{index}",
        request_digest=bytes(16),
        revision=1,
        epoch=1,
        snapshot="ab" * 32,
        draw_key=DrawKey.ASSIGNMENT,
        is_draw=True,
        inclusion=(Inclusion("traffic", ONE),),
        eligible=NAMES,
        distribution=WEIGHTS,
        context=context,
    )


def write_log(directory: Path, n_rows: int, experiment: Experiment = HERO) -> None:
    """Make the store."""
    author = Author("benchmark", "to be learned from", START)
    draft, created = lifecycle.create(experiment, author)
    running, started = lifecycle.transition(draft, Status.RUNNING, "", author)
    with closing(open_store(directory)) as store:
        store.save(draft, created, "")
        store.save(running, started, draft.etag)
        batch: list[Entry] = []
        for entry in entries(n_rows):
            batch.append(entry)
            if len(batch) == N_APPENDED:
                store.append(batch)
                batch = []
        store.append(batch)


def learn(directory: Path) -> None:
    """Learn the whole log as a new learner does."""
    with (
        tempfile.TemporaryDirectory() as own,
        closing(open_reader(directory)) as reader,
        closing(open_snapshots(own, write=True)) as snapshots,
    ):
        assert LearnerPool(reader, snapshots).step()


def hand_over(directory: Path) -> None:
    """Read the records that the learner reads, in its order, and nothing more."""
    query = (
        "SELECT seq, record FROM assignments WHERE seq > :after UNION ALL "
        "SELECT seq, record FROM outcomes WHERE seq > :after ORDER BY seq LIMIT 10000"
    )
    after = 0
    with closing(sqlite3.connect(directory / "armlift.db")) as connection:
        while page := connection.execute(query, {"after": after}).fetchall():
            after = page[-1][0]


def examples() -> tuple[vw.Workspace, list[list[vw.Example]]]:
    """Return a workspace as the policy has it, and labelled examples, one for each distinct context."""
    workspace = vw.Workspace([*learned_policy(HERO).arguments, "--quiet", "--log_level", "off"])
    encoder = ContextEncoder(HERO.context)
    prepared = []
    for index, context in enumerate(contexts(np.random.default_rng(3))):
        actions = [filled(vw.CBLabel(), "A", *variant_features(variant)) for variant in HERO.variants]
        actions[index % 5].set_label(vw.CBLabel(label=(0, -float(index % 10 == 0), 0.2)))
        prepared.append([filled(vw.CBLabel(shared=True), "U", *encoder.encode(context)), *actions])
    return workspace, prepared


def filled(label: vw.CBLabel, namespace: str, indices: np.ndarray, values: np.ndarray) -> vw.Example:
    example = vw.Example()
    example.set_label(label)
    example[namespace].push_many_features(indices, values)
    return example


def teaching(workspace: vw.Workspace, prepared: Sequence[list[vw.Example]], n: int) -> Callable[[], None]:
    """Return what lets VW learn so many prepared examples."""

    def work() -> None:
        for index in range(n):
            workspace.learn_one(prepared[index % len(prepared)])

    return work


def timed(work: Callable[[], None]) -> float:
    """Return the seconds of the processor that it took."""
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(directory: Path, n_rows: int, n_rounds: int) -> None:
    """Take turns, and show the medians."""
    gc.set_threshold(100_000)  # as the learner's process does
    workspace, prepared = examples()
    n_matured = n_rows - WINDOW // BETWEEN
    works = {
        "the learner": lambda: learn(directory),
        "floor: SQLite hands the records over": lambda: hand_over(directory),
        "floor: VW learns prepared examples": teaching(workspace, prepared, n_matured),
    }
    micros: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(n_rounds):
        for name, work in works.items():
            micros[name].append(timed(work) / n_matured * 1e6)
    show({name: median(times) for name, times in micros.items()}, n_matured)


def show(micros: dict[str, float], n_matured: int) -> None:
    ours, *floors = micros.values()
    table = Table(title=f"{n_matured:,} matured assignments, 5 variants, outcomes for 10 %")
    for column in ("", "microseconds each", "a second"):
        table.add_column(column, justify="left" if not column else "right")
    for name, each in micros.items():
        table.add_row(name, f"{each:.1f}", f"{1e6 / each:,.0f}")
    table.add_row("the learner / its floor", f"{ours / sum(floors):.2f}", "")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", type=Path, help="where the log is made; a temporary one if left out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as made:
        write_log(Path(made), options.rows)
        measure(Path(made), options.rows, options.rounds)


if __name__ == "__main__":
    main()
