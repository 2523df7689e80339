"""`armlift plan` as a team uses it."""

import pytest
from click.testing import CliRunner

from analysis.commands.plan import plan
from engine.errors import ArmliftError

FILE = """
experiment: home-offer
brief: {hypothesis: The best offer depends on the visit}
variants: [plain, urgent]
plan: {look: once, units: 20000}
metrics:
  purchase: {kind: conversion, window: 3d, effect: 0.1}
  basket: {kind: revenue, window: 3d, cap: 200, effect: 0.1}
  slow: {kind: quantile, of: basket, quantile: 0.9, window: 3d, effect: 0.1}
  churn: {kind: conversion, window: 3d, effect: 0.1, better: lower}
"""
BANDIT = """
experiment: offer-bandit
brief: {hypothesis: The best offer can be learned}
variants: [plain, urgent]
policy: {thompson: {floor: 0.1, control_share: 0.3}}
plan: {units: 300}
metrics:
  click: {kind: conversion, window: 1d, effect: 0.3}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "home-offer.yaml"
    path.write_text(FILE)
    return path


def run(*arguments):
    return CliRunner().invoke(plan, [str(each) for each in arguments], catch_exceptions=False)


def test_it_says_how_many_units_and_days(file):
    shown = run(file, "--value", "purchase=0.05", "--value", "basket=3:20", "--per-day", "2000").output
    assert "62,462" in shown  # 2 * (.05 * .95 + .055 * .945) * 2.8016**2 / .005**2
    assert "32 days" in shown
    assert "35 days" in shown
    assert "Pocock" in shown


def test_without_a_number_of_units_a_day_there_are_no_days(file):
    shown = run(file, "--value", "purchase=0.05").output
    assert "62,462" in shown
    assert "84 days" not in shown


def test_a_bandit_is_simulated(tmp_path):
    path = tmp_path / "bandit.yaml"
    path.write_text(BANDIT)
    shown = run(path, "--value", "click=0.1", "--per-day", "300", "--runs", "2").output
    assert "2 runs" in shown
    assert "better than its control group" in shown


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("purchase=0", "more than there"),
        ("purchase=1", "such an effect"),
        ("purchase=0.95", "such an effect"),
        ("basket=0:3", "more than there"),
        ("churn=0.95", "299"),  # it can fall where it cannot rise: 2 * (.95 * .05 + .855 * .145) * 2.8016**2 / .095**2
    ],
)
def test_what_cannot_be_found_is_said(file, value, words):
    shown = run(file, "--value", value, "--per-day", "2000").output
    assert words in shown
    assert "nan" not in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing is known of any metric"),
        (["--value", "order=0.1"], "there is no metric 'order'"),
        (["--value", "purchase"], "must be a metric and a number"),
        (["--value", "purchase=1.5"], "must be a share from 0 to 1"),
        (["--value", "purchase=x"], "must be a number"),
        (["--value", "basket=12"], "its mean and its standard deviation"),
        (["--explained", "basket=0.5"], "has no value"),
        (["--value", "basket=nan:4"], "must be a finite number"),
        (["--value", "basket=12:0"], "a standard deviation above 0"),
        (["--value", "basket=12:-4"], "a standard deviation above 0"),
        (["--value", "basket=12:1e200"], "1,000,000,000 at most"),
        (["--value", "slow=12:4"], "is a quantile"),
        (["--value", "purchase=0.1", "--explained", "purchase=1"], "leaves nothing to chance"),
        (["--value", "purchase=0.1", "--per-day", "nan"], "must be a finite number"),
    ],
)
def test_bad_input_is_answered_in_a_sentence(file, arguments, words):
    with pytest.raises(ArmliftError, match=words):
        run(file, *arguments)
