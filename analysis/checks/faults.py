"""Rows of a log that are not what they should be, by what is wrong with them: how many, and the first ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

N_NAMED = 3
"""So many rows of each fault are named."""


@dataclass(slots=True)
class Fault:
    """How many rows have it, and the seqs of the first ones."""

    n: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, seqs: Sequence[int]) -> None:
        """Count rows."""
        self.n += len(seqs)
        self.first += seqs[: N_NAMED - len(self.first)]


@dataclass(slots=True)
class Faults:
    """The faults of a log by what is wrong, in the order of being found.

    >>> found = Faults()
    >>> found.add("sum", [7, 9])
    >>> [(what, fault.n, fault.first) for what, fault in found]
    [('sum', 2, [7, 9])]
    """

    by_what: dict[str, Fault] = field(default_factory=dict)

    def add(self, what: str, seqs: Sequence[int]) -> None:
        """Count rows that have a fault."""
        if len(seqs):
            self.by_what.setdefault(what, Fault()).add(seqs)

    def __iter__(self) -> Iterator[tuple[str, Fault]]:
        return iter(self.by_what.items())

    def __bool__(self) -> bool:
        return bool(self.by_what)
