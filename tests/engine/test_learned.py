"""What was learned for an experiment: how it is listed, and by what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.definition import define
from engine.errors import InvalidRequest, UnknownSnapshot
from engine.experiments import Experiment, ExperimentState, Status, Variant
from engine.learned import N_LISTED, Learned, summarised
from engine.lifecycle import Author, create
from engine.metrics import Metric
from engine.pointing import warm
from engine.records import BEFORE_THE_LOG, Snapshot
from engine.specs import ThompsonSpec
from engine.storage.memory import MemorySnapshots, MemoryStore

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
AUTHOR = Author("kim", "a test", NOON)
HERO = define(Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),), policy=ThompsonSpec()))
WARM = "ee" * 32


def snapshot(hash: str, **fields: object) -> Snapshot:
    plain = Snapshot(hash, "hero", 1, "thompson", b"state", "", (NOON, "n", 1), 3, "numpy", ("a",), "s", ())
    return replace(plain, **fields)


def numbered(number: int) -> str:
    return f"{number:02x}" * 32


def learned(hashes: Sequence[str], warmed: bool = False) -> tuple[Learned, ExperimentState]:
    store, snapshots = MemoryStore(), MemorySnapshots()
    state, change = create(HERO, AUTHOR)
    store.save(state, change, "")
    if warmed:
        begun = snapshot(WARM, watermark=BEFORE_THE_LOG, n_rewards=0, n_warm=9)
        state, change = warm(state, begun, "", AUTHOR)
        store.warm(begun, state, change, "1")
    for name in hashes:
        snapshots.add(snapshot(name))
    return Learned(snapshots, store), replace(state, status=Status.RUNNING)


def test_the_latest_ten_are_listed_and_the_live_one() -> None:
    found, state = learned([numbered(number) for number in range(12)])
    latest = [numbered(number) for number in range(11, 1, -1)]
    assert len(latest) == N_LISTED
    assert [each.hash for each in found.listed(state)] == latest
    assert [each.hash for each in found.listed(replace(state, snapshot=numbered(5)))] == latest
    assert [each.hash for each in found.listed(replace(state, snapshot=numbered(0)))] == [*latest, numbered(0)]


def test_a_warm_start_is_the_oldest() -> None:
    found, state = learned([numbered(1), numbered(2)], warmed=True)
    assert [each.hash for each in found.listed(state)] == [numbered(2), numbered(1), WARM]
    assert [each.hash for each in found.listed(state, is_shadow=True)] == []
    found, state = learned([numbered(number) for number in range(12)], warmed=True)
    assert state.snapshot == WARM == found.listed(state)[-1].hash


def test_a_snapshot_is_called_by_its_first_digits() -> None:
    found, state = learned([numbered(1), "01" * 31 + "ff"], warmed=True)
    assert found.named(state, WARM[:6]).hash == WARM
    assert found.named(state, f" {WARM[:9].upper()} ").hash == WARM
    assert found.named(state, numbered(1)).hash == numbered(1)
    with pytest.raises(InvalidRequest, match="2 snapshots of 'hero' begin with 010101"):
        found.named(state, "010101")
    with pytest.raises(UnknownSnapshot, match="armlift policy list hero"):
        found.named(state, "abcdef")


@pytest.mark.parametrize("text", ["", "01010", "nothex", "01" * 33, "% OR 1=1", "0x0101"])
def test_what_is_no_hash_is_refused(text: str) -> None:
    found, state = learned([numbered(1)])
    with pytest.raises(InvalidRequest, match="first 6 hex digits"):
        found.named(state, text)


def test_a_summary_says_what_is_live() -> None:
    state = replace(learned([])[1], snapshot=numbered(1), shadow_snapshot=numbered(2))
    live, shadow = snapshot(numbered(1)), snapshot(numbered(2), is_shadow=True)
    assert summarised(live, state).is_live
    assert summarised(shadow, state).is_live
    assert not summarised(replace(shadow, is_shadow=False), state).is_live
    assert summarised(shadow, replace(state, snapshot=shadow.hash, shadow_snapshot="")).is_live, "it was promoted"
    assert (summarised(live, state).learned_to, summarised(live, state).n_bytes) == (NOON, 5)
    assert summarised(replace(live, watermark=BEFORE_THE_LOG), state).learned_to is None
