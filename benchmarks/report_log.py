"""What a report takes straight from a store's log, against what SQLite and DuckDB take to look at the same cells.

    python benchmarks/report_log.py --rows 1000000 --rounds 3

Two logs are written: a fixed 50/50 test, and a test whose every row has a distribution of its own (a fifth as many
rows), as a policy that reads the context has. The floors see the same columns and bring back one line: SQLite scans
the log's table once in one thread; DuckDB reads the columns from Parquet. What is above the first floor is what
numpy arrays cost, and the report over the frame is the statistics. Rounds take turns and the best one counts, in
seconds by the clock and of CPU: where other work fills the machine, the CPU's are the ones to compare.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import track
from rich.table import Table

from analysis import report
from analysis.logs import frames
from analysis.logs.frames import ASSIGNMENT_COLUMNS, OUTCOME_COLUMNS, Frame
from engine.clock import EPOCH
from engine.columns import Coded
from engine.definition import define
from engine.experiments import Experiment, Variant
from engine.lifecycle import Author, create
from engine.metrics import Metric, MetricKind
from engine.randomness import ONE
from engine.records import Assignment, DrawKey, Entry, Outcome, Reason, Unit
from engine.storage import open_reader, open_store
from engine.storage.sqlite_files import STORE_FILE

START = EPOCH + timedelta(days=20_000)
NAMES = ("plain", "bold")
HERO = Experiment(
    "hero",
    tuple(map(Variant, NAMES)),
    (Metric("click"), Metric("spend", MetricKind.REVENUE, cap=100.0)),
)
BATCH = 20_000
MOVING_SHARE = 5
"""The log whose distributions differ has so many times fewer rows."""


@dataclass(frozen=True)
class Took:
    """The best of the rounds."""

    wall_s: float
    cpu_s: float


def entries(n: int, *, moving: bool) -> Iterator[Entry]:
    """Yield assignments of as many units; one in ten clicks and one in twenty spends, after an hour."""
    rng = np.random.default_rng(1)
    bold = rng.integers(0, 2, n).tolist()
    tails = rng.integers(0, 2**62, n).tolist()
    weights = rng.integers(ONE // 4, 3 * ONE // 4, n).tolist() if moving else [ONE // 2] * n
    for i in range(n):
        at = START + timedelta(seconds=i * 2.5)
        unit, later = Unit("customer", f"customer {i}"), at + timedelta(hours=1)
        assignment_id = f"{i:016x}{tails[i]:016x}"
        yield Assignment(
            HERO.experiment_id,
            NAMES[bold[i]],
            Reason.DRAWN,
            unit,
            at,
            at,
            assignment_id=assignment_id,
            request_id=f"request {i}",
            request_digest=bytes(16),
            revision=1,
            epoch=1,
            draw_key=DrawKey.UNIT,
            drawn=7,
            is_draw=True,
            eligible=NAMES,
            distribution=(weights[i], ONE - weights[i]),
        )
        if i % 10 == 0:
            yield Outcome(f"click {i}", "click", 1.0, later, later, unit=unit)
        if i % 20 == 3:
            yield Outcome(f"spend {i}", "spend", i % 50 + 0.5, later, later, assignment_id=assignment_id)


def write(directory: Path, n: int, *, moving: bool) -> None:
    """Make a log through the store's own writer."""
    with closing(open_store(directory, "n1", b"secret")) as store:
        store.save(*create(define(HERO), Author("benchmark", "to measure", START)), "")
        batch: list[Entry] = []
        for entry in track(entries(n, moving=moving), "writing the log", total=n + n // 10 + n // 20, transient=True):
            batch.append(entry)
            if len(batch) == BATCH:
                store.append(batch)
                batch = []
        store.append(batch)


def scan(directory: Path) -> None:
    """Look at every cell that a frame is made of, in SQLite alone."""
    with closing(sqlite3.connect(directory / STORE_FILE)) as connection:
        for table, names in (("assignments", ASSIGNMENT_COLUMNS), ("outcomes", OUTCOME_COLUMNS)):
            real = ["assignment_id" if name == "assignment_seq" else name for name in names]
            wanted = ", ".join(f"max({name})" for name in real)
            connection.execute(f"SELECT {wanted} FROM {table}").fetchall()


def fetch(directory: Path) -> None:
    """Bring every cell over as a Python object, and do nothing with it."""
    with closing(sqlite3.connect(directory / STORE_FILE)) as connection:
        for table, names in (("assignments", ASSIGNMENT_COLUMNS), ("outcomes", OUTCOME_COLUMNS)):
            real = ["assignment_id" if name == "assignment_seq" else name for name in names]
            for _ in connection.execute(f"SELECT {', '.join(real)} FROM {table}"):
                pass


def to_parquet(directory: Path) -> None:
    """Keep the columns of a frame for DuckDB."""
    with closing(open_reader(directory)) as reader:
        for table, names in (("assignments", ASSIGNMENT_COLUMNS), ("outcomes", OUTCOME_COLUMNS)):
            columns = reader.columns(table, names, HERO.experiment_id)
            plain = {name: each.values() if isinstance(each, Coded) else each for name, each in columns.items()}
            pl.DataFrame(plain).write_parquet(directory / f"{table}.parquet")


def scan_parquet(directory: Path) -> None:
    """Let DuckDB read the same columns from Parquet."""
    for table, names in (("assignments", ASSIGNMENT_COLUMNS), ("outcomes", OUTCOME_COLUMNS)):
        wanted = ", ".join(f"max({name})" for name in names)
        duckdb.sql(f"SELECT {wanted} FROM '{directory / table}.parquet'").fetchall()


def read(directory: Path) -> Frame:
    with closing(open_reader(directory)) as reader:
        return frames.read(reader, HERO.experiment_id)


def took(work: Callable[[], object]) -> Took:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


def measure(directory: Path, rounds: int) -> dict[str, Took]:
    """Return what each job took at best."""
    jobs: dict[str, Callable[[], object]] = {
        "SQLite looks at the cells": lambda: scan(directory),
        "SQLite brings them as objects": lambda: fetch(directory),
        "DuckDB looks at them in Parquet": lambda: scan_parquet(directory),
        "frames.read": lambda: read(directory),
        "report(log)": lambda: report(directory, HERO.experiment_id),
    }
    found: dict[str, list[Took]] = {name: [] for name in jobs}
    for _ in track(range(rounds), "measuring", transient=True):
        for name, job in jobs.items():
            found[name].append(took(job))
    return {
        name: Took(min(each.wall_s for each in several), min(each.cpu_s for each in several))
        for name, several in found.items()
    }


def bytes_a_row(frame: Frame) -> float:
    """Return what a frame holds, for each assignment."""
    columns = [getattr(part, each.name) for part in (frame.assignments, frame.outcomes) for each in fields(part)]
    return sum(column.nbytes for column in columns) / len(frame.assignments)


def table(title: str, found: dict[str, Took]) -> Table:
    drawn = Table("job", "s", "CPU s", "x SQLite's CPU", title=title, box=None, title_justify="left")
    floor = next(iter(found.values()))
    for name, each in found.items():
        drawn.add_row(name, f"{each.wall_s:.2f}", f"{each.cpu_s:.2f}", f"{each.cpu_s / floor.cpu_s:.2f}")
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a report straight from a store's log.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many assignments the log of the test has")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured, in turns")
    asked = parser.parse_args()
    for moving in (False, True):
        n = asked.rows // (MOVING_SHARE if moving else 1)
        with tempfile.TemporaryDirectory(prefix="armlift-benchmark-") as name:
            directory = Path(name)
            writing = took(lambda: write(directory, n, moving=moving))  # noqa: B023 called at once
            size = (directory / STORE_FILE).stat().st_size
            to_parquet(directory)
            found = measure(directory, asked.rounds)
            kind = "every distribution another one" if moving else "a fixed 50/50 test"
            Console(width=110).print(table(f"{kind}, {n:,} assignments, {n * 3 // 20:,} outcomes", found))
            print(f"written in {writing.wall_s:.0f} s, {size / n:.0f} bytes a row", end="; ")
            print(f"a frame holds {bytes_a_row(read(directory)):.0f} bytes a row\n")


if __name__ == "__main__":
    main()
