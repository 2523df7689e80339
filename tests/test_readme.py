"""The README's files are right, and its client is served."""

import re
from itertools import permutations
from pathlib import Path

import pytest

from engine import files, population_file, population_rules
from engine.experiments import Status
from engine.service.management import Management
from engine.service.server import Serving, serving_beside

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("line", blocks("yaml")[1].splitlines())
def test_every_policy_that_is_shown_can_be_written(line):
    head = "experiment: hero\nmetrics: [click]\n"
    variants = "" if line.startswith("factors") else "variants: [mood, saving]\n"
    assert files.load(f"{head}{variants}{line}\n").experiment_id == "hero"


def test_every_metric_that_is_shown_can_be_written():
    shown = files.load(f"experiment: hero\nvariants: [mood, saving]\n{blocks('yaml')[2]}")
    assert len(shown.metrics) == 7
    assert shown.plan.n_units == 20_000


def test_every_part_of_the_funnel_that_is_shown_can_be_written():
    head = "experiment: hero\nvariants: [general, bold, loyalty]\ncontext: {visits: number}\nmetrics: [click]\n"
    shown = files.load(head + blocks("yaml")[3])
    assert shown == files.load(files.dump(shown))
    population = population_file.load(blocks("yaml")[4])
    assert population.holdout == 0.05
    assert not list(population_rules.needs(shown, population))


@pytest.mark.parametrize("program", [each for each in blocks("python") if "armlift" in each.split("import")[0]])
def test_the_clients_that_are_shown_are_served(program, tmp_path, capsys):
    with serving_beside(Serving(tmp_path, "127.0.0.1:0", companions=())) as address:
        with Management(address, "ann") as management:
            for shown in (files.load(text) for text in blocks("yaml") if text.startswith("experiment:")):
                management.apply(shown, "shown")
                management.move(shown.experiment_id, Status.RUNNING, "shown")
        exec(program.replace("127.0.0.1:7878", address), {})
    slates = {f"{first} over {second}" for first, second in permutations(("a1", "a2", "a3"), 2)}
    assert capsys.readouterr().out.strip() in {"Feel at home", "Save 20 today"} | slates


@pytest.mark.parametrize(("asked", "answered"), [("ope", "^evaluable"), ("attribution", "randomisation proves")])
def test_what_is_asked_of_a_log_is_answered(asked, answered, tmp_path, monkeypatch, capsys):
    (program,) = [each for each in blocks("python") if each.startswith(f"from analysis import {asked}\n")]
    log_of_visits(tmp_path / "armlift-store")
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    assert re.search(answered, capsys.readouterr().out)


def log_of_visits(directory: Path) -> None:
    """Write a store in which an experiment of the README was drawn for 400 customers."""
    from datetime import UTC, datetime, timedelta

    from engine import lifecycle, randomness
    from engine.clock import RequestClock
    from engine.engine import Engine
    from engine.lifecycle import Author
    from engine.records import Outcome, Request
    from engine.settings import Settings
    from engine.storage import find_snapshot_in, open_reader, open_store

    metrics = "metrics: {click: {window: 1h}, purchase: {}}\nreward: {click: 1}\n"
    text = f"experiment: home-offer\nvariants: [general, bundle]\n{metrics}"
    at, author = datetime(2026, 3, 1, tzinfo=UTC), Author("ann", "shown", datetime(2026, 3, 1, tzinfo=UTC))
    store = open_store(directory)
    reader = open_reader(directory)
    draft, created = lifecycle.create(files.load(text), author)
    running, started = lifecycle.transition(draft, Status.RUNNING, draft.etag, author)
    store.save(draft, created, "")
    store.save(running, started, draft.etag)
    engine = Engine(reader, find_snapshot_in(directory), RequestClock(), Settings())
    for number in range(400):
        now = at + timedelta(minutes=30 * number)
        asked = Request("home-offer", {"customer": f"c{number}"}, randomness.request_id(now, f"v{number}"), now)
        (kept,) = store.append([engine.decide(asked)])
        if number % (2 if kept.entry.variant == "bundle" else 5) == 0:
            store.append([Outcome(f"o{number}", "click", 1.0, now, now, kept.entry.assignment_id)])
            store.append([Outcome(f"p{number}", "purchase", 1.0, now, now, unit=kept.entry.unit)])
    reader.close()
    store.close()


def test_what_learning_is_shown_to_be_can_be_written():
    shown = files.load(f"experiment: hero\n{blocks('yaml')[5]}")
    assert shown == files.load(files.dump(shown))
    assert shown.reward_scale == (-0.2, 1.0)


def test_every_command_that_is_shown_is_there():
    from engine.cli import COMMANDS

    shown = set(re.findall(r"^armlift (\w+)", "\n".join(blocks("sh")), re.MULTILINE))
    assert shown <= COMMANDS.keys()
    assert len(shown) > 5
