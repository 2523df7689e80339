"""The command `armlift export`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import click
from rich.progress import Progress

from analysis.logs.exporting import export as write_files
from analysis.ope.doors import coba, dsjson, tables
from analysis.ope.logged import Logged
from analysis.ope.stores import reading
from engine.errors import InvalidRequest
from engine.storage import open_reader

PARQUET = "parquet"
"""The format of whole logs."""

WRITERS: Mapping[str, Callable[[Logged, Path], int]] = {"csv": tables.write, "dsjson": dsjson.write, "coba": coba.write}
"""What writes the draws of one experiment, by format."""


@click.command()
@click.argument("experiment", required=False)
@click.option("--log", "log", required=True, type=click.Path(path_type=Path), help="The directory of a store.")
@click.option("--out", "out", default="out/log", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    default=PARQUET,
    show_default=True,
    type=click.Choice([PARQUET, *WRITERS]),
    help="Parquet of the whole log, or the draws of EXPERIMENT with their rewards as another tool reads them.",
)
@click.option("--metric", "metric", help="The metric to write as what a draw brought, and not the reward.")
def export(experiment: str | None, log: Path, out: Path, kind: str, metric: str | None) -> None:
    """Write a store's log as Parquet, and its experiments as files. `armlift report --log` reads that too.

    Plain unit ids stay in the store. This needs DuckDB: pip install 'armlift[duckdb]'.

    With another format, write the policy's draws of one experiment, with their exact propensities, into the file OUT:
    for VW (dsjson), for Coba (JSON lines), or for any other (csv).

    \b
    Examples:
      armlift export --log store --out out/log
      armlift export home-offer --log store --format dsjson --out out/home-offer.json
    """
    if kind != PARQUET:
        _write_draws(experiment, log, out, kind, metric)
    elif experiment or metric:
        raise InvalidRequest("Parquet holds the whole log: leave EXPERIMENT and --metric out, or say another --format")
    else:
        _write_log(log, out)


def _write_log(log: Path, out: Path) -> None:
    with closing(open_reader(log)) as reader, Progress(transient=True) as bar:
        task = bar.add_task("Writing the log", total=reader.last_seq())
        write_files(reader, out, lambda n: bar.update(task, completed=n))
    click.echo(f"{log} is in {out}: assignments, exposures and outcomes as Parquet, experiments as files")


def _write_draws(experiment: str | None, log: Path, out: Path, kind: str, metric: str | None) -> None:
    if not experiment:
        raise InvalidRequest(f"{kind} holds the draws of one experiment: say which, as in `armlift export home-offer`")
    if out.is_dir():
        raise InvalidRequest(f"{out} is a directory: name the file to write as --out")
    draws = reading.read(log, experiment, metric=metric)
    if not len(draws):
        open_ones = f", and the windows of {draws.n_open:,} are still open" if draws.n_open else ""
        raise InvalidRequest(f"{experiment!r} has no draws to write{open_ones}: export it later, or check its name")
    n = WRITERS[kind](draws, out)
    click.echo(f"{len(draws):,} draws of {experiment} are in {out}, on {n:,} lines of {kind}")
    for left in draws.left_out:
        click.echo(f"  left out: {left.what}: {left.n:,}")


COMMANDS: Mapping[str, click.Command] = {"export": export}
"""The commands of this module by name."""
