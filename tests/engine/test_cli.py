"""The command, as somebody types it."""

import re
import subprocess
import sys

import pytest
from armlift import Ask, Candidate, Client
from click.testing import CliRunner

from engine import cli
from engine.experiments import Status
from engine.service.management import Management
from engine.service.server import Serving, serving_beside

FILE = """\
experiment: home-offer
variants: {general: {}, bundle: {payload: {headline: Two for one}}}
context: {visits: number}
metrics: {purchase: {kind: conversion, window: 3d}}
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving_beside(Serving(tmp_path_factory.mktemp("store"), "127.0.0.1:0", companions=())) as bound:
        yield bound


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "home-offer.yaml"
    path.write_text(FILE)
    return path


def run(*words: object) -> str:
    result = CliRunner().invoke(cli.cli, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def failing(*words: object) -> str:
    """Return what a call that fails says: one line, and no traceback."""
    command = [sys.executable, "-m", "engine.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert re.fullmatch(r"armlift: [^\n]+\n", done.stderr), done.stderr
    return done.stderr


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(name):
    text = run(name, "--help")
    assert re.search(rf"Examples?:\n\s+armlift {name}\b", text), text


def test_from_a_file_to_an_explanation_and_back(address, file, tmp_path):
    at_server = ("--server", address)
    assert "is right" in run("check", file)
    assert run("apply", file, "--actor", "ann", *at_server).startswith("created: home-offer is a draft")
    assert run("apply", file, *at_server).startswith("unchanged")
    assert "running" in run("start", "home-offer", "--actor", "ann", "--reason", "go", *at_server)
    answer = run("assign", "home-offer", "--unit", "u1", "--context", "visits=3", *at_server)
    assignment = re.search(r"assignment: (\w+)", answer)[1]
    assert "propensity 0.5" in answer
    assert run("record", "purchase", "--assignment", assignment, *at_server) == "recorded\n"
    assert run("record", "purchase", "--unit", "u1", "--outcome-id", "o1", *at_server) == "recorded\n"
    assert run("record", "purchase", "--unit", "u1", "--outcome-id", "o1", *at_server) == "duplicate\n"
    assert "reproduced" in run("explain", assignment, *at_server)
    assert "unit missing" in run("assign", "home-offer", *at_server)
    shown = run("show", "home-offer", *at_server)
    assert "# answered outside it since the server started: unit missing 1" in shown
    again = tmp_path / "shown.yaml"
    again.write_text(shown)
    assert run("apply", again, *at_server).startswith("unchanged")
    assert "home-offer" in run("list", *at_server)
    history = run("history", "home-offer", *at_server)
    assert "create" in history
    assert "go" in history


def test_the_whole_life_of_an_experiment(address, file):
    file.write_text(FILE.replace("home-offer", "life"))
    at_server = ("--server", address)
    run("apply", file, *at_server)
    steps = [("start", "running"), ("pause", "paused"), ("resume", "running"), ("conclude", "concluded")]
    for command, status in steps:
        assert f"life is {status}" in run(command, "life", *at_server)
    assert "cannot become running" in failing("start", "life", *at_server)
    assert "life is archived" in run("archive", "life", *at_server)
    with Management(address, "ann") as management:
        assert management.get("life").status is Status.ARCHIVED


FEED = """\
experiment: feed
candidates: {price: number}
slots: 3
variants: [house]
metrics: [click]
"""


def test_slots_are_filled_from_candidates_and_shown_as_a_table(address, file):
    file.write_text(FEED)
    at_server = ("--server", address)
    run("apply", file, *at_server)
    run("start", "feed", *at_server)
    brought = [word for text in ("a1: {price: 3}", "a2", "{a3: , a4: {price: 4}}") for word in ("--candidate", text)]
    shown = run("assign", "feed", "--unit", "u1", "--slots", 3, *brought, "--exclude", "a2", *at_server)
    lines = [line.split() for line in shown.splitlines()]
    assert lines[0] == ["slot", "variant", "reason", "propensity", "payload"]
    assert [line[0] for line in lines[1:4]] == ["0", "1", "2"]
    assert {line[1] for line in lines[1:4]} == {"a1", "a3", "a4"}
    assert [line[2:4] for line in lines[1:4]] == [["drawn", "0.3333"], ["drawn", "0.5"], ["drawn", "1"]]
    assignment = re.search(r"assignment: (\w+)", shown)[1]
    assert "reproduced" in run("explain", assignment, "--slot", 2, *at_server)
    one = run("assign", "feed", "--unit", "u1", "--candidate", "a1", *at_server)
    assert "a1 (drawn, propensity 1)" in one
    assert "can be 1 to 3" in failing("assign", "feed", "--unit", "u1", "--slots", 4, *at_server)
    assert "--candidate" in failing("assign", "feed", "--unit", "u1", "--candidate", "a1: 3", *at_server)


WARNED = """\
experiment: odd
variants: [plain, bold]
policy: {contextual: {explorer: cover}}
shadow: {contextual: {explorer: rnd}}
metrics: [click]
"""


def test_an_explorer_with_known_defects_is_accepted_with_a_warning(address, file):
    file.write_text(WARNED)
    for words in (("check", file), ("apply", file, "--server", address)):
        said = run(*words)
        assert re.search(r"^warning: Vowpal Wabbit 9.9.0 has cover's test .*: squarecb has no such defect$", said, re.M)
        assert re.search(r"^warning: the shadow: in Vowpal Wabbit 9.9.0 rnd is not even", said, re.M)
    file.write_text(WARNED.replace("cover", "squarecb").replace("rnd", "epsilon"))
    assert "warning" not in run("check", file)


def test_names_are_shown_as_they_are_and_steer_no_terminal(address, file):
    file.write_text(FEED.replace("experiment: feed", "experiment: odd-feed\nbrief: {hypothesis: ':smile: [/red]'}"))
    at_server = ("--server", address)
    run("apply", file, *at_server)
    run("start", "odd-feed", *at_server)
    assert ":smile: [/red]" in run("list", *at_server)
    with Client(address) as client:
        brought = [Candidate("[/x]\n\x1b[31mverdict: forged"), Candidate(":smile:")]
        answer = client.assign_slates([Ask("odd-feed", "u1", candidates=brought, slots=2)])[0][0]
    explained = run("explain", answer.assignment_id, *at_server)
    assert r"[/x]\n\x1b[31mverdict: forged 0.5" in explained
    assert "\nverdict: forged" not in explained
    shown = run(
        "assign", "odd-feed", "--unit", "u1", "--candidate", "[/x]", "--candidate", "a", "--slots", 2, *at_server
    )
    assert " [/x] " in shown


def test_files_alone_explain_too(tmp_path, file):
    with serving_beside(Serving(tmp_path / "store", "127.0.0.1:0", companions=())) as bound:
        run("apply", file, "--server", bound)
        run("start", "home-offer", "--server", bound)
        answer = run("assign", "home-offer", "--unit", "u1", "--server", bound)
    assignment = re.search(r"assignment: (\w+)", answer)[1]
    assert "reproduced" in run("explain", assignment, "--log", tmp_path / "store")
    assert "check the two" in failing("explain", "0" * 32, "--log", tmp_path / "store")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("check", "nowhere.yaml"), "nowhere.yaml"),
        (("list", "--server", "127.0.0.1:1"), "armlift serve"),
        (("assign", "hero", "--unit", "u1", "--context", "visits"), "NAME=VALUE"),
        (("report", "hero", "--log", "nowhere"), "nowhere"),
        (("serve", "--store", "/proc/nowhere"), "/proc/nowhere"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(words, sentence):
    assert sentence in failing(*words)


def test_what_is_not_there_is_said(address):
    assert "armlift list" in failing("show", "nothing", "--server", address)
    assert "unknown_experiment" not in failing("assign", "nothing", "--unit", "u", "--server", address)
    assert "no experiment declares" in failing("record", "nothing", "--unit", "u", "--server", address)
