"""A watcher of a server that is killed resumes at the next one: it hears of what it missed, deletions too, and once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.errors import StoreUnavailable
from engine.experiments import Experiment, Status, Variant
from engine.funnel import Population
from engine.metrics import Metric
from engine.service.catalog_changes import CatalogChange
from engine.service.management import Management

VARIANTS = (Variant("plain"), Variant("bold"))


def draft(management: Management, *names: str) -> None:
    for name in names:
        management.apply(Experiment(name, VARIANTS, (Metric("click"),)), "")


def said(change: CatalogChange) -> str:
    if change.state:
        return change.state.experiment.experiment_id
    return f"-{change.deleted_id}" if change.deleted_id else "population"


def test_a_watcher_resumes_after_a_kill_and_hears_of_what_it_missed(start_server: Callable[[str], Any]) -> None:
    first = start_server("wall")
    with Management(first.address, "tests") as management, ThreadPoolExecutor(1) as pool:
        draft(management, "a", "b", "c")
        stream = management.watch()
        heard = [next(stream) for _ in range(3)]
        waiting = pool.submit(next, stream)
        first.kill()
        with pytest.raises(StoreUnavailable):
            waiting.result()
    assert [said(change) for change in heard] == ["a", "b", "c"]

    second = start_server("wall")
    with Management(second.address, "tests") as management:
        management.move("a", Status.ARCHIVED, "")
        management.apply_population(Population(holdout=0.1), "")
        management.move("b", Status.RUNNING, "")
    second.kill()

    with Management(start_server("wall").address, "tests") as management:
        stream = management.watch(heard[-1].catalog_revision)
        missed = [next(stream) for _ in range(3)]
        draft(management, "d")
        missed.append(next(stream))
    assert [said(change) for change in missed] == ["population", "-a", "b", "d"]
    assert missed[0].population == Population(holdout=0.1)
