"""`armlift export`: draws of an experiment in another tool's format, with their exact propensities."""

from datetime import timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from analysis.commands.export import export
from analysis.ope.doors import coba, dsjson, tables
from analysis.ope.stores import reading
from engine import lifecycle
from engine.clock import EPOCH
from engine.errors import InvalidRequest
from engine.experiments import ContextField, Experiment, FieldType, Status, Variant
from engine.lifecycle import Author
from engine.metrics import Metric, RewardTerm
from engine.randomness import ONE
from engine.specs import ThompsonSpec
from engine.storage import open_store
from tests.analysis.ope.doors.making import check_same

AUTHOR = Author("test", "because", EPOCH)
HERO = Experiment(
    "hero",
    (Variant("a"), Variant("b"), Variant("c")),
    (Metric("click", window=timedelta(hours=1)),),
    policy=ThompsonSpec(floor=0.06),
    context=(ContextField("age", FieldType.NUMBER), ContextField("city", FieldType.TEXT)),
    reward=(RewardTerm("click", 1.0),),
)


@pytest.fixture
def store(tmp_path, new_log):
    """The directory of a store in which 40 units were assigned, and some of them clicked."""
    log = new_log(HERO)
    for i in range(40):
        shares = (0.1 + i / 100, 0.3, 0.6 - i / 100)
        row = log.assign(f"unit {i}", i / 100, shares, context={"age": i / 3, "city": "Oslo" if i % 2 else "Rome"})
        if i % 3 == 0:
            log.observe(row, "click", i / 100)
    writer = open_store(tmp_path / "store")
    draft, created = lifecycle.create(log.experiment, AUTHOR)
    writer.save(draft, created, "")
    running, started = lifecycle.transition(draft, Status.RUNNING, "", AUTHOR)
    writer.save(running, started, draft.etag)
    writer.append(log.store.entries())
    writer.close()
    return tmp_path / "store"


def run(*arguments):
    return CliRunner().invoke(export, [str(argument) for argument in arguments])


@pytest.mark.parametrize(("kind", "read"), [("csv", tables.read), ("coba", coba.read), ("dsjson", dsjson.read)])
def test_the_draws_of_a_store_come_back_as_they_were(store, tmp_path, kind, read):
    done = run("hero", "--log", store, "--format", kind, "--out", tmp_path / "out" / "hero.log")
    assert done.exit_code == 0, done.output
    ours, theirs = reading.read(store, "hero"), list(read(tmp_path / "out" / "hero.log"))
    assert len(ours) > 0
    assert f"{len(ours)} draws of hero are in" in done.output.replace("\n", " ")
    check_same([ours], theirs, without=("unit", "slate"))
    whole = theirs[0].propensity * ONE
    assert (whole == np.round(whole)).all(), "integers of 2**32, as they were drawn"
    assert len(set(whole.tolist())) > 10


def test_an_experiment_without_draws_says_so(store, tmp_path):
    done = run("hero", "--log", store, "--format", "csv", "--out", tmp_path / "out.csv", "--metric", "click")
    assert done.exit_code == 0
    writer = open_store(tmp_path / "empty")
    writer.save(*lifecycle.create(HERO, AUTHOR), "")
    writer.close()
    refused = run("hero", "--log", tmp_path / "empty", "--format", "csv", "--out", tmp_path / "none.csv").exception
    assert "'hero' has no draws to write" in str(refused)
    assert not (tmp_path / "none.csv").exists()


def test_what_does_not_go_together_is_refused(store, tmp_path):
    def why(*arguments):
        return run("--log", store, *arguments).exception

    assert "leave EXPERIMENT" in str(why("hero", "--out", tmp_path / "out"))
    assert "say which" in str(why("--format", "csv", "--out", tmp_path / "out.csv"))
    assert "name the file" in str(why("hero", "--format", "csv", "--out", tmp_path))
    assert isinstance(why("hero", "--format", "csv", "--out", tmp_path), InvalidRequest)
