"""`armlift attribute` on a store of two experiments that share an outcome, and what it says of bad input."""

from __future__ import annotations

import csv
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analysis.attribution import attributing
from analysis.commands.attribute import attribute
from analysis.commands.report import report
from analysis.document import Attribution
from engine import lifecycle
from engine.errors import ArmliftError
from engine.experiments import Brief, Experiment, Status, Variant
from engine.lifecycle import Author
from engine.metrics import Metric
from engine.storage import open_store
from tests.analysis.conftest import START, Log

N = 200
AUTHOR = Author("test", "because", START)
EMAIL = Experiment(
    "letter", (Variant("plain"), Variant("bold")), (Metric("order"), Metric("click")), brief=Brief(channel="email")
)
WEB = replace(EMAIL, experiment_id="banner", metrics=(Metric("order"),), brief=Brief(channel="web"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which every unit gets a letter, two in three meet the banner, and one in four orders."""
    directory = tmp_path_factory.mktemp("attributed") / "store"
    letter, banner = Log(EMAIL), Log(WEB)
    for number in range(N):
        unit, at = f"unit {number}", number / 40
        letter.assign(unit, at)
        if number % 3:
            banner.assign(unit, at + 1)
        if number % 4 == 0:
            banner.observe(unit, "order", at + 2, 10.0 + number)
    banner.end(40)
    with closing(open_store(directory)) as made:
        for log in (letter, banner):
            draft, created = lifecycle.create(log.experiment, AUTHOR)
            made.save(draft, created, "")
            made.save(*lifecycle.transition(draft, Status.RUNNING, "", AUTHOR), draft.etag)
            made.append(log.store.entries())
    return directory


def run(*words: object) -> Result:
    return CliRunner().invoke(attribute, [str(word) for word in words])


def refusal(*words: object) -> str:
    """Return the sentence with which a command is refused."""
    failed = run(*words).exception
    assert isinstance(failed, ArmliftError), failed
    assert "\n" not in str(failed)
    return str(failed)


def read(directory: Path) -> Attribution:
    return Attribution.from_json((directory / "attribution" / "order.json").read_text("utf-8"))


def test_the_sentence_comes_first_then_a_short_table_and_where_the_page_is(store: Path, tmp_path: Path) -> None:
    done = run("order", "--log", store, "--out", tmp_path, "--rule", "first", "--rule", "linear")
    assert done.exit_code == 0, done.exception
    found = read(tmp_path)
    assert found == attributing.attribute(store, "order", attributing.Asked(("first", "linear")))
    lines = [line.strip() for line in done.output.splitlines()]
    assert lines[0] == str(found.verdict.sentence)
    assert str(found.grids[0].title) in lines
    assert lines[-1] == f"the whole of it: {tmp_path / 'attribution' / 'order.html'}"


def test_the_table_fits_into_a_terminal_and_names_the_rules_that_it_leaves_to_the_page(
    store: Path, tmp_path: Path
) -> None:
    done = run("order", "--log", store, "--out", tmp_path, "--by", "channel", "--format", "json")
    _, *table, rest, _ = (line for line in done.output.splitlines() if line and not line.startswith("["))
    titles = [str(column) for column in read(tmp_path).grids[0].columns[-8:]]
    assert max(map(len, table)) <= 100
    assert all(title in table[1] for title in titles[:3])
    assert rest == f"on the page alone: {', '.join(titles[3:])}"


def test_a_report_of_all_experiments_links_the_page_of_what_they_share(store: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(report, ["--log", str(store), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.exception
    (page,) = (tmp_path / "attribution").glob("*.html")
    assert f"order: {read(tmp_path).verdict.sentence}" in done.output
    for experiment in ("letter", "banner"):
        written = (tmp_path / experiment / "report.html").read_text("utf-8")
        assert re.findall(r'href="([^"]*attribution[^"]*)"', written) == [f"../attribution/{page.name}"]
    assert f'href="attribution/{page.name}"' in (tmp_path / "index.html").read_text("utf-8")


def test_options_say_by_which_rules_among_what_and_of_which_journeys(store: Path, tmp_path: Path) -> None:
    words = ["--rule", "last_non_direct", "--rule", "markov_2", "--by", "variant", "--direct", "banner/bold"]
    assert (
        run("order", "--log", store, "--out", tmp_path, *words, "--look-back", "12h", "--session-gap", "0s").exit_code
        == 0
    )
    found = read(tmp_path)
    assert found.grids[0].key == "credit-variant"
    titles = [str(column) for column in found.grids[0].columns[3:]]
    assert len(titles) == 2
    assert "banner/bold" in titles[0]
    assert "12 hours" in str(found.about[0].meaning)
    # Each touch is a day or two before the order.
    total = {str(row[0]): row[3].value for row in found.grids[0].rows}  # type: ignore[union-attr]
    assert {name for name, value in total.items() if value} == {"no touch"}


def test_pages_speak_the_language_asked_for_in_the_formats_asked_for(store: Path, tmp_path: Path) -> None:
    done = run("order", "--log", store, "--out", tmp_path, "--language", "pl", "--format", "html", "--rule", "first")
    assert '<html lang="pl">' in (tmp_path / "attribution" / "order.html").read_text("utf-8")
    assert [file.name for file in (tmp_path / "attribution").iterdir()] == ["order.html"]
    assert "Konwersje według kanału" in done.output


def test_tables_are_written_beside_the_page(store: Path, tmp_path: Path) -> None:
    run("order", "--log", store, "--out", tmp_path, "--rule", "first", "--by", "channel", "--format", "csv")
    with (tmp_path / "attribution" / "csv" / "order-credit-channel.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    first = next(key for key in rows[0] if re.fullmatch("first.*touch|first", key))
    assert {row["channel"]: float(row[first]) for row in rows} == {"email": N / 4, "web": 0.0, "no touch": 0.0}


@pytest.mark.parametrize("length", ["soon", "7", "-1d", ""])
def test_a_length_of_time_is_written_as_in_a_file(store: Path, length: str) -> None:
    done = run("order", "--log", store, "--look-back", length)
    assert done.exit_code == 2
    assert "is no length of time: write it as 30d, 12h or 30m" in done.output


def test_what_is_not_there_is_said_in_a_sentence(store: Path, tmp_path: Path) -> None:
    assert "there is no outcome 'sale' in this log" in refusal("sale", "--log", store, "--out", tmp_path)
    assert "no experiment of this log has a text 'medium'" in refusal(
        "order", "--log", store, "--out", tmp_path, "--channel-field", "medium"
    )
    assert "tmp" in refusal("order", "--log", tmp_path / "nowhere", "--out", tmp_path)
    assert not list(tmp_path.iterdir())
