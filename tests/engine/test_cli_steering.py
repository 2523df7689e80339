"""The commands that steer an experiment that runs, as somebody types them."""

import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from engine import cli
from engine.service.server import Serving, serving_beside

FILE = """\
experiment: NAME
variants: [general, bundle, loyalty]
context: {visits: number}
metrics: {purchase: {kind: conversion, window: 3d}}
"""
RAMP = "ramp: [{traffic: 0.1, lasts: 1d}, {traffic: 0.5, lasts: 1d}, {traffic: 1}]\n"
POPULATION = """\
population:
  segments: {vip: {visits: {$gte: 10}}}
  layers: {checkout: {holdout: 0.05}}
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving_beside(Serving(tmp_path_factory.mktemp("store"), "127.0.0.1:0", companions=())) as bound:
        yield bound


@pytest.fixture
def run(address):
    def run(*words: object, fails: bool = False) -> str:
        command = [str(word) for word in words]
        local = command[0] == "check"
        result = CliRunner().invoke(cli.cli, command if local else [*command, "--server", address])
        assert bool(result.exception) == fails, result.output
        return str(result.exception) if fails else result.output

    return run


@pytest.fixture
def started(run, tmp_path):
    """Apply and start an experiment of a name, with more lines in its file."""

    def start(name: str, more: str = "") -> None:
        path = tmp_path / f"{name}.yaml"
        path.write_text(FILE.replace("NAME", name) + more)
        run("apply", path)
        run("start", name)

    return start


def test_a_ramp_is_moved_and_shown(run, started):
    started("ramped", RAMP)
    assert "early" in run("ramp", "ramped", "--next", "--reason", "well", fails=True)
    assert "traffic 0.5, ramp step 2 of 3 since" in run("ramp", "ramped", "--next", "--early", "--reason", "well")
    assert "traffic 1, ramp step 3 of 3" in run("ramp", "ramped", "--to", 3, "--early", "--reason", "in a hurry")
    assert "ramp is step 3 of 3: there is no step 4" in run("ramp", "ramped", "--next", "--reason", "on", fails=True)
    back = run("ramp", "ramped", "--back", "--reason", "complaints")
    assert "ramp rolled back" in back
    assert "opened epoch 2, because units moved" in back
    assert "# traffic 0\n# ramp rolled back" in run("show", "ramped")
    assert "complaints" in run("history", "ramped")
    assert "one of --to" in run("ramp", "ramped", fails=True)
    assert "one of --to" in run("ramp", "ramped", "--back", "--next", fails=True)


def test_a_variant_is_killed_and_an_old_revision_restored(run, started):
    started("killing")
    killed = run("kill", "killing", "loyalty", "--reason", "sold out")
    assert "epoch 2), killed loyalty\nopened epoch 2, because units moved" in killed
    assert "# killed loyalty" in run("show", "killing")
    assert "# below is revision 1: armlift restore killing 1" in run("show", "killing", "--revision", 1)
    assert "killed" in run("history", "killing")
    assert "killed" not in run("restore", "killing", 1, "--reason", "a mistake")
    assert "no revision 9" in run("restore", "killing", 9, fails=True)


def test_a_unit_is_forced_until_it_is_not(run, started):
    started("forcing")
    ask = ("assign", "forcing", "--unit", "customer-42")
    drawn = run(*ask).splitlines()[0]
    assert "from now on" in run("force", "forcing", "bundle", "--unit", "customer-42", "--reason", "asked for it")
    assert run(*ask).startswith("bundle (forced)")
    assert "as all others" in run("unforce", "forcing", "--unit", "customer-42")
    assert run(*ask).startswith(drawn)
    assert run(*ask, "--qa", "loyalty").startswith("loyalty (qa)")
    assert "general or bundle or loyalty" in run("force", "forcing", "bumble", "--unit", "u", fails=True)


def test_the_population_is_checked_applied_and_shown(run, started, tmp_path):
    started("shared")
    path = tmp_path / "population.yaml"
    path.write_text(POPULATION)
    assert "no changes yet" in run("population", "--history")
    assert "the population has segment vip, layer checkout" in run("check", path)
    assert run("apply", path, "--reason", "to begin with").startswith("changed: the population has segment vip")
    assert run("apply", path).startswith("unchanged")
    shown = run("population")
    path.write_text(shown)
    assert run("apply", path).startswith("unchanged")
    path.write_text(POPULATION + "  holdout: 0.1\n")
    assert "opened an epoch in shared, because units moved" in run("apply", path, "--reason", "a holdout")
    history = run("population", "--history")
    assert "to begin with" in history
    assert "holdout" in history
    path.write_text(POPULATION + "  holdout: 1.1\n")
    assert "holdout" in run("check", path, fails=True)


def test_applying_says_which_epoch_it_opens(run, started, tmp_path):
    started("weighed")
    path = tmp_path / "weighed.yaml"
    path.write_text(path.read_text() + "policy: {fixed: {weights: {general: 0.8, bundle: 0.1, loyalty: 0.1}}}\n")
    assert run("apply", path).startswith("changed, which opened epoch 2: weighed is running")
    path.write_text(path.read_text() + "brief: {hypothesis: clearer}\n")
    assert run("apply", path).startswith("changed: weighed is running")


def test_an_etag_keeps_two_people_from_undoing_each_other(run, started, tmp_path):
    started("edited")
    path = tmp_path / "edited.yaml"
    etag = re.search(r"epoch 1\), etag (\d+)\n", run("show", "edited"))[1]
    path.write_text(path.read_text() + "brief: {hypothesis: hers}\n")
    assert run("apply", path, "--etag", etag).startswith("changed")
    path.write_text(path.read_text().replace("hers", "his"))
    assert "read it again" in run("apply", path, "--etag", etag, fails=True)
    path.write_text("population: {holdout: 0.5}\n")
    assert "read it again" in run("apply", path, "--etag", "99", fails=True)


def test_a_row_of_a_list_is_one_line(run, started):
    started("spoken", "brief: {hypothesis: " + "word " * 40 + "}\n" + RAMP)
    (row,) = [line for line in run("list").splitlines() if " spoken " in line]
    assert "ramp step 1 of 3 since" in row
    assert row.rstrip().endswith("word " * 39 + "word")


def test_a_schedule_is_shown(run, started):
    started("timed", "starts_at: 2040-12-01T00:00:00Z\nends_at: 2041-01-01T00:00:00Z\n")
    shown = run("show", "timed")
    assert "# from 2040-12-01 00:00:00\n# until 2041-01-01 00:00:00" in shown
    assert run("assign", "timed", "--unit", "u1").startswith("general (not started)")


def test_watching_shows_changes_as_they_come(address, started):
    command = [sys.executable, "-m", "engine.cli", "watch", "--server", address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        started("watched")
        try:
            for line in watching.stdout:
                if re.match(r" *\d+  watched is running \(fixed, revision 1, epoch 1\)", line):
                    break
        finally:
            watching.terminate()
