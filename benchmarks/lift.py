"""Lifts of a table of units beside tea-tasting on Polars: time, memory, and the same numbers.

    python benchmarks/lift.py [--rows 10000000]

Three variants; a conversion, two amounts with CUPED-like adjustment, a ratio, and the check of the variants' counts.
Each way runs in a process of its own, three times, and its best time counts. `floor` reads the same columns and sums
them. Ratios are to tea-tasting on Polars in memory, in this run.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

CHUNK = 1_000_000
COLUMNS = ("order", "spend", "visits", "sessions", "past_spend", "past_visits")
EXPERIMENT = """
experiment: lift
brief: {hypothesis: A table is read as fast as the fastest peer reads it}
context: {past_spend: number, past_visits: number}
variants: [plain, urgent, calm]
plan: {look: once}
metrics:
  order: {kind: conversion, role: goal}
  spend: {kind: revenue, covariates: [past_spend]}
  visits: {kind: count, covariates: [past_visits]}
  sessions: {kind: count}
  per_session: {kind: ratio, of: spend, per: sessions}
"""


def make(path: Path, n_rows: int) -> None:
    """Write the table in row groups of a million."""
    from pyarrow import parquet

    writer = None
    for start in range(0, n_rows, CHUNK):
        table = _chunk(min(CHUNK, n_rows - start), start).to_arrow()
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()


def _chunk(n: int, seed: int) -> pl.DataFrame:
    chance = np.random.default_rng(seed)
    names = np.array(["plain", "urgent", "calm"])
    past = chance.gamma(2, 10, n)
    return pl.DataFrame(
        {
            "variant": names[chance.integers(0, 3, n)],
            "order": (chance.random(n) < 0.05).astype(float),
            "spend": past + chance.gamma(1, 20, n),
            "visits": chance.poisson(3, n).astype(float),
            "sessions": 1.0 + chance.poisson(2, n),
            "past_spend": past,
            "past_visits": chance.poisson(3, n).astype(float),
        }
    )


def ours(table: object) -> dict[str, float]:
    """Return the absolute lifts of the second variant, by metric."""
    import analysis
    from engine import files

    report = analysis.report_on_units(table, files.load(EXPERIMENT))
    return {metric.name: metric.tables[0].rows[1].absolute.value for metric in report.metrics}


def peer(table: pl.DataFrame) -> dict[str, float]:
    """Return the same from tea-tasting."""
    import tea_tasting as tt

    metrics = {
        "order": tt.Mean("order"),
        "spend": tt.Mean("spend", "past_spend"),
        "visits": tt.Mean("visits", "past_visits"),
        "per_session": tt.RatioOfMeans("spend", "sessions"),
        "ratio": tt.SampleRatio(),
    }
    found = tt.Experiment(metrics).analyze(table, control="plain", all_variants=True)[("plain", "urgent")]
    return {name: float(found[name].treatment - found[name].control) for name in metrics if name != "ratio"}


def floor(path: Path) -> dict[str, float]:
    """Read the columns and sum them: no way is faster."""
    sums = pl.scan_parquet(path).group_by("variant").agg(pl.col(COLUMNS).sum()).collect()
    return {"order": float(sums["order"].sum())}


def read(way: str, path: Path) -> object:
    """Return what a way starts from; reading into memory is not counted for those that start there."""
    match way:
        case "tea-tasting, Polars" | "armlift, Polars":
            return pl.read_parquet(path)
        case "armlift, Polars scan of Parquet":
            return pl.scan_parquet(path)
        case "armlift, DuckDB over Parquet":
            import duckdb

            return duckdb.sql(f"SELECT * FROM '{path}'")
    return path


WAYS = {
    "tea-tasting, Polars": peer,
    "armlift, Polars": ours,
    "armlift, Polars scan of Parquet": ours,
    "armlift, DuckDB over Parquet": ours,
    "floor: sums by Polars, scan": floor,
}


def measure(way: str, path: Path) -> dict[str, object]:
    """Return the best of three times, the memory above the start's, and the numbers."""
    WAYS[way](read(way, path))  # the libraries are imported, and the file is in the system's cache
    table = read(way, path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(3):
        start = time.perf_counter()
        found = WAYS[way](table)
        times.append(time.perf_counter() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": min(times), "memory_mb": memory / 1024, "before_mb": before / 1024, "found": found}


def in_process(way: str, path: Path) -> dict[str, object]:
    """Measure a way in a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--path", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def compare(n_rows: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.parquet", Path(folder) / "large.parquet"
        make(small, max(n_rows // 10, 1))
        make(large, n_rows)
        found = {way: in_process(way, large) for way in WAYS}
        few = {way: in_process(way, small) for way in WAYS}
    base = found["tea-tasting, Polars"]
    print(f"{n_rows:,} rows, 3 variants, best of 3; memory is the process's peak, with a tenth of the rows beside it")
    print(f"{'':34}{'time / tea-tasting':>20}{'peak MB':>10}{'a tenth':>10}")
    for way, each in found.items():
        ratio = each["seconds"] / base["seconds"]
        print(f"{way:34}{ratio:>20.2f}{each['memory_mb']:>10,.0f}{few[way]['memory_mb']:>10,.0f}")
    for name in ("order", "per_session"):
        gaps = [abs(each["found"][name] - base["found"][name]) for way, each in found.items() if "armlift" in way]
        print(f"largest gap to tea-tasting in {name}: {max(gaps):.1e}")


def main() -> None:
    """Compare, or measure one way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--way")
    parser.add_argument("--path", type=Path)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(measure(given.way, given.path)))
    else:
        compare(given.rows)


if __name__ == "__main__":
    main()
