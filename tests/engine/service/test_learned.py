"""What was learned, through the service: warm starts, snapshots that are published, pinned and followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from armlift.v1 import learning_pb2 as contract
from armlift.v1.learning_pb2_grpc import LearningServiceStub

from engine import errors
from engine.clock import RequestClock
from engine.experiments import Experiment, Status
from engine.explanation import Verdict
from engine.learned import name_of
from engine.learning import LearnerPool
from engine.randomness import ONE
from engine.recompute import Recomputer
from engine.records import Assignment, Reason, Reward, Snapshot, Unit
from engine.service.snapshots import from_learned
from engine.service.status import hearing
from engine.specs import ContextualSpec, ThompsonSpec
from engine.storage import find_snapshot_in, open_reader, open_snapshots
from tests.engine.house import next_snapshot

SPEC = ThompsonSpec(publish_every=10, publish_after=timedelta(0))
N_LESSONS = 90


@pytest.fixture
def stub(service: Any) -> Iterator[Any]:
    with opened(service) as found:
        yield found


@contextmanager
def opened(service: Any) -> Iterator[Any]:
    with grpc.insecure_channel(service.address) as channel:
        yield LearningServiceStub(channel)


def lesson(number: int, at: datetime) -> Reward:
    """One of three draws of each variant that all come off with `bold` alone."""
    names = ("plain", "bold", "loud")
    variant = names[number % 3]
    row = Assignment(
        "hero",
        variant,
        Reason.DRAWN,
        Unit("customer", f"w{number}"),
        at,
        at,
        is_draw=True,
        eligible=names,
        distribution=(ONE // 3 + 1, ONE // 3, ONE // 3),
        context={"visits": 1.0},
    )
    return Reward(row, float(variant == "bold"), at, 0)


def taught(service: Any, at: datetime, name: str = "warm", n: int = N_LESSONS) -> Snapshot:
    state = service.management.get(name)
    return next_snapshot(state.experiment, state.epoch, None, [lesson(number, at) for number in range(n)])


def begun(service: Any, hero: Experiment, at: datetime, spec: Any = SPEC) -> Snapshot:
    """Apply a draft, give it a warm start and start it."""
    service.management.apply(replace(hero, experiment_id="warm", policy=spec), "to be tested")
    snapshot = taught(service, at)
    service.management.warm(snapshot, "", "last year's test")
    service.management.move("warm", Status.RUNNING, "go")
    return snapshot


def asked(service: Any, at: datetime, n: int = 40, tag: str = "u") -> list[Any]:
    return [service.client.assign("warm", unit=f"{tag}{number}", context={"visits": 1.0}, at=at) for number in range(n)]


def learn(service: Any, is_published: bool = True) -> list[str]:
    """Do what the learner's process does, once; return the hashes of what it made."""
    with (
        closing(open_reader(service.directory)) as reader,
        closing(open_snapshots(service.directory, write=True)) as snapshots,
        opened(service) as stub,
    ):
        pool = LearnerPool(reader, snapshots)
        made = pool.step()
        for snapshot in made if is_published else ():
            stub.PublishSnapshot(published(snapshot))
        pool.done()
    return [snapshot.hash for snapshot in made]


def published(snapshot: Snapshot) -> Any:
    return contract.PublishSnapshotRequest(
        experiment_id=snapshot.experiment_id,
        epoch=snapshot.epoch,
        snapshot=snapshot.hash,
        is_shadow=snapshot.is_shadow,
    )


def verdicts(directory: Path) -> set[Verdict]:
    with closing(open_reader(directory)) as reader:
        recomputer = Recomputer(reader, find_snapshot_in(directory))
        rows = [entry for entry in reader.entries() if isinstance(entry, Assignment)]
        return {recomputer.explain(row).verdict for row in rows}


