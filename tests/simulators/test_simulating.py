"""`armlift simulate` on files of every form, as the terminal shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.errors import InvalidRequest
from simulators import showing
from simulators.commands import simulate
from tests.simulators.odd_files import FILES, READING


@pytest.fixture
def said(tmp_path: Path):
    """Return what the command says of a file's text."""

    def run(world: str, text: str, *options: object) -> str:
        file = tmp_path / "file.yaml"
        file.write_text(text)
        result = CliRunner().invoke(simulate, [world, str(file), *map(str, options)], catch_exceptions=False)
        assert result.exit_code == 0
        return result.output

    return run


@pytest.mark.parametrize("world", ["storefront", "linear", "drifting", "articles"])
@pytest.mark.parametrize("name", FILES)
def test_any_file_can_be_rehearsed(said, world, name):
    told = said(world, FILES[name], "--customers", 60)
    assert f"{name} in {world}: 60 customers in 30 simulated days, seed 7" in told
    assert "Allocation" in told
    assert "this policy (" in told


def test_it_says_what_was_rewarded_and_what_a_test_would_have_cost(said):
    told = said("bernoulli", FILES["costly"], "--customers", 200)
    assert "reward: 0.7 x paid + 0.2 x soon - 0.5 x returned + 0.1 x happy, scaled from -0.2 .. 0.6 to 0 .. 1" in told
    assert "A test with even shares needs" in told
    assert "a test of " in told
    assert "even chances" in told


def test_where_requests_bring_the_variants_no_plain_test_compares(said):
    told = said("articles", READING, "--customers", 60)
    assert "No plain test compares: requests bring the variants." in told


def test_several_seeds_have_standard_errors(said):
    told = said("late-loser", FILES["plain"], "--customers", 100, "--seeds", 3)
    assert "each of the seeds 7 to 9" in told
    assert "means over 3 seeds, ± standard errors" in told
    assert "this policy (fixed)" in told
    assert " ± " in told


def test_where_nothing_can_be_learned_it_says_so(said):
    told = said("articles", FILES["plain"], "--customers", 60)
    assert "Nothing can be learned here: in articles no variant of this file beats another." in told
    assert "Nothing can be learned" not in said("articles", READING, "--customers", 60)


@pytest.mark.parametrize("seeds", [1, 3])
def test_no_number_is_torn_apart_in_a_narrow_terminal(said, monkeypatch, seeds):
    monkeypatch.setattr(showing, "_PAGE_WIDTH", 80)
    told = said("linear", FILES["factors"], "--customers", 100, "--seeds", seeds)
    assert max(map(len, told.splitlines())) <= 80
    (last,) = [line for line in told.splitlines() if line.startswith("│ 100 ")]
    assert len(last.split("│")) == 7
    assert all("." in cell and ("±" in cell) is (seeds > 1) for cell in last.split("│")[2:-1])


def test_answers_outside_are_counted(said):
    assert "answers were the default: no consent" in said("linear", FILES["every-type"], "--customers", 200)


def test_what_cannot_be_scored_still_shows_its_allocation(said):
    told = said(
        "storefront",
        "{experiment: revenue-only, variants: [a, b], metrics: {sum: {kind: revenue}}}",
        "--customers",
        20,
    )
    assert "Allocation" in told
    assert "reward" not in told


def test_a_world_that_is_not_there_is_refused(said):
    with pytest.raises(InvalidRequest, match="there is no world 'mars'"):
        said("mars", FILES["plain"])
