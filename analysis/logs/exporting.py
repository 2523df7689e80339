"""A log as files that any tool reads: Parquet for its rows, YAML for its experiments, JSON for what became of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from analysis.logs.duck import Duck
from engine import files
from engine.experiments import ExperimentState
from engine.ports import Reader
from engine.storage.schema import COLUMNS, column_types

REGISTRY = "registry.json"
"""Experiments with their states and histories, and when the log ended."""

TABLES = ("assignments", "exposures", "outcomes")
"""The tables that are written, as folders of Parquet files."""

ROWS = 200_000
"""How many entries of the log go into one file: what is held in memory at a time."""


def export(log: Reader, directory: Path, progress: Callable[[int], None] = lambda _: None) -> None:
    """Write a log into a directory: typed columns, and the whole record of each row as it was logged.

    Erasures and plain unit ids stay in the store: a copy must not outlive a unit's wish to be forgotten.
    `progress` is told how many entries were gone through.

    Raises:
        InvalidRequest: DuckDB is not installed.
    """
    duck = Duck()
    last = log.last_seq()
    for table in TABLES:
        (directory / table).mkdir(parents=True, exist_ok=True)
    for after in range(0, max(last, 1), ROWS):
        until = min(after + ROWS, last)
        for table in TABLES:
            types = column_types(table, list(COLUMNS[table]))
            part = log.columns(table, list(types), after=after, until=until)
            duck.write(directory / table / f"{after:012}.parquet", part, types)
        progress(until)
    duck.close()
    _write_registry(log, directory)


def file_of(directory: Path, experiment_id: str, revision: int) -> Path:
    """Return the file of a revision's definition."""
    return directory / "experiments" / experiment_id / f"{revision}.yaml"


def _write_registry(log: Reader, directory: Path) -> None:
    states = log.states()
    for state in states:
        for revision in range(1, state.revision + 1):
            definition = log.definition(state.experiment.experiment_id, revision)
            path = file_of(directory, state.experiment.experiment_id, revision)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files.dump(definition or state.experiment), "utf-8")
    registry = {
        "node_id": log.node_id,
        "ended_at": log.ended_at(),
        "experiments": [_described(log, state) for state in states],
    }
    (directory / REGISTRY).write_text(json.dumps(registry, indent=1, default=_word) + "\n", "utf-8")


def _described(log: Reader, state: ExperimentState) -> dict[str, Any]:
    experiment_id = state.experiment.experiment_id
    return {
        "experiment_id": experiment_id,
        "status": state.status,
        "revision": state.revision,
        "epoch": state.epoch,
        "etag": state.etag,
        "snapshot": state.snapshot,
        "shadow_snapshot": state.shadow_snapshot,
        "pinned": state.pinned,
        "step": state.step,
        "step_at": state.step_at,
        "history": [asdict(change) for change in log.history(experiment_id)],
    }


def _word(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return str(value.value)
    raise TypeError(f"a registry holds no {type(value).__name__}")
