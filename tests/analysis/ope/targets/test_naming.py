"""Policies by the words of a command line."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from analysis.logs.exporting import export
from analysis.ope.stores.reading import read
from analysis.ope.targets.always import always
from analysis.ope.targets.logged import logged, tilted
from analysis.ope.targets.naming import FORMS, named
from analysis.ope.targets.uniform import uniform
from engine import files
from engine.errors import ArmliftError, InvalidRequest, UnknownExperiment
from engine.experiments import ContextField, FieldType
from engine.funnel import Population
from engine.specs import EpsilonGreedySpec, Rule, SegmentsSpec, ThompsonSpec
from engine.storage import open_reader
from tests.analysis.ope.targets.visits import Files, came, closed, rewards_of
from tests.engine.house import House, experiment

NORDIC = SegmentsSpec((Rule({"$segment": "nordic"}, {"bold": 1.0}),), {"plain": 0.75, "quiet": 0.25})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store with a policy that learned, a shadow and a segment, and the snapshot's hash."""
    directory = tmp_path_factory.mktemp("store")
    with closing(Files(directory)) as made:
        house = House(made)
        house.divide(Population({"nordic": {"country": "NO"}}))
        house.run(experiment(policy=ThompsonSpec(), shadow=EpsilonGreedySpec()))
        rows = came(house, 20, contexts=[{"country": "NO"}, {"country": "SE"}])
        made.learning.add(snapshot := house.teach("hero", rewards_of(rows)))
        closed(house)
    return directory, snapshot.hash


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("always:bold", always("bold")),
        ("always:a: b", always("a: b")),
        ("uniform", uniform()),
        ("logged", logged()),
        ("tilted:0.5", tilted(0.5)),
    ],
)
def test_plain_policies_are_named(store: tuple[Path, str], name: str, target: object) -> None:
    assert named(name, store[0], "hero") == target


def test_snapshots_and_the_shadow_are_found_in_the_store(store: tuple[Path, str]) -> None:
    directory, snapshot = store
    assert str(named(f"snapshot:{snapshot[:8]}", directory, "hero").name) == f"the snapshot {snapshot[:12]}"
    log = read(directory, "hero")
    assert named("shadow", directory, "hero").probabilities(log).shape == (20, 3)
    with closing(open_reader(directory)) as reader, pytest.raises(InvalidRequest, match="name the directory"):
        named(f"snapshot:{snapshot}", reader, "hero")


@pytest.mark.parametrize("prefix", ["", "file:"])
def test_a_file_is_asked_with_the_stores_own_segments(store: tuple[Path, str], tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "offer.yaml"
    path.write_text(files.dump(experiment(policy=NORDIC)))
    log = read(store[0], "hero")
    found = named(f"{prefix}{path}", store[0], "hero").probabilities(log)
    is_nordic = [question.context["country"] == "NO" for question in log.questions()]
    could = log.could_be[:, 1]
    assert ((found[:, 1] == 1.0) == (is_nordic & could)).all()


def test_a_file_that_reads_what_was_never_logged_is_refused(store: tuple[Path, str], tmp_path: Path) -> None:
    path = tmp_path / "offer.yaml"
    other = (ContextField("plan", FieldType.TEXT),)
    rules = SegmentsSpec((Rule({"plan": "pro"}, {"bold": 1.0}),), {"plain": 1.0})
    path.write_text(files.dump(experiment(policy=rules, context=other)))
    with pytest.raises(InvalidRequest, match=r"offer.yaml reads the text 'plan' of the context, which 'hero' does not"):
        named(str(path), store[0], "hero")
    path.write_text(files.dump(experiment(context=other)))
    assert named(str(path), store[0], "hero").probabilities(read(store[0], "hero")).max() < 1
    with pytest.raises(UnknownExperiment, match="no experiment 'zero'"):
        named(str(path), store[0], "zero")


def test_a_python_function_is_found_in_the_working_directory(
    store: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_policies.py").write_text(
        "def first(context, eligible):\n    return [1.0] + [0.0] * (len(eligible) - 1)\n\nrate = 0.5\n"
    )
    monkeypatch.chdir(tmp_path)
    target = named("python:own_policies:first", store[0], "hero")
    log = read(store[0], "hero")
    assert target.name == "first"
    assert (target.probabilities(log).argmax(axis=1) == log.could_be.argmax(axis=1)).all()
    for wrong in ("python:own_policies:second", "python:no_such_module:first", "python:own_policies"):
        with pytest.raises(InvalidRequest, match="there is no Python function"):
            named(wrong, store[0], "hero")
    with pytest.raises(InvalidRequest, match="is no function"):
        named("python:own_policies:rate", store[0], "hero")


@pytest.mark.parametrize("name", ["", "best", "always", "always:", "uniform:3", "shadow:1", "tilted", "snapshot:", ":"])
def test_what_cannot_be_asked_about_is_said_with_all_that_can(store: tuple[Path, str], name: str) -> None:
    with pytest.raises(InvalidRequest, match="is no policy that can be asked about") as raised:
        named(name, store[0], "hero")
    assert all(form in str(raised.value) for form in FORMS)


@pytest.mark.parametrize("name", ["tilted:cold", "tilted:0", "tilted:nan", "snapshot:zz", "nowhere.yaml"])
def test_what_is_wrong_with_a_name_is_said(store: tuple[Path, str], name: str) -> None:
    with pytest.raises(ArmliftError):
        named(name, store[0], "hero")


def test_an_exported_log_has_its_shadow_and_files_too(store: tuple[Path, str], tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    with closing(open_reader(store[0])) as reader:
        export(reader, tmp_path / "copy")
    path = tmp_path / "offer.yaml"
    path.write_text(files.dump(experiment(policy=ThompsonSpec(floor=0.3))))
    for name in ("shadow", str(path)):
        here, there = (named(name, each, "hero") for each in (store[0], tmp_path / "copy"))
        log, copy = read(store[0], "hero"), read(tmp_path / "copy", "hero")
        assert (here.probabilities(log) == there.probabilities(copy)).all()
