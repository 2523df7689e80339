"""`armlift evaluate` on stores and on other systems' files, and what it says of bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from analysis import ope
from analysis.commands.evaluate import MODELS, PAGE, READERS, evaluate
from analysis.commands.export import WRITERS
from analysis.ope.evaluation import Evaluation
from analysis.pages import encoding
from engine import files
from engine.errors import ArmliftError
from engine.experiments import Experiment
from engine.metrics import Metric
from engine.specs import ContextualSpec, EpsilonGreedySpec
from tests.analysis.ope.targets.visits import Files, came, clicked, closed, rewards_of
from tests.engine.house import House, experiment

CLICK = Metric("click", window=timedelta(minutes=1))
DRAWN = experiment(policy=EpsilonGreedySpec(epsilon=0.5, floor=0.3), metrics=(CLICK,))
LEARNING = replace(DRAWN, policy=ContextualSpec(floor=0.1), shadow=None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with 300 visits, an experiment's shadow in the later 200, and an experiment that nobody met."""
    directory = tmp_path_factory.mktemp("evaluated") / "store"
    with closing(Files(directory)) as made:
        house = House(made)
        house.run(DRAWN)
        rows = came(house, 100, contexts=CONTEXTS)
        house.change("hero", shadow=ContextualSpec(floor=0.2))
        more = came(house, 200, 100, contexts=CONTEXTS)
        clicked(house, [row for row in (*rows, *more) if row.variant == "bold"])
        house.teach("hero", rewards_of(more), is_shadow=True)
        house.run(replace(DRAWN, experiment_id="empty"))
        closed(house)
    return directory


CONTEXTS = [{"country": "NO"}, {"country": "SE"}]


def run(*words: object) -> Result:
    return CliRunner().invoke(evaluate, [str(word) for word in words])


def refusal(*words: object) -> str:
    """Return the sentence with which a command is refused."""
    failed = run(*words).exception
    assert isinstance(failed, ArmliftError), failed
    said = str(failed)
    assert "\n" not in said
    return said


def written(path: Path, definition: Experiment) -> Path:
    path.write_text(files.dump(definition))
    return path


def drawn_at(store: Path, place: int) -> str:
    """Return when a draw was made."""
    return str(np.datetime64(int(ope.read(store, "hero").at[place]), "us"))


def test_the_verdict_comes_first_then_the_numbers_that_a_notebook_has(store: Path, tmp_path: Path) -> None:
    done = run("hero", "--log", store, "--policy", "uniform", "--json", tmp_path / "found.json")
    found = ope.evaluate(ope.read(store, "hero"), ope.uniform())
    first = done.output.splitlines()[0]
    assert first.startswith("Evaluable")
    assert first == str(found).splitlines()[0]
    assert encoding.decode(Evaluation, json.loads((tmp_path / "found.json").read_text())) == found


def test_what_the_log_cannot_say_ends_with_one_and_with_numbers_only_if_forced(store: Path) -> None:
    few = ("hero", "--log", store, "--policy", "always:bold", "--since", drawn_at(store, 290))
    done = run(*few)
    assert done.exit_code == 1
    said = f"Not evaluable: the log does not say what {ope.always('bold').name} would have earned.\n  - "
    assert done.output.startswith(said)
    assert "What would have been earned" not in done.output
    forced = run(*few, "--force")
    assert forced.exit_code == 1
    assert forced.output.startswith("Not evaluable, and shown because it was forced: ")
    assert "What would have been earned" in forced.output


def test_the_program_itself_ends_with_one(store: Path) -> None:
    words = ["evaluate", "empty", "--log", str(store), "--policy", "uniform"]
    program = "from engine.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "there is nothing in the log to judge by" in done.stdout


def test_a_policy_that_learns_is_judged_on_the_half_that_it_did_not_learn_from(store: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "offer.yaml", LEARNING)
    done = run("hero", "--log", store, "--policy", file, "--json", tmp_path / "found.json")
    found = encoding.decode(Evaluation, json.loads((tmp_path / "found.json").read_text()))
    n, left = found.diagnostics.n, sum(each.n for each in found.left_out if each.what.key == "ope.before")
    assert (n, left) == (150, 150)
    assert f"{found.policy} would have earned" in done.output.splitlines()[0]
    assert found.policy.key == "ope.model.learned"  # type: ignore[union-attr]
    later = run("hero", "--log", store, "--policy", "uniform", "--against", file, "--train-until", "0.2")
    assert "draws                                        240" in later.output
    assert f"{ope.uniform().name} would have earned" in later.output.splitlines()[0]


def test_a_split_may_be_a_time(store: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "offer.yaml", LEARNING)
    done = run("hero", "--log", store, "--policy", file, "--train-until", drawn_at(store, 99))
    assert "draws                                        200" in done.output


def test_of_a_shadow_the_draws_that_logged_it_are_judged_and_the_others_counted(store: Path, tmp_path: Path) -> None:
    done = run("hero", "--log", store, "--policy", "shadow", "--out", tmp_path)
    assert "draws                                        200" in done.output
    assert "draws of which this shadow is not logged     100" in done.output
    assert str(tmp_path / PAGE) in done.output


