"""kill -9 and restarts leave caps and stickiness exact, however many ask at once: the log knows what memory lost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from armlift import Answer, AsyncClient

from engine.experiments import Experiment, Status, Variant
from engine.funnel import Cap, Funnel, Layer, LayerRange, Population, Sticky
from engine.metrics import Metric
from engine.records import Assignment, Reason
from engine.service.management import Management
from engine.specs import ThompsonSpec
from engine.storage import open_reader

N_ROUNDS = 4
N_BEFORE_KILL = 200
N_AT_ONCE = 32
PATIENCE_S = 30.0  # only a machine that is busy with other things comes near it
DRIVER = Path(__file__).with_name("driver.py")
COUNTED = (Reason.DRAWN, Reason.CACHED, Reason.FORCED)
# Short enough to end while a server runs, and long enough to go on through its restart.
CAP = Cap(3, timedelta(seconds=4))
MAIL_CAP = Cap(4, timedelta(seconds=5))

PLAIN = Experiment("plain", (Variant("plain"), Variant("bold"), Variant("loud")), (Metric("click"),))
CAPPED = replace(PLAIN, experiment_id="capped", funnel=Funnel(cap=CAP))
STICKY = replace(PLAIN, experiment_id="sticky", policy=ThompsonSpec(), sticky=Sticky())
OFFER, NEWS = (
    replace(PLAIN, experiment_id=name, policy=policy, funnel=Funnel(layer=LayerRange("mail")))
    for name, policy in (("offer", ThompsonSpec()), ("news", PLAIN.policy))
)


def rows_of(store: Path) -> list[Assignment]:
    with closing(open_reader(store)) as reader:
        return [row for row in reader.entries(limit=1_000_000) if isinstance(row, Assignment)]


def begin(management: Management) -> None:
    """Run a capped experiment, a sticky one, and the first one of a layer that has a cap."""
    management.apply_population(Population(layers={"mail": Layer(cap=MAIL_CAP)}), "")
    for experiment in (CAPPED, STICKY, OFFER):
        start(management, experiment)


def take_turns(management: Management) -> None:
    """Let another experiment have the layer."""
    management.move("offer", Status.CONCLUDED, "")
    start(management, NEWS)


def start(management: Management, experiment: Experiment) -> None:
    management.apply(experiment, "")
    management.move(experiment.experiment_id, Status.RUNNING, "")


CHANGES: Mapping[int, Callable[[Management], None]] = {0: begin, N_ROUNDS // 2: take_turns}
"""What is done at the start of a round."""


@pytest.fixture
def acknowledged(tmp_path: Path, start_server: Callable[[str], Any]) -> list[dict[str, Any]]:
    """What regulars were answered in several rounds on one store, each of which the server's death ended."""
    paths = [tmp_path / f"notes-{number}.jsonl" for number in range(N_ROUNDS)]
    for number, path in enumerate(paths):
        server = start_server("wall")
        if number in CHANGES:
            with Management(server.address, "tests") as management:
                CHANGES[number](management)
        driver = subprocess.Popen([sys.executable, str(DRIVER), server.address, str(path), f"{number}", "regulars"])
        deadline = time.monotonic() + PATIENCE_S
        while not (path.exists() and path.read_text().count('"assigned"') > N_BEFORE_KILL):
            assert time.monotonic() < deadline, "nobody was answered"
            time.sleep(0.02)
        time.sleep(1.0)
        server.kill()
        assert driver.wait(PATIENCE_S) == 0
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    return [line for line in lines if line["kind"] == "assigned"]


def by_unit(rows: Iterable[Assignment], *names: str) -> dict[str, list[Assignment]]:
    found = defaultdict(list)
    for row in rows:
        if row.experiment_id in names:
            found[row.unit.id].append(row)
    return found


def closest(rows: Sequence[Assignment], n: int) -> timedelta:
    """Return the shortest time in which n + 1 of the rows count."""
    times = sorted(row.assigned_at for row in rows if row.reason in COUNTED)
    return min(later - earlier for earlier, later in zip(times, times[n:], strict=False))


def test_after_kills_no_cap_was_passed_and_each_sticky_unit_was_drawn_once(
    acknowledged: list[dict[str, Any]], tmp_path: Path
) -> None:
    rows = rows_of(tmp_path / "store")
    logged = {row.assignment_id: row for row in rows}
    for note in acknowledged:
        row = logged[note["assignment_id"]]
        assert (row.unit.id, row.variant, row.reason.name) == (note["unit"], note["variant"], note["reason"])
        assert row.kept_from == note["kept_from"]

    for names, cap in ((("capped",), CAP), (("offer", "news"), MAIL_CAP)):
        for unit, found in by_unit(rows, *names).items():
            counts = Counter(row.reason for row in found)
            assert counts[Reason.DRAWN] > cap.n, f"{unit} was met again after a window"
            assert counts[Reason.CAPPED] > counts[Reason.DRAWN]
            assert closest(found, cap.n) >= cap.window

    for unit, (first, *others) in by_unit(rows, "sticky").items():
        assert first.reason is Reason.DRAWN, unit
        kept = {(row.reason, row.variant, row.kept_from, row.is_draw) for row in others}
        assert kept == {(Reason.CACHED, first.variant, first.assignment_id, False)}


def test_of_many_calls_at_once_for_one_unit_as_many_are_drawn_as_the_cap_allows(
    tmp_path: Path, start_server: Callable[[str], Any]
) -> None:
    server = start_server("wall")
    long = replace(CAPPED, funnel=Funnel(cap=replace(CAP, window=timedelta(days=1))))
    with Management(server.address, "tests") as management:
        for experiment in (long, STICKY):
            start(management, experiment)
    answers = asyncio.run(ask_at_once(server.address, ("capped", "sticky")))
    reasons = Counter((answer.experiment, answer.reason) for answer in answers)
    assert reasons == {
        ("capped", "DRAWN"): CAP.n,
        ("capped", "CAPPED"): N_AT_ONCE - CAP.n,
        ("sticky", "DRAWN"): 1,
        ("sticky", "CACHED"): N_AT_ONCE - 1,
    }
    assert len({answer.variant for answer in answers if answer.experiment == "sticky"}) == 1
    assert len(rows_of(tmp_path / "store")) == 2 * N_AT_ONCE


async def ask_at_once(address: str, names: Sequence[str]) -> list[Answer]:
    async with AsyncClient(address, timeout_s=PATIENCE_S) as client:
        calls = [client.assign(name, unit="ann") for _ in range(N_AT_ONCE) for name in names]
        return await asyncio.gather(*calls)
