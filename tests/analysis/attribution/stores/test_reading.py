"""From a log to journeys: the same as unit by unit, from any kind of log, however it is divided."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.attribution.events import Windows
from analysis.attribution.journeys import MAX_TOUCHPOINTS, By
from analysis.attribution.stores.reading import Touched, read
from analysis.logs.exporting import export
from analysis.logs.simple_log import simple_log
from engine.columns import Columns
from engine.definition import define
from engine.errors import InvalidRequest, UnknownExperiment
from engine.experiments import Brief, ContextField, Experiment, ExposureRule, FieldType, Variant
from engine.lifecycle import create
from engine.metrics import Metric, MetricKind
from engine.records import Assignment, Exposure, Outcome, Reason, Unit
from engine.storage import open_reader, open_store
from engine.storage.memory import MemoryStore
from tests.analysis.attribution.stores import random_logs
from tests.analysis.attribution.stores.random_logs import WINDOWS, journeys, written_out

N = 150
CLICK = Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),), brief=Brief(channel="web"))
EVERY_BY = pytest.mark.parametrize("by", By)


def counts(touched: Touched) -> dict[str, int]:
    return {count.what.key.split(".")[-1]: count.n for count in touched.left_out}


@pytest.fixture(scope="module")
def memory() -> MemoryStore:
    store = MemoryStore()
    random_logs.save(store)
    store.append(random_logs.entries(N, seed=5))
    return store


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("store")
    with closing(open_store(directory, "n1", b"secret")) as store:
        random_logs.save(store)
        store.append(random_logs.entries(N, seed=5))
    return directory


@pytest.fixture(scope="module")
def exported(stored: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("exported")
    with closing(open_reader(stored)) as reader:
        export(reader, directory)
    return directory


class Whole:
    """A log of which no part can be read by itself."""

    def __init__(self, store: MemoryStore) -> None:
        self.states, self.definition, self.voided, self.ended_at = (
            getattr(store, name) for name in ("states", "definition", "voided", "ended_at")
        )
        self._store = store

    def columns(self, table: str, names: Sequence[str], experiment_id: str = "") -> Columns:
        return self._store.columns(table, names, experiment_id)

    def contexts(self, experiment_id: str, names: Sequence[str]) -> Columns:
        return self._store.contexts(experiment_id, names)


@pytest.fixture(scope="module")
def whole(memory: MemoryStore) -> Whole:
    return Whole(memory)


@EVERY_BY
@pytest.mark.parametrize("kind", ["memory", "stored", "exported", "whole"])
def test_journeys_are_those_of_each_unit_by_itself(kind: str, by: By, memory: MemoryStore, request: Any) -> None:
    expected = journeys(memory.entries(limit=10**6), by)
    with read(request.getfixturevalue(kind), "order", windows=WINDOWS, rows_at_once=97) as touched:
        assert written_out(list(touched.journeys(by))) == expected
    assert {len(path) > 1 for _, path, _, _ in expected} == {True, False}


@EVERY_BY
def test_into_how_many_parts_it_is_divided_changes_nothing(by: By, memory: MemoryStore) -> None:
    expected = journeys(memory.entries(limit=10**6), by)
    seen = set()
    for rows in (40, 97, 10**6):
        with read(memory, "order", windows=WINDOWS, rows_at_once=rows) as touched:
            blocks = list(touched.journeys(by))
            assert written_out(blocks) == expected
            assert all(block.touchpoints == touched.touchpoints(by) for block in blocks)
            seen.add((touched.left_out, touched.period, touched.n_units, touched.touchpoints(by)))
    assert len(blocks) == len(seen) == 1


def test_all_blocks_come_again_in_any_order_of_asking(memory: MemoryStore) -> None:
    with read(memory, "order", windows=WINDOWS, rows_at_once=50) as touched:
        pairs = list(zip(touched.journeys(By.CHANNEL), touched.journeys(By.VARIANT), strict=True))
        again = list(touched.journeys(By.CHANNEL))
    assert written_out([one for one, _ in pairs]) == written_out(again)
    assert all(set(one.unit) == set(other.unit) for one, other in pairs)
    units = np.concatenate([np.unique(one.unit) for one in again])
    assert len(units) == len(np.unique(units)) > 10


def test_what_is_left_out_is_counted(memory: MemoryStore) -> None:
    log = memory.entries(limit=10**6)
    with read(memory, "order", windows=WINDOWS) as touched:
        list(touched.journeys(By.CHANNEL))
        found = counts(touched)
    answers = {(e.assignment_id, e.slot): e for e in log if hasattr(e, "reason") and hasattr(e, "revision")}
    reports = [(e.assignment_id, e.slot) for e in log if isinstance(e, Exposure)]
    voided = {e.void_of for e in log if isinstance(e, Outcome)} - {""}
    orders = [e for e in log if isinstance(e, Outcome) and e.metric == "order"]
    standing = [e for e in orders if e.outcome_id not in voided]
    usable = [e for e in standing if abs(e.value) < 1e60]
    of = [answers.get((e.assignment_id, e.slot)) for e in usable if e.assignment_id]
    real = {key: e for key, e in answers.items() if e.reason is not Reason.QA}
    mailed = {key: e for key, e in real.items() if e.experiment_id == "mail"}
    blank = [key for key, e in mailed.items() if key in reports and (e.variant, e.revision) == ("nothing", 1)]
    assert {name: found[name] for name in list(found)[:8]} == {
        "qa": len(answers) - len(real),
        "blank": len(blank),
        "unexposed": len([key for key in mailed if key not in reports]),
        "unknown_report": 3,
        "taken_back": len(orders) - len(standing),
        "not_finite": len(standing) - len(usable),
        "nobodys": of.count(None),
        "of_qa": len([e for e in of if e is not None and e.reason is Reason.QA]),
    }
    assert found["no_channel_named"] == len([e for e in real.values() if e.experiment_id == "shelf"])
    assert min(found.values()) > 0


def test_touches_of_some_experiments_alone(memory: MemoryStore) -> None:
    with read(memory, "order", windows=WINDOWS, experiments=["mail"]) as touched:
        found = written_out(list(touched.journeys(By.EXPERIMENT)))
    everything = journeys(memory.entries(limit=10**6), By.EXPERIMENT)
    assert {name for _, path, _, _ in found for name in path} == {"mail"}
    for column in (2, 3):
        assert sum(each[column] for each in found) == pytest.approx(sum(each[column] for each in everything))


# --- single rules ----------------------------------------------------------------------------------------------------


def test_a_log_without_pages_is_read_at_once() -> None:
    hero = Experiment("hero", (Variant("a"), Variant("b")), (Metric("buy", MetricKind.REVENUE, cap=9.0),))
    log = simple_log(
        replace(hero, exposure=ExposureRule.REPORTED),
        {"variant": np.array([0, 1, 0, 1]), "unit_key": np.array([7, 7, 8, 0]), "assigned_at": np.array([0, 1, 2, 3])},
        {"unit_key": np.array([7, 8, 0]), "value": np.array([2.0, 3.0, 4.0]), "occurred_at": np.array([50, 5, 60])},
        {"row": np.array([1, 0, 1, 2, 3]), "exposed_at": np.array([20, 10, 30, 40, 50])},
    )
    with read(log, "buy", rows_at_once=2) as touched:
        found = written_out(list(touched.journeys(By.VARIANT)))
        assert touched.n_units == 2
        told = counts(touched)
    assert found == [(7, ("hero/a", "hero/b"), 1.0, 2.0), (8, (), 1.0, 3.0), (8, ("hero/a",), 0.0, 0.0)]
    assert (told["repeated_report"], told["nobody"], told["nobodys"]) == (1, 1, 1)


def test_the_channel_is_a_field_of_the_context_that_can_be_named(new_log: Any) -> None:
    log = new_log(replace(CLICK, context=(ContextField("medium", FieldType.TEXT),)))
    for unit, context in (("a", {"medium": "app"}), ("b", {"medium": ""}), ("c", {})):
        log.assign(unit, context=context)
    for field, names in (("medium", ("web", "app")), ("channel", ("web",))):
        with read(log.store, "click", channel_field=field) as touched:
            assert touched.touchpoints(By.CHANNEL) == names
    with pytest.raises(InvalidRequest, match="no experiment of this log has a text 'mediums' in its context"):
        read(log.store, "click", channel_field="mediums")


def test_the_rarest_touchpoints_are_told_apart_no_further(new_log: Any) -> None:
    log = new_log(replace(CLICK, context=(ContextField("channel", FieldType.TEXT),)))
    names = [f"channel {i:02}" for i in range(MAX_TOUCHPOINTS + 3)]
    for i, name in enumerate(names):
        for unit in range(2 if i < MAX_TOUCHPOINTS - 1 else 1):
            log.assign(f"{unit}", i / 10, context={"channel": name})
    with read(log.store, "click", rows_at_once=9) as touched:
        blocks = list(touched.journeys(By.CHANNEL))
        found = touched.touchpoints(By.CHANNEL)
        told = counts(touched)
    assert [*map(str, found)] == [*names[:MAX_TOUCHPOINTS], "others"]
    assert told["rare_channel"] == 3
    assert sum(np.bincount(each.touchpoint, minlength=len(found)) for each in blocks)[-1] == 3


def test_what_is_said_of_journeys_is_that_of_the_first_kind_of_touchpoints_and_what_it_does_not_know(
    new_log: Any,
) -> None:
    variants = tuple(Variant(f"v{number:02}") for number in range(MAX_TOUCHPOINTS + 5))
    log = new_log(replace(CLICK, variants=variants, brief=Brief()))
    for number, variant in enumerate(variants):
        log.assign("a", number / 100, variant=variant.name)
    log.observe("a", "click", 1)
    with read(log.store, "click") as touched:
        for by in By:
            list(touched.journeys(by))
        told = counts(touched)
    n = len(variants)
    assert told == {"no_channel_named": n, "merged": n - 1, "rare_variant": 5, "everywhere": 1}


def test_channels_are_told_without_blanks_and_those_not_declared_are_others(new_log: Any) -> None:
    log = new_log(replace(CLICK, context=(ContextField("channel", FieldType.TEXT),)))
    for day, name in enumerate(("app ", "app", " ", "ap")):
        log.assign("a", day, context={"channel": name})
    with read(log.store, "click", channels=["app", "web"]) as touched:
        (block,) = touched.journeys(By.CHANNEL)
        told = counts(touched)
    assert [str(block.touchpoints[each]) for each in block.touchpoint] == ["app", "app", "web", "others"]
    assert told["unknown"] == 1


def test_touches_of_units_that_the_outcome_is_not_declared_for_are_counted() -> None:
    store, visit = MemoryStore(), replace(CLICK, experiment_id="row", unit="session", metrics=(Metric("view"),))
    for place, experiment in enumerate((CLICK, visit)):
        store.save(*create(define(experiment), random_logs.BY_AUTHOR), "")
        who, when = Unit(experiment.unit, "a"), random_logs.at(place)
        drawn = Assignment(experiment.experiment_id, "bold", Reason.DRAWN, who, when, when, f"{place + 1:032x}")
        store.append([replace(drawn, revision=1, epoch=1)])
    store.append([Outcome("o", "click", 1.0, random_logs.at(3), random_logs.at(3), unit=Unit("customer", "a"))])
    with read(store, "click") as touched:
        (block,) = touched.journeys(By.EXPERIMENT)
        told = counts(touched)
    assert [str(block.touchpoints[each]) for each in block.touchpoint[block.conversions[block.journey] > 0]] == ["hero"]
    assert told["other_unit"] == 1


def test_the_period_is_that_of_the_touches(new_log: Any) -> None:
    log = new_log(CLICK)
    with read(log.store, "click") as touched:
        assert touched.period is None
        assert [len(block) for block in touched.journeys(By.CHANNEL)] == [0]
    log.assign("a", 1)
    log.assign("a", 2)
    log.end(9)
    with read(log.store, "click") as touched:
        assert touched.period is not None
        days = [int(part[8:10]) for part in (touched.period.first, touched.period.last, touched.period.end)]
    assert np.diff(days).tolist() == [1, 7]


def test_what_nobody_declared_may_still_be_in_the_log(new_log: Any) -> None:
    log = new_log(CLICK)
    log.observe("a", "signup", 1.0)
    with read(log.store, "signup") as touched:
        (block,) = touched.journeys(By.CHANNEL)
    assert (block.conversions.tolist(), touched.outcome) == ([1.0], "signup")
    with pytest.raises(InvalidRequest, match="there is no outcome 'order' in this log: there are click, signup"):
        read(log.store, "order")
    with pytest.raises(UnknownExperiment, match="there is no experiment 'heros' in this log: there are hero"):
        read(log.store, "click", experiments=["heros"])


def test_look_backs_are_asked_for(new_log: Any) -> None:
    log = new_log(CLICK)
    log.assign("a", 0)
    log.observe("a", "click", 3)
    for days, paths in ((3, [1]), (2, [0, 1])):
        with read(log.store, "click", windows=Windows(look_back=timedelta(days=days))) as touched:
            assert sorted(n for block in touched.journeys(By.CHANNEL) for n in block.lengths.tolist()) == paths


def test_what_comes_while_the_log_is_read_is_not_seen() -> None:
    class Growing(MemoryStore):
        """Grows with each page of outcomes that is read, also by answers that were named before they were known."""

        def columns(self, table: str, *rest: Any, **more: Any) -> Any:
            found = super().columns(table, *rest, **more)
            if table == "outcomes":
                self.append(random_logs.entries(5, seed=self.last_seq(), first=10**6))
            return found

    log = Growing()
    random_logs.save(log)
    log.append(random_logs.entries(30, seed=5))
    expected = journeys(log.entries(limit=10**6), By.VARIANT)
    with read(log, "order", windows=WINDOWS, rows_at_once=20) as touched:
        assert written_out(list(touched.journeys(By.VARIANT))) == expected
        assert counts(touched)["unknown_report"] == 3
    assert journeys(log.entries(limit=10**6), By.VARIANT) != expected


# --- what is on disk -------------------------------------------------------------------------------------------------


OPEN_FILES = Path("/proc/self/fd")


def open_files(directory: Path) -> int:
    """Return how many files of a directory the process holds, those without a name too."""
    links = [each.readlink() for each in OPEN_FILES.iterdir() if each.is_symlink()]
    return sum(link.is_relative_to(directory) for link in links)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if not OPEN_FILES.is_dir():
        pytest.skip("there is no list of the open files here")
    return tmp_path


def test_nothing_is_left_on_disk(scratch: Path, memory: MemoryStore) -> None:
    with read(memory, "order") as touched:
        list(touched.journeys(By.CHANNEL))
        assert (open_files(scratch), list(scratch.iterdir())) == (2, [])
    assert open_files(scratch) == 0
    with pytest.raises(InvalidRequest, match="these journeys were closed: read the log again"):
        next(touched.journeys(By.CHANNEL))


def test_nothing_is_left_on_disk_by_who_forgets_to_close(scratch: Path, memory: MemoryStore) -> None:
    touched = read(memory, "order")
    assert open_files(scratch) == 2
    del touched
    gc.collect()
    assert open_files(scratch) == 0


def test_nothing_is_left_on_disk_after_an_error(scratch: Path, memory: MemoryStore) -> None:
    with pytest.raises(InvalidRequest):
        read(memory, "unknown")
    with pytest.raises(ValueError, match="of my own"), read(memory, "order"):
        raise ValueError("of my own")
    assert open_files(scratch) == 0
