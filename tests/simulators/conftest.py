from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files as resources
from pathlib import Path

import pytest

from engine import files
from engine.experiments import Experiment

WriteCsv = Callable[[Sequence[str], Iterable[Sequence[object]]], Path]


@pytest.fixture
def write_csv(tmp_path: Path) -> WriteCsv:
    """Write a header and rows to a file and return its path."""

    def write(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
        path = tmp_path / "log.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return path

    return write


@pytest.fixture(scope="session")
def demo_file() -> Callable[[str], Experiment]:
    """Load one of the demo's experiments."""

    def load(name: str) -> Experiment:
        return files.load((resources("simulators.recipes") / "demo" / f"{name}.yaml").read_text(), name)

    return load
