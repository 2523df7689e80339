"""The commands of `armlift policy`, as somebody types them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine import cli
from engine.commands.policy import PLACES
from engine.service.server import Serving, serving_beside
from engine.storage import open_reader, open_snapshots
from simulators.warming import of_csv, taught
from tests.engine.house import next_snapshot

DRAFT = """\
experiment: NAME
context: {visits: number}
variants: [none, mens]
policy: {contextual: {floor: 0.02, gamma: 50}}
metrics: {visit: {kind: conversion, window: 1h}}
reward: {visit: 1}
"""
RECIPE = """\
recipe: mail
context: {visits: number}
variant: {column: arm, names: [none, mens]}
metrics: {visit: {kind: conversion, window: 1h}}
"""
CSV = "arm,visits,visit\n" + "none,1,0\nmens,1,1\nnone,3,0\nmens,3,1\n" * 50

Run = Callable[..., str]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("policy")
    (directory / "mail.yaml").write_text(RECIPE)
    (directory / "mail.csv").write_text(CSV)
    return directory / "store"


@pytest.fixture(scope="module")
def address(store: Path) -> Iterator[str]:
    with serving_beside(Serving(store, "127.0.0.1:0", companions=())) as bound:
        yield bound


@pytest.fixture
def run(address: str) -> Run:
    def run(*words: object, fails: bool = False) -> str:
        command = [str(word) for word in words]
        result = CliRunner().invoke(cli.cli, command if "--log" in command else [*command, "--server", address])
        assert bool(result.exception) == fails, result.output
        return str(result.exception) if fails else result.output

    return run


@pytest.fixture
def warm(run: Run, store: Path) -> Callable[[str], str]:
    """Apply a draft, warm it by the CSV and start it; return what was said of its beginning."""

    def warm(name: str) -> str:
        file = store.parent / f"{name}.yaml"
        file.write_text(DRAFT.replace("NAME", name))
        run("apply", file)
        taught_by = ("--csv", store.parent / "mail.csv", "--recipe", store.parent / "mail.yaml")
        said = run("policy", "warm", name, *taught_by, "--reason", "last year")
        assert "# begins with snapshot" in run("show", name)
        run("start", name)
        return said

    return warm


def learned_more(store: Path, name: str) -> str:
    """Keep a snapshot that learned the lessons of the CSV once more, as a learner would, and return its hash."""
    with (
        closing(open_reader(store)) as reader,
        closing(open_snapshots(store, write=True)) as snapshots,
        of_csv(store.parent / "mail.csv", store.parent / "mail.yaml") as teacher,
    ):
        state = reader.state(name)
        assert state is not None
        lessons = list(taught(state.experiment, teacher))
        snapshot = next_snapshot(state.experiment, state.epoch, reader.warm_start(name), lessons)
        snapshots.add(snapshot)
    return snapshot.hash


@pytest.mark.parametrize("name", PLACES)
def test_every_command_has_help_with_an_example_of_itself(name: str) -> None:
    text = CliRunner().invoke(cli.cli, ["policy", name, "--help"]).output
    assert re.search(rf"Examples?:\n\s+armlift policy {name}\b", text), text


def test_a_draft_begins_warm_and_says_so(run: Run, warm: Callable[[str], str]) -> None:
    said = warm("begun")
    (hash,) = re.findall(r"begun begins with snapshot ([0-9a-f]{12}): 200 lessons from mail\.csv", said)  # noqa: A001
    assert "start it with: armlift start begun" in said
    assert re.search(r"mens \(drawn, propensity 0\.9", run("assign", "begun", "--unit", "u1", "--context", "visits=2"))
    listed = run("policy", "list", "begun")
    assert re.search(rf"{hash} +live +0 +200 +- +1 +nothing", listed)
    assert f"warm: {hash}, was nothing" in run("history", "begun")


def test_a_rollback_and_its_end(run: Run, warm: Callable[[str], str], store: Path) -> None:
    warm("back")
    newest = learned_more(store, "back")
    (begun,) = re.findall(r"([0-9a-f]{12}) +live", run("policy", "list", "back"))
    told = run("policy", "rollback", "back", begun[:7], "--reason", "the new one sells less")
    assert f"back answers by {begun} (200 warm lessons), whatever is learned" in told
    assert f"# pinned to snapshot {begun}" in run("show", "back")
    assert f"pinned to {begun} until: armlift policy follow back" in run("policy", "list", "back")
    assert "nothing changes" in run("policy", "rollback", "back", begun, "--reason", "again", fails=True)
    told = run("policy", "follow", "back", "--reason", "mended")
    assert re.search(rf"back answers by {newest[:12]} \(200 warm lessons, then 200 rewards until 2026-01-01", told)
    assert "pinned" not in run("policy", "list", "back")
    assert re.search(rf"{newest[:12]} +live +200 +200 +2026-01-01", run("policy", "list", "back", "--log", store))
    assert "pin: " in run("history", "back")


def test_a_snapshot_is_shown_with_what_it_predicts_and_why(run: Run, warm: Callable[[str], str], store: Path) -> None:
    warm("shown")
    for number in range(3):
        run("assign", "shown", "--unit", f"u{number}", "--context", "visits=2")
    text = run("policy", "show", "shown", "--log", store)
    assert re.search(r"snapshot: +[0-9a-f]{64}, live\nlearned from: 200 warm lessons\n", text)
    assert "predicted on average over 3 contexts:" in text
    mens, none = (float(re.search(rf"^ {name} +([01]\.\d+)", text, re.M)[1]) for name in ("mens", "none"))  # type: ignore[index]
    assert mens > 0.8
    assert none < 0.2
    assert re.search(r"^ visits +0\.\d+ +mens \+0\.\d+", text, re.M)
    assert text in run("policy", "show", "shown", re.findall(r"[0-9a-f]{64}", text)[0], "--log", store)


def test_a_snapshot_that_no_longer_fits_is_shown_without_predictions(
    run: Run, warm: Callable[[str], str], store: Path
) -> None:
    warm("changed")
    (begun,) = re.findall(r"([0-9a-f]{12}) +live", run("policy", "list", "changed"))
    file = store.parent / "changed.yaml"
    file.write_text(file.read_text().replace("[none, mens]", "[none, mens, womens]"))
    run("apply", file)
    text = run("policy", "show", "changed", begun, "--log", store)
    assert "predicts:     nothing any more: " in text
    assert "learned from: 200 warm lessons" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("warm", "plain"), "say what to learn from: --csv with --recipe, or --log"),
        (("warm", "plain", "--csv", "a.csv"), "say what to learn from"),
        (("warm", "nowhere", "--csv", "a.csv", "--recipe", "a.yaml"), "no experiment 'nowhere'"),
        (("warm", "plain", "--csv", "a.csv", "--recipe", "a.yaml", "--reason", "x"), "is fixed, which learns nothing"),
        (("rollback", "plain", "abcdef", "--reason", "x"), "no snapshot of 'plain' begins with abcdef"),
        (("rollback", "plain", "abc", "--reason", "x"), "give at least its first 6 hex digits"),
        (("follow", "plain", "--reason", "x"), "is fixed, which learns nothing"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    run: Run, store: Path, words: tuple[str, ...], sentence: str
) -> None:
    file = store.parent / "plain.yaml"
    file.write_text(DRAFT.replace("NAME", "plain").replace("policy: {contextual: {floor: 0.02, gamma: 50}}\n", ""))
    run("apply", file)
    assert sentence in run("policy", *words, fails=True)


def test_what_is_not_in_the_files_is_said(run: Run, warm: Callable[[str], str], store: Path) -> None:
    file = store.parent / "cold.yaml"
    file.write_text(DRAFT.replace("NAME", "cold"))
    run("apply", file)
    assert "nothing is learned yet" in run("policy", "list", "cold")
    assert "'cold' learned answers yet: name a snapshot" in run("policy", "show", "cold", "--log", store, fails=True)
    assert "check its name" in run("policy", "show", "nowhere", "--log", store, fails=True)
    assert "there is no store" in run("policy", "list", "cold", "--log", store / "nowhere", fails=True)