def test_a_draft_that_begins_warm_draws_from_it_at_once_and_its_rows_recompute(
    service: Any, hero: Experiment, at: datetime
) -> None:
    snapshot = begun(service, hero, at)
    first = asked(service, at, 1)[0]
    assert first.snapshot == snapshot.hash == service.management.get("warm").snapshot
    assert first.variant == "bold"
    assert first.propensity is not None
    assert first.propensity > 0.9
    assert verdicts(service.directory) == {Verdict.REPRODUCED}
    (only,) = service.management.snapshots("warm")
    assert (only.hash, only.is_live, only.n_warm, only.n_rewards) == (snapshot.hash, True, N_LESSONS, 0)
    change = list(service.management.history("warm"))[1]
    assert (change.action, change.reason, change.fields[1]) == ("warm", "last year's test", "was nothing")


@pytest.mark.parametrize("spec", [SPEC, ContextualSpec(publish_every=10, publish_after=timedelta(0))])
def test_the_learner_goes_on_from_a_warm_start(service: Any, hero: Experiment, at: datetime, spec: Any) -> None:
    snapshot = begun(service, hero, at, spec)
    asked(service, at)
    asked(service, at + timedelta(hours=3), 1, "later")
    hashes = learn(service)
    first, *_, last = reversed(service.management.snapshots("warm"))
    assert (first.hash, last.is_live, last.hash) == (snapshot.hash, True, hashes[-1])
    assert (last.n_warm, last.n_rewards) == (N_LESSONS, 40)
    with closing(open_snapshots(service.directory)) as snapshots:
        assert snapshots.snapshots("warm")[0].parent == snapshot.hash


def test_a_rollback_stays_and_following_goes_on_with_the_newest(
    service: Any, serve: Callable[..., Any], hero: Experiment, at: datetime
) -> None:
    warm = begun(service, hero, at)
    asked(service, at, 20)
    asked(service, at + timedelta(hours=3), 20, "later")
    one, two = learn(service)
    assert service.management.get("warm").snapshot == two
    back = service.management.pin("warm", one[:8].upper(), "the new one sells less")
    assert (back.hash, back.is_live) == (one, True)
    state = service.management.get("warm")
    assert (state.snapshot, state.pinned) == (one, True)
    assert asked(service, at, 1, "pinned")[0].snapshot == one
    asked(service, at + timedelta(hours=6), 1, "much later")
    assert len(three := learn(service)) == 2
    assert service.management.get("warm").snapshot == one, "what is learned does not move what is pinned"
    assert service.management.pin("warm", warm.hash, "back to the beginning").n_rewards == 0
    newest = service.management.unpin("warm", "mended")
    assert newest is not None
    assert newest.hash == three[-1] == service.management.get("warm").snapshot
    changes = [(change.action, change.fields) for change in service.management.history("warm")][-3:]
    assert changes == [
        ("pin", (one[:12], f"was {two[:12]}")),
        ("pin", (warm.hash[:12], f"was {one[:12]}")),
        ("unpin", (newest.hash[:12], f"was {warm.hash[:12]}")),
    ]
    assert verdicts(service.directory) == {Verdict.REPRODUCED}


def test_all_of_it_is_there_after_a_restart(
    tmp_path: Path, serve: Callable[..., Any], hero: Experiment, at: datetime
) -> None:
    with serve(tmp_path / "store", RequestClock()) as service:
        warm = begun(service, hero, at)
        asked(service, at, 20)
    with serve(tmp_path / "store", RequestClock()) as service:
        assert asked(service, at, 1, "again")[0].snapshot == warm.hash
        asked(service, at + timedelta(hours=3), 1, "later")
        hashes = learn(service)
        service.management.pin("warm", warm.hash, "worse")
    with serve(tmp_path / "store", RequestClock()) as service:
        state = service.management.get("warm")
        assert (state.snapshot, state.pinned) == (warm.hash, True)
        assert asked(service, at, 1, "pinned")[0].snapshot == warm.hash
        service.management.move("warm", Status.PAUSED, "lunch")
        service.management.move("warm", Status.RUNNING, "after lunch")
        assert service.management.get("warm").pinned
        assert service.management.unpin("warm", "mended").hash == hashes[-1]
    assert verdicts(tmp_path / "store") == {Verdict.REPRODUCED}


