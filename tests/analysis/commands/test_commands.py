from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner

import analysis
from analysis.commands.report import report
from engine import lifecycle
from engine.clock import EPOCH
from engine.errors import StoreUnavailable, UnknownExperiment
from engine.experiments import Experiment, Status, Variant
from engine.lifecycle import Author
from engine.metrics import Metric
from engine.storage import open_store

AUTHOR = Author("test", "because", EPOCH)


@pytest.fixture
def store(tmp_path, new_log):
    """A directory with what happened in a log in memory: two experiments, rows in one."""
    experiment = Experiment("hero", (Variant("a"), Variant("b")), (Metric("click", window=timedelta(days=1)),))
    log = new_log(experiment)
    for i in range(30):
        log.observe(log.assign(f"unit {i}", i / 10), "click", i / 10)
    writer = open_store(tmp_path / "store")
    for state in (log.experiment, Experiment("other", experiment.variants, experiment.metrics)):
        draft, created = lifecycle.create(state, AUTHOR)
        writer.save(draft, created, "")
        running, started = lifecycle.transition(draft, Status.RUNNING, "", AUTHOR)
        writer.save(running, started, draft.etag)
    writer.append(log.store.entries())
    writer.close()
    return tmp_path / "store", log


def run(*arguments):
    return CliRunner().invoke(report, [str(argument) for argument in arguments])


def test_a_store_and_the_memory_it_came_from_say_the_same(store):
    directory, log = store
    found = analysis.report(directory, "hero")
    assert found == replace(analysis.report(log.store, "hero"), history=found.history)
    assert [step.action for step in found.history] == ["create", "start"]
    assert found.health.n_assignments == 30


def test_all_experiments_or_those_named_are_written(store, tmp_path):
    done = run("--log", store[0], "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert str(tmp_path / "out" / "hero" / "report.html") in done.output.replace("\n", "")
    assert (tmp_path / "out" / "other" / "report.json").is_file()
    assert 'href="attribution/click.html"' in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "attribution" / "click.html").is_file()
    run("hero", "--log", store[0], "--out", tmp_path / "one")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["csv", "hero", "index.html"]


def test_pages_and_what_is_printed_speak_the_language_asked_for(store, tmp_path):
    done = run("hero", "--log", store[0], "--out", tmp_path, "--language", "pl")
    assert '<html lang="pl">' in (tmp_path / "hero" / "report.html").read_text(encoding="utf-8")
    assert '<html lang="pl">' in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "dotychczas" in done.output
    assert run("hero", "--log", store[0], "--out", tmp_path, "--language", "xx").exit_code == 2


def test_what_is_not_there_is_said(store, tmp_path):
    assert isinstance(run("none", "--log", store[0], "--out", tmp_path / "out").exception, UnknownExperiment)
    assert isinstance(run("--log", tmp_path / "nowhere", "--out", tmp_path / "out").exception, StoreUnavailable)
    assert not (tmp_path / "out").exists()


def test_help_has_an_example():
    assert "armlift report home-offer --log" in run("--help").output
