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


@pytest.mark.parametrize("program", blocks("python"))
def test_the_clients_that_are_shown_are_served(program, tmp_path, capsys):
    with serving_beside(Serving(tmp_path, "127.0.0.1:0", companions=())) as address:
        with Management(address, "ann") as management:
            for shown in (files.load(text) for text in blocks("yaml") if text.startswith("experiment:")):
                management.apply(shown, "shown")
                management.move(shown.experiment_id, Status.RUNNING, "shown")
        exec(program.replace("127.0.0.1:7878", address), {})
    slates = {f"{first} over {second}" for first, second in permutations(("a1", "a2", "a3"), 2)}
    assert capsys.readouterr().out.strip() in {"Feel at home", "Save 20 today"} | slates


def test_what_learning_is_shown_to_be_can_be_written():
    shown = files.load(f"experiment: hero\n{blocks('yaml')[5]}")
    assert shown == files.load(files.dump(shown))
    assert shown.reward_scale == (-0.2, 1.0)


def test_every_command_that_is_shown_is_there():
    from engine.cli import COMMANDS

    shown = set(re.findall(r"^armlift (\w+)", "\n".join(blocks("sh")), re.MULTILINE))
    assert shown <= COMMANDS.keys()
    assert len(shown) > 5
