"""What simulations print: sentences, tables, and progress where somebody looks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from simulators.scoring import Score, Tally

_PAGE_WIDTH = 110
_MOST_VARIANTS = 20
_MOST_CANDIDATES = 10
_SCORE_TITLE = "Expected reward a decision (from the world's own rates)"
_SCORE_ROWS = ("decisions", "random", "best for all", "oracle", "served", "± 95 %", "gap closed", "regret")
_MEAN_ROWS = ("runs", "random", "best for all", "oracle", "served", "gap closed")


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
    """Print what the policies served, against random, one variant for all, and the oracle: a column for each."""
    columns = {tally.experiment.experiment_id: _score_cells(tally.score()) for tally in tallies}
    screen.table(_SCORE_TITLE, ("", *columns), zip(_SCORE_ROWS, *columns.values(), strict=True))
    screen.say(
        "served: what the policy chose, with the interval of its lead over random; oracle: the best variant of each "
        "visit; gap closed: the way from random to the oracle",
        aside=True,
    )


def show_allocation(screen: Screen, tallies: Sequence[Tally]) -> None:
    """Print how often the policy of one experiment drew each variant, in all runs together; the first of many."""
    drawn = sum((tally.variants for tally in tallies), Counter[str]())
    declared = [variant.name for variant in tallies[0].experiment.variants]
    names = [name for name, _ in drawn.most_common()] if tallies[0].has_candidates else declared
    n_shown = _MOST_CANDIDATES if tallies[0].has_candidates else _MOST_VARIANTS
    rows = [(name, f"{drawn[name]:,}", _percent(drawn[name], drawn.total())) for name in names[:n_shown]]
    screen.table("Allocation", ("variant", "draws", "share"), rows)
    if len(names) > n_shown:
        screen.say(f"and {len(names) - n_shown:,} more", aside=True)


def show_mean_scores(screen: Screen, tallies: Sequence[Tally]) -> None:
    """Print what one experiment's policy served in several runs: means with their standard errors."""
    scores = [tally.score() for tally in tallies if tally.n_decisions]
    names = ("random", "best_single", "oracle", "served")
    means = [plus_minus(np.array([getattr(score, name) for score in scores]), 4) for name in names]
    closed = float(np.mean([score.gap_closed for score in scores]))
    cells = (f"{len(scores)}", *means, _closed(closed))
    screen.table(_SCORE_TITLE, ("", tallies[0].experiment.experiment_id), zip(_MEAN_ROWS, cells, strict=True))


def plus_minus(values: NDArray[np.float64], places: int) -> str:
    """Return the mean of some runs' values (n,), with its standard error where there are several.

    >>> plus_minus(np.array([10.0, 14.0]), 0), plus_minus(np.array([0.25]), 2), plus_minus(np.array([math.nan]), 2)
    ('12 ± 2', '0.25', '-')
    """
    mean = float(values.mean())
    if math.isnan(mean):
        return "-"
    error = f" ± {float(values.std(ddof=1)) / math.sqrt(len(values)):,.{places}f}" if len(values) > 1 else ""
    return f"{mean:,.{places}f}{error}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _score_cells(score: Score) -> Sequence[str]:
    # Served against random is a difference of pairs, so its interval is the gain's.
    means = (score.random, score.best_single, score.oracle, score.served, 1.96 * score.gain_se)
    regret = "-" if math.isnan(score.regret) else f"{score.regret:,.0f}"
    return (f"{score.n:,}", *map(_number, means), _closed(score.gap_closed), regret)


def _closed(gap: float) -> str:
    # + 0.0: no -0.
    return "-" if math.isnan(gap) else f"{round(100 * gap) + 0.0:.0f} %"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
