"""Lines of a file by their numbers: in turn, and again where one is asked about, so that none need be kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from analysis.ope.logged import Logged
from engine.errors import InvalidRequest

_STEP = 256
"""Where each so manieth line begins is remembered."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a file, numbered from 1.

    Raises:
        InvalidRequest: there is no such file.
    """

    path: Path
    starts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise InvalidRequest(f"there is no file {self.path}: give the path of a log's file")

    def numbered(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are not empty, each with its number."""
        here = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file):
                if number % _STEP == 0 and number // _STEP == len(self.starts):
                    self.starts.append(here)
                here += len(line)
                if line.strip():
                    yield number + 1, line

    def again(self, numbers: Iterable[int]) -> Iterator[bytes]:
        """Yield lines that were yielded before, by their numbers; quickest where these ascend."""
        here, line = 0, b""
        with self.path.open("rb") as file:
            for number in numbers:
                if not 0 <= number - here <= _STEP:
                    here = (number - 1) // _STEP * _STEP
                    file.seek(self.starts[here // _STEP])
                while here < number:
                    line = file.readline()
                    here += 1
                yield line


def parts(log: Logged | Iterable[Logged]) -> Iterator[Logged]:
    """Yield the blocks of a log, or of several that follow each other."""
    for each in [log] if isinstance(log, Logged) else log:
        yield from each.blocks()


def write_lines(path: Path | str, lines: Iterable[str]) -> int:
    """Write a file and return how many lines it has. It gets its name when it is whole, so that half a one has none."""
    whole = Path(path)
    whole.parent.mkdir(parents=True, exist_ok=True)
    unfinished = whole.with_name(f"{whole.name}.unfinished")
    n = 0
    with unfinished.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(f"{line}\n")
            n += 1
    unfinished.replace(whole)
    return n