def test_a_shadow_has_a_pointer_of_its_own_which_follows_its_learner(
    service: Any, hero: Experiment, at: datetime
) -> None:
    shadow = ContextualSpec(publish_every=10, publish_after=timedelta(0))
    service.start(replace(hero, experiment_id="warm", policy=SPEC, shadow=shadow))
    asked(service, at, 15)
    asked(service, at + timedelta(hours=3), 5, "later")
    learn(service)
    (serving,), (shadowing,) = (
        service.management.snapshots("warm"),
        service.management.snapshots("warm", is_shadow=True),
    )
    state = service.management.get("warm")
    assert (state.snapshot, state.shadow_snapshot) == (serving.hash, shadowing.hash)
    assert (serving.is_live, shadowing.is_live) == (True, True)
    with pytest.raises(errors.InvalidRequest, match="shadow policy of 'warm', which serves nobody"):
        service.management.pin("warm", shadowing.hash, "it looks better")
    service.management.pin("warm", serving.hash, "good enough")
    asked(service, at + timedelta(hours=3), 15, "more")
    asked(service, at + timedelta(hours=6), 1, "last")
    learn(service)
    state = service.management.get("warm")
    assert state.snapshot == serving.hash
    assert state.shadow_snapshot == service.management.snapshots("warm", is_shadow=True)[0].hash != shadowing.hash


def test_an_edit_of_a_draft_keeps_a_warm_start_that_fits_and_no_other(
    service: Any, hero: Experiment, at: datetime
) -> None:
    draft = replace(hero, experiment_id="warm", policy=SPEC)
    service.management.apply(draft, "")
    snapshot = service.management.warm(taught(service, at), "", "a test")
    for edited, kept in (
        (replace(draft, seed="other"), snapshot.hash),
        (replace(draft, variants=hero.variants[:2]), ""),
    ):
        assert service.management.apply(edited, "")[0].snapshot == kept
    assert service.management.apply(draft, "")[0].snapshot == snapshot.hash, "it fits again"
    fields = [change.fields for change in service.management.history("warm")][-3:]
    assert ["warm start" in each for each in fields] == [False, True, True]


def test_a_snapshot_that_nobody_has_is_not_pinned(service: Any, hero: Experiment, at: datetime) -> None:
    begun(service, hero, at)
    with pytest.raises(errors.UnknownSnapshot, match="armlift policy list warm"):
        service.management.pin("warm", "abcdef", "worse")
    for text in ("", "abcde", "the old one", "0" * 65):
        with pytest.raises(errors.InvalidRequest, match="first 6 hex digits"):
            service.management.pin("warm", text, "worse")
    with pytest.raises(errors.UnknownExperiment):
        service.management.pin("wram", "abcdef", "worse")
    with pytest.raises(errors.InvalidRequest, match="which learns nothing"):
        service.management.unpin("hero", "mended")
    with pytest.raises(errors.UnknownExperiment):
        service.management.snapshots("wram")


def test_a_prefix_that_several_have_is_refused(service: Any, hero: Experiment, at: datetime) -> None:
    snapshot = begun(service, hero, at)
    twin = snapshot.hash[:6] + "f" * 58
    with closing(open_snapshots(service.directory, write=True)) as snapshots:
        snapshots.add(replace(snapshot, hash=twin, n_rewards=1))
    with pytest.raises(errors.InvalidRequest, match="2 snapshots of 'warm' begin with"):
        service.management.pin("warm", twin[:6], "worse")
    with pytest.raises(errors.SnapshotRefused, match="not what its name says"):
        service.management.pin("warm", twin, "worse")
    assert not service.management.get("warm").pinned


def test_a_snapshot_of_another_schema_is_not_pinned(service: Any, hero: Experiment, at: datetime) -> None:
    snapshot = begun(service, hero, at)
    blob = snapshot.blob.replace(b"loud", b"quiet")
    unnamed = replace(snapshot, blob=blob, schema="0" * 32)
    other = replace(unnamed, hash=name_of(unnamed))
    with closing(open_snapshots(service.directory, write=True)) as snapshots:
        snapshots.add(other)
    with pytest.raises(errors.SnapshotRefused):
        service.management.pin("warm", other.hash, "worse")
    assert service.management.get("warm").snapshot == snapshot.hash


