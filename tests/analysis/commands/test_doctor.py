"""`armlift doctor drift`: what it says, and its exit code."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from analysis.commands.doctor import doctor
from engine import lifecycle
from engine.cli import COMMANDS
from engine.clock import EPOCH
from engine.errors import InvalidRequest, UnknownExperiment
from engine.experiments import Experiment, Status, Variant
from engine.lifecycle import Author
from engine.metrics import Metric
from engine.specs import Ucb1Spec
from engine.storage import open_snapshots, open_store
from tests.analysis.checks.living import hero, lived

AUTHOR = Author("test", "because", EPOCH)
PLAIN = Experiment("plain", (Variant("a"), Variant("b")), (Metric("click"),))
SPEC = Ucb1Spec(publish_every=100, floor=0.05)


@pytest.fixture
def kept(tmp_path):
    """Return what keeps a log and its snapshots in a directory."""

    def keep(found):
        writer = open_store(tmp_path, secret=found.door.store.secret)
        for experiment in (hero(SPEC), PLAIN):
            draft, created = lifecycle.create(experiment, AUTHOR)
            writer.save(draft, created, "")
            running, started = lifecycle.transition(draft, Status.RUNNING, draft.etag, AUTHOR)
            writer.save(running, started, draft.etag)
        writer.append(found.door.store.entries(limit=10**6))
        writer.close()
        snapshots = open_snapshots(tmp_path, write=True)
        for snapshot in found.door.snapshots.snapshots("hero"):
            snapshots.add(snapshot)
        snapshots.close()
        return tmp_path

    return keep


def run(*arguments):
    return CliRunner().invoke(doctor, ["drift", *map(str, arguments)])


def test_where_nothing_drifted_all_is_said_to_be_well(kept):
    done = run("hero", "--log", kept(lived(SPEC, 1_500, 3, lambda _, variant, __: {"bold": 0.2}.get(variant, 0.1))))
    assert done.exit_code == 0, done.output
    reward, context, calibration = done.output.splitlines()
    assert (reward, context) == ("reward: Nothing drifted.", "context: Nothing drifted.")
    assert calibration.startswith("calibration: The policy earns about what it predicts (slope ")


def test_an_alarm_is_told_and_is_the_exit_code(kept):
    """From visit 2,500 on everything brings 15 % of what it did."""
    found = lived(SPEC, 4_500, 3, lambda number, _, __: 0.3 if number < 2_500 else 0.045)
    done = run("hero", "--log", kept(found))
    assert done.exit_code == 1
    assert "earned 0.3" in done.output
    assert "about since 2024-10-0" in done.output
    assert "calibration: Where 0." in done.output


def test_what_does_not_learn_and_what_is_not_there_are_refused(kept):
    directory = kept(lived(SPEC, 10, 3, lambda *_: 0.1))
    assert isinstance(run("plain", "--log", directory).exception, InvalidRequest)
    assert isinstance(run("nobody", "--log", directory).exception, UnknownExperiment)


def test_the_command_is_there():
    assert COMMANDS["doctor"][0] == doctor.callback.__module__