def test_the_page_speaks_the_language_asked_for(store: Path, tmp_path: Path) -> None:
    run("hero", "--log", store, "--policy", "uniform", "--out", tmp_path / "new" / "place", "--language", "pl")
    assert '<html lang="pl">' in (tmp_path / "new" / "place" / PAGE).read_text("utf-8")


@pytest.mark.parametrize("model", MODELS)
def test_each_model_of_the_reward_gives_an_answer(store: Path, model: str) -> None:
    assert run("hero", "--log", store, "--policy", "uniform", "--model", model).output.startswith("Evaluable")


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_exported_is_evaluated_as_the_store_is(store: Path, tmp_path: Path, kind: str) -> None:
    """VW and Coba write 32-bit numbers; the models meet the same draws in the same order."""
    log = ope.read(store, "hero")
    WRITERS[kind](log, tmp_path / "log")
    out = tmp_path / "found.json"
    run("--file", tmp_path / "log", "--format", kind, "--range", "0", "1", "--policy", "uniform", "--json", out)
    found = encoding.decode(Evaluation, json.loads(out.read_text()))
    whole = ope.evaluate(iter([log]), ope.uniform())
    assert found.diagnostics.n == len(log)
    ips = [next(each.value for each in of.panel if "IPS" in str(each.method)) for of in (found, whole)]
    assert ips[0] == pytest.approx(ips[1], rel=1e-6)
    assert found.difference_anytime.interval is not None


def test_every_file_that_can_be_written_can_be_read() -> None:
    assert WRITERS.keys() <= READERS.keys()


def test_without_a_declared_range_a_file_says_why_it_has_no_interval(tmp_path: Path) -> None:
    rows = "\n".join(f"{'ab'[place % 2]},{place % 3 % 2},0.5" for place in range(300))
    (tmp_path / "log.csv").write_text(f"variant,reward,propensity\n{rows}\n")
    done = run("--file", tmp_path / "log.csv", "--format", "csv", "--policy", "always:b")
    assert done.output.startswith(f"Evaluable with care: {ope.always('b').name} would have earned ")
    assert "[1] too early: the rewarded draws weigh as much as" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("hero --policy uniform", "say what to evaluate: EXPERIMENT with --log STORE, or --file LOG with --format"),
        ("--log STORE --policy uniform", "say what to evaluate"),
        ("hero --log STORE --file x --format csv --policy uniform", "say what to evaluate"),
        ("hero --log STORE --range 0 1 --policy uniform", "say what to evaluate"),
        ("--file x --format csv --metric click --policy uniform", "say what to evaluate"),
        ("hero --log nowhere --policy uniform", "there is no store in nowhere"),
        ("nobody --log STORE --policy uniform", "there is no experiment 'nobody'"),
        ("hero --log STORE --policy sometimes", "'sometimes' is no policy that can be asked about: take one of"),
        ("hero --log STORE --policy always:loud", "the log has no variant 'loud': there are plain, bold, quiet"),
        ("hero --log STORE --policy uniform --against tilted:cold", "'cold' is no temperature"),
        ("hero --log STORE --policy nowhere.yaml", "nowhere.yaml cannot be read"),
        ("hero --log STORE --policy uniform --metric joy", "'hero' has no metric 'joy'"),
        ("hero --log STORE --policy uniform --train-until 0.5", "nothing here learns from the log"),
        ("empty --log STORE --policy shadow", "no shadow of 'empty' is logged"),
        ("--file nowhere.csv --format csv --policy uniform", "there is no file nowhere.csv"),
        ("--file x --format csv --policy shadow", "'shadow' is nothing that a file can be asked about: take one of al"),
        ("--file x --format csv --policy offer.yaml", "'offer.yaml' is nothing that a file can be asked about"),
        ("--file FILE --format csv --policy uniform", "the table has no column 'variant'"),
        ("--file FILE --format dsjson --policy uniform", "there is no draw to evaluate from"),
        ("--file FILE --format csv --range 1 0 --policy uniform", "the range ends where it begins or before: 1 to 0"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_a_sentence(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.csv").write_text("a,b\n1,2\n")
    assert said in refusal(*words.replace("STORE", str(store)).replace("FILE", "other.csv").split())


@pytest.mark.parametrize("words", ["--train-until 1.5", "--train-until soon", "--since yesterday", "--model magic"])
def test_an_option_that_is_none_is_refused_before_anything_is_read(words: str) -> None:
    done = run("hero", "--log", "nowhere", "--policy", "uniform", *words.split())
    assert done.exit_code == 2
    assert "Invalid value" in done.output


def test_a_page_that_cannot_be_written_is_said(store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written to" in refusal("hero", "--log", store, "--policy", "uniform", "--out", tmp_path / "file")


def test_help_has_an_example() -> None:
    assert "armlift evaluate home-offer --log store --policy always:bundle" in run("--help").output