@pytest.mark.parametrize("spec", [SPEC, ContextualSpec()])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"blob": lambda blob: blob[:-3]}, "not what its name says"),
        ({"blob": lambda blob: bytes([blob[0] ^ 1]) + blob[1:]}, "not what its name says"),
        ({"blob": lambda blob: blob[:-3], "hash": None}, "learn it anew"),
        ({"blob": lambda blob: b"", "hash": None}, "knows nothing"),
        ({"schema": lambda _: "0" * 32}, "other fields, variants or rewards"),
        ({"library": lambda _: "numpy 0.1"}, "numpy 0.1 wrote it"),
        ({"arguments": lambda _: ("--cb_type", "ips")}, "configured differently"),
        ({"n_lessons": lambda _: 0}, "knows nothing"),
    ],
)
def test_learned_state_that_does_not_verify_is_no_warm_start(
    service: Any, stub: Any, hero: Experiment, at: datetime, spec: Any, changes: dict[str, Any], words: str
) -> None:
    service.management.apply(replace(hero, experiment_id="warm", policy=spec), "")
    snapshot = taught(service, at)
    message = from_learned(snapshot)
    sent = contract.LearnedState()
    sent.CopyFrom(message)
    for name, change in changes.items():
        value = change(getattr(message, name)) if change else name_of(replace(snapshot, blob=sent.blob))
        sent.ClearField(name)
        sent.MergeFrom(contract.LearnedState(**{name: value}))
    request = contract.WarmStartRequest(experiment_id="warm", state=sent, actor="tests", reason="a test")
    with pytest.raises((errors.SnapshotRefused, errors.InvalidRequest), match=words), hearing():
        stub.WarmStart(request)
    assert service.management.get("warm").snapshot == ""
    with closing(open_reader(service.directory)) as reader:
        assert reader.warm_start("warm") is None


def test_a_warm_start_is_for_drafts_that_learn(service: Any, hero: Experiment, at: datetime) -> None:
    snapshot = begun(service, hero, at)
    with pytest.raises(errors.InvalidTransition, match="'warm' is running: a warm start is for drafts"):
        service.management.warm(snapshot, "", "again")
    service.management.apply(replace(hero, experiment_id="plain"), "")
    with pytest.raises(errors.InvalidRequest, match="'plain' is fixed, which learns nothing"):
        service.management.warm(replace(snapshot, experiment_id="plain"), "", "again")
    service.management.apply(replace(hero, experiment_id="next", policy=SPEC), "")
    with pytest.raises(errors.StaleEtag):
        service.management.warm(replace(snapshot, experiment_id="next"), "9", "again")
    with pytest.raises(errors.InvalidRequest, match="for a reason"):
        service.management.warm(replace(snapshot, experiment_id="next"), "", " ")


def test_what_is_too_large_to_be_sent_is_no_warm_start(service: Any, hero: Experiment, at: datetime) -> None:
    snapshot = begun(service, hero, at)
    with pytest.raises(errors.InvalidRequest, match=r"has 4\.2 MB, and 4 MB are the most that can be sent to a server"):
        service.management.warm(replace(snapshot, blob=bytes(4_200_000)), "", "again")


def test_an_edit_says_when_what_was_learned_is_lost(service: Any, hero: Experiment, at: datetime) -> None:
    service.management.apply(replace(hero, experiment_id="warm", policy=SPEC), "")
    service.management.warm(replace(taught(service, at), experiment_id="warm"), "", "last year's")
    draft = service.management.get("warm").experiment
    assert service.management.apply(replace(draft, policy=replace(SPEC, floor=0.3)), "")[1] == "changed"
    anew = replace(draft, policy=replace(SPEC, prior_beta=9.0))
    assert service.management.apply(anew, "")[1] == "changed, and has lost its warm start, which does not fit it"
