"""The command `armlift export`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import click
from rich.progress import Progress

from analysis.logs.exporting import export as write_files
from engine.storage import open_reader


@click.command()
@click.option("--log", "log", required=True, type=click.Path(path_type=Path), help="The directory of a store.")
@click.option("--out", "out", default="out/log", show_default=True, type=click.Path(path_type=Path))
def export(log: Path, out: Path) -> None:
    """Write a store's log as Parquet, and its experiments as files. `armlift report --log` reads that too.

    Plain unit ids stay in the store. This needs DuckDB: pip install 'armlift[duckdb]'.

    \b
    Example:
      armlift export --log store --out out/log
    """
    with closing(open_reader(log)) as reader, Progress(transient=True) as bar:
        task = bar.add_task("Writing the log", total=reader.last_seq())
        write_files(reader, out, lambda n: bar.update(task, completed=n))
    click.echo(f"{log} is in {out}: assignments, exposures and outcomes as Parquet, experiments as files")


COMMANDS: Mapping[str, click.Command] = {"export": export}
"""The commands of this module by name."""
