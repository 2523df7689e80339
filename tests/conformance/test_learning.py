"""What every store promises the learner: where an experiment begins, the log skimmed, and snapshots in full."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.ports import SnapshotStore
from engine.records import Candidate, Entry, Erasure, Probe, Snapshot
from engine.skimming import Passed, Wanted, outline
from tests.conformance.entries import ANNA, BEN, NOON, assignment, exposure, outcome


def test_an_experiment_begins_at_its_first_assignment(both) -> None:
    assert both.reader.first_seq("hero") == 0
    other = replace(assignment(1), experiment_id="other")
    both.kept(outcome("o1", unit=ANNA), other, assignment(2), exposure(1), assignment(3))
    assert [both.reader.first_seq(name) for name in ("other", "hero", "unknown")] == [2, 3, 0]


LOG: list[Entry] = [
    assignment(1, ANNA),
    replace(assignment(2, BEN), experiment_id="other"),
    exposure(1),
    outcome("o1", 1),
    replace(outcome("o2", unit=BEN), metric="visit"),
    replace(outcome("o3", 1), metric="", void_of="o1"),
    Erasure(BEN, NOON, "kim", "asked"),
    assignment(3, BEN),
]


@pytest.mark.parametrize(
    ("wanted", "read"),
    [
        (Wanted(frozenset({"hero"}), frozenset({"click"}), exposures=True), [1, 3, 4, 6, 7, 8]),
        (Wanted(frozenset({"other"}), frozenset({"visit"}), exposures=False), [2, 5, 6, 7]),
        (Wanted(frozenset({"hero", "other"}), frozenset({"click", "visit"}), exposures=False), [1, 2, 4, 5, 6, 7, 8]),
        (Wanted(frozenset(), frozenset(), exposures=False), [6, 7]),
    ],
)
def test_of_what_is_not_wanted_a_reader_tells_only_when_it_came(both, wanted: Wanted, read: list[int]) -> None:
    both.kept(*LOG)
    whole = both.reader.entries()
    expected = [outline(entry) if entry.seq in read else Passed(entry.seq, NOON) for entry in whole]
    assert both.reader.skim(wanted) == expected
    assert both.reader.skim(wanted, after=2, limit=3) == expected[2:5]
    assert both.reader.skim(wanted, after=len(LOG)) == []


def snapshot(digit: str, *, is_shadow: bool = False) -> Snapshot:
    brought = Candidate("offer: 1 | né", {"price": 0.1, "tags": ("a", "b"), "new": True}), Candidate("plain")
    probe = Probe({"device": "phone"}, ("offer: 1 | né", "plain"), (0.1, 0.9), brought)
    chain = {"is_shadow": is_shadow, "n_warm": 4, "fold_from": 7}
    return Snapshot(
        digit * 64,
        "hero",
        1,
        "thompson",
        b"state",
        "a" * 64,
        (NOON, "n1", 7),
        3,
        "numpy 2",
        (),
        "s1",
        (probe,),
        **chain,
    )


def test_a_snapshot_comes_back_in_full(snapshots: SnapshotStore) -> None:
    snapshots.add(snapshot("b", is_shadow=True))
    assert snapshots.snapshot("hero", "b" * 64) == snapshot("b", is_shadow=True)


def test_a_policy_and_its_shadow_may_know_the_same(snapshots: SnapshotStore) -> None:
    own, shadows = snapshot("b"), snapshot("b", is_shadow=True)
    for each in (own, shadows, own, shadows):
        snapshots.add(each)
    assert snapshots.snapshots("hero") == [own, shadows]
    assert [*snapshots.newest("hero")] == [own]
    assert [*snapshots.newest("hero", is_shadow=True)] == [shadows]
