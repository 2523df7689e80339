"""What simulations print: tables of scores, and progress where somebody looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from simulators.scoring import Score, Tally

_PAGE_WIDTH = 110


def make_console() -> Console:
    """Return a console that leaves readable text also where there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=_PAGE_WIDTH)


@contextmanager
def progress(console: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield what moves a bar on by a number of steps; without a terminal there is none."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


def score_table(tallies: Iterable[Tally]) -> Table:
    """Return a table of what the policies served, against random, one variant for all, and the oracle."""
    table = Table(title="Expected reward a decision (from the world's own rates)", title_justify="left")
    table.add_column("experiment")
    for heading in ("decisions", "random", "best for all", "oracle", "served", "± 95 %", "gap closed", "regret"):
        table.add_column(heading, justify="right")
    for tally in tallies:
        table.add_row(tally.experiment.experiment_id, *_cells(tally.score()))
    return table


def allocation_table(tally: Tally) -> Table:
    """Return a table of how often each variant was drawn by the policy."""
    n = sum(tally.variants.values())
    table = Table("variant", title="Allocation", title_justify="left")
    table.add_column("draws", justify="right")
    table.add_column("share", justify="right")
    for variant in tally.experiment.variants:
        count = tally.variants[variant.name]
        table.add_row(variant.name, f"{count:,}", f"{100 * count / n:.1f} %" if n else "-")
    return table


def _cells(score: Score) -> Iterable[str]:
    # Served against random is a difference of pairs, so its interval is the gain's.
    means = (score.random, score.best_single, score.oracle, score.served)
    closed = "-" if math.isnan(score.gap_closed) else f"{100 * score.gap_closed:.0f} %"
    return (f"{score.n:,}", *map(_number, means), _number(1.96 * score.gain_se), closed, f"{score.regret:,.0f}")


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
