"""What simulations print: sentences, tables, and progress where somebody looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from simulators.scoring import Score, Tally

_PAGE_WIDTH = 110
_SCORE_HEADINGS = (
    "experiment",
    "decisions",
    "random",
    "best for all",
    "oracle",
    "served",
    "± 95 %",
    "gap closed",
    "regret",
)


class Screen:
    """The terminal, or a page of text where there is none."""

    def __init__(self, quiet: bool = False) -> None:
        """Say nothing at all if `quiet`."""
        console = Console(quiet=quiet)
        self._console = console if console.is_terminal else Console(quiet=quiet, width=_PAGE_WIDTH)

    def say(self, text: str, aside: bool = False) -> None:
        """Print a text as it is; an aside is printed faintly."""
        self._console.print(text, style="dim" if aside else None, markup=False, highlight=False)

    def table(self, title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table: names on the left, numbers right-aligned; an empty row is a line across."""
        first, *others = headings
        table = Table(first, title=Text(title), title_justify="left")
        for heading in others:
            table.add_column(heading, justify="right")
        for row in rows:
            if row:
                table.add_row(*map(Text, row))
            else:
                table.add_section()
        self._console.print(table)

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yield what moves a bar on by a number of steps; without a terminal there is none."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        is_seen = self._console.is_terminal and not self._console.quiet
        with Progress(*columns, console=self._console, transient=True, disable=not is_seen) as bar:
            task = bar.add_task(what, total=total)
            yield lambda steps: bar.advance(task, steps)


def show_scores(screen: Screen, tallies: Iterable[Tally]) -> None:
    """Print what the policies served, against random, one variant for all, and the oracle."""
    rows = [(tally.experiment.experiment_id, *_score_cells(tally.score())) for tally in tallies]
    screen.table("Expected reward a decision (from the world's own rates)", _SCORE_HEADINGS, rows)
    screen.say(
        "served: what the policy chose, with the interval of its lead over random; oracle: the best variant of each "
        "visit; gap closed: the way from random to the oracle",
        aside=True,
    )


def show_allocation(screen: Screen, tally: Tally) -> None:
    """Print how often the policy drew each variant."""
    n = sum(tally.variants.values())
    counts = [(variant.name, tally.variants[variant.name]) for variant in tally.experiment.variants]
    rows = [(name, f"{count:,}", f"{100 * count / n:.1f} %" if n else "-") for name, count in counts]
    screen.table("Allocation", ("variant", "draws", "share"), rows)


def _score_cells(score: Score) -> Sequence[str]:
    # Served against random is a difference of pairs, so its interval is the gain's.
    means = (score.random, score.best_single, score.oracle, score.served, 1.96 * score.gain_se)
    closed = "-" if math.isnan(score.gap_closed) else f"{100 * score.gap_closed:.0f} %"
    regret = "-" if math.isnan(score.regret) else f"{score.regret:,.0f}"
    return (f"{score.n:,}", *map(_number, means), closed, regret)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
