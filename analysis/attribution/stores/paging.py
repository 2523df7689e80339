"""A log page by page; one that has no pages, as it is held in memory already, is a single page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

import numpy as np

from analysis.arrays import Ints
from analysis.logs.sources import LogSource
from engine.columns import Coded, Columns, joined

Page = tuple[int, int]
"""The entries with first < seq <= last."""


class PagedSource(LogSource, Protocol):
    """A log of which parts can be read. Every `engine.ports.Reader` is one, and so is an exported log."""

    def last_seq(self) -> int:
        """Return the highest seq in the log, or 0."""

    def columns(
        self, table: str, names: Sequence[str], experiment_id: str = "", *, after: int = 0, until: int | None = None
    ) -> Columns:
        """Return typed columns of the rows with after < seq <= until, in the order of seq."""

    def contexts(
        self, experiment_id: str, names: Sequence[str], *, after: int = 0, until: int | None = None
    ) -> Columns:
        """Return declared fields of the context of the experiment's assignments with after < seq <= until."""


def is_paged(source: LogSource) -> TypeGuard[PagedSource]:
    """Whether parts of a log can be read."""
    return hasattr(source, "last_seq")


@dataclass(frozen=True, slots=True, eq=False)
class Paging:
    """A log in pages of `size` entries, up to the seq `last`: what is added while it is read is not seen.

    >>> from analysis.logs.simple_log import simple_log
    >>> from engine.experiments import Experiment, Variant
    >>> from engine.metrics import Metric
    >>> hero = Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),))
    >>> Paging.of(simple_log(hero, {"variant": np.array([0, 1, 1])}), 2).pages
    [(0, 3)]
    """

    source: LogSource
    last: int
    size: int

    @classmethod
    def of(cls, source: LogSource, size: int) -> Paging:
        """Return a log in pages of so many entries, or as one page where it has none."""
        if is_paged(source):
            return cls(source, source.last_seq(), size)
        ids = (state.experiment.experiment_id for state in source.states())
        seqs = [source.columns("assignments", ("seq",), each)["seq"] for each in ids]
        last = max((int(each.max(initial=0)) for each in seqs), default=0)
        return cls(source, last, max(last, 1))

    @property
    def pages(self) -> list[Page]:
        """The pages in order, one at least."""
        return [(first, min(first + self.size, self.last)) for first in range(0, max(self.last, 1), self.size)]

    def page_of(self, seq: Ints) -> Ints:
        """Return the place of the page that has each entry, (n,)."""
        return (seq - 1) // self.size

    def columns(self, table: str, names: Sequence[str], page: Page) -> Columns:
        """Return columns of a table's rows in a page, in the order of seq."""
        if not is_paged(self.source):
            return self.source.columns(table, names)
        return self.source.columns(table, names, after=page[0], until=page[1])

    def rows(self, experiment_id: str, names: Sequence[str], page: Page) -> Columns:
        """Return columns of an experiment's assignments in a page, in the order of seq."""
        if not is_paged(self.source):
            return self.source.columns("assignments", names, experiment_id)
        return self.source.columns("assignments", names, experiment_id, after=page[0], until=page[1])

    def answers(self, names: Sequence[str], page: Page) -> Columns:
        """Return columns of the assignments in a page, `seq` and `experiment_id` among them, in the order of seq."""
        wanted = ("seq", *names)
        ids = tuple(state.experiment.experiment_id for state in self.source.states())
        if is_paged(self.source) or not ids:
            return self.columns("assignments", ("experiment_id", *wanted), page)
        return _together(ids, [self.rows(each, wanted, page) for each in ids])

    def texts(self, experiment_id: str, name: str, page: Page) -> Coded:
        """Return a text of the context of an experiment's assignments in a page, in the order of seq."""
        if is_paged(self.source):
            found = self.source.contexts(experiment_id, (name,), after=page[0], until=page[1])
        else:
            found = self.source.contexts(experiment_id, (name,))
        texts: Coded = found[name]
        return texts


def _together(ids: tuple[str, ...], parts: Sequence[Columns]) -> Columns:
    """Return the assignments of several experiments as one table in the order of seq, which says whose each is."""
    of = np.repeat(np.arange(len(ids)), [len(part["seq"]) for part in parts])
    columns = {name: _joined([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(columns["seq"])
    return {name: _taken(column, order) for name, column in {**columns, "experiment_id": Coded(of, ids)}.items()}


def _joined(parts: Sequence[Any]) -> Any:  # noqa: ANN401 (columns of any type)
    return joined(parts) if isinstance(parts[0], Coded) else np.concatenate(parts)


def _taken(column: Any, order: Ints) -> Any:  # noqa: ANN401 (as above)
    return Coded(column.codes[order], column.words) if isinstance(column, Coded) else column[order]
