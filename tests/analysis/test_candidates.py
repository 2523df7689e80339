"""A report shows policies that do not serve against what serves: a shadow, what waits to be promoted, what was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import analysis
from analysis import ope, promoting
from analysis.document import Candidate, Report, Trajectory, Word
from analysis.estimate import Estimate
from analysis.ope.targets.shadows import shadow
from analysis.pages.languages import CODES, load
from engine import lifecycle, promotion
from engine.experiments import Experiment
from engine.metrics import Better, Metric, MetricKind, RewardTerm
from engine.promotion import Freezing
from engine.proposals import Filed, Proposal
from engine.records import Assignment, Exposure
from engine.specs import FixedSpec, PolicySpec, ThompsonSpec
from tests.analysis.ope.targets.visits import brought, clicked
from tests.analysis.test_slates import news, shelf
from tests.engine.house import AUTHOR, NOW, House, days, experiment

CLICK = Metric("click", window=timedelta(hours=1))
EVEN = FixedSpec({"plain": 1 / 3, "bold": 1 / 3, "quiet": 1 / 3})
BOLDER = FixedSpec({"plain": 0.1, "bold": 0.8, "quiet": 0.1})
RATES = {"plain": 0.1, "bold": 0.7, "quiet": 0.1}
"""Even chances bring .3, the bolder ones .58. A score of the latter deviates by less than 1.2, as its weight is 2.4 at
most, so at 1,500 draws the gain of .28 is 9 standard errors of .031: far more than any sequence is wide."""

PLAIN = experiment(policy=EVEN, metrics=(CLICK,))
HERO = experiment(policy=EVEN, metrics=(CLICK,), reward=(RewardTerm("click", 1.0),))


def house_of(hero: Experiment) -> House:
    house = House()
    house.run(hero)
    return house


def visited(house: House, n: int, first: int = 0, span: float = 20.0) -> list[Assignment]:
    """Let units come evenly over some days from day `first` / 100 on, and click as often as what they got is liked."""
    rng = np.random.default_rng([first, n])
    rows = []
    for number in range(n):
        at = NOW + days(first / 100 + span * number / n)
        rows.append(house.fill(f"u{first} {number}", at=at, name=f"{first} {number}")[0])
    clicked(house, [row for row in rows if rng.random() < RATES[row.variant]])
    return rows


def ended(house: House, at: float = 90.0) -> None:
    house.store.append([Exposure("ff" * 16, NOW + days(at), NOW + days(at))])


def proposed(house: House, policy: PolicySpec, attempt: int = 1, **fields: Any) -> Proposal:
    """File a proposal as the server does, with other fields than it would have."""
    state = house.engine.catalog.find("hero").state
    changed = replace(state.experiment, policy=policy)
    author = replace(AUTHOR, reason="phones want less")
    freezing = Freezing(changed, None, "n1", house.store.last_seq(), attempt)
    made, after, change = promotion.propose(state, freezing, state.etag, author)
    house.store.save(after, change, state.etag, filed=Filed(proposal := replace(made, **fields)))
    house.engine.adopt(after)
    return proposal


def shown(house: House) -> Sequence[Candidate]:
    return analysis.report(house.store, "hero").candidates


@pytest.fixture(scope="module")
def shadowed() -> House:
    house = house_of(HERO)
    visited(house, 60)
    house.change("hero", shadow=BOLDER)
    visited(house, 1_500, 2_100)
    ended(house)
    return house


@pytest.fixture(scope="module")
def report(shadowed: House) -> Report:
    return analysis.report(shadowed.store, "hero")


def test_a_shadow_that_is_better_is_said_to_be_by_the_evaluation_of_what_it_logged(
    shadowed: House, report: Report
) -> None:
    (candidate,) = report.candidates
    target = shadow(shadowed.store, "hero")
    found = ope.evaluate(target.only(ope.read(shadowed.store, "hero")), target)
    assert candidate.verdict.word is Word.BETTER
    assert str(candidate.verdict.sentence) == str(found).splitlines()[0]
    assert str(candidate.title) == "The shadow (fixed policy) against what serves"
    assert [grid.key for grid in candidate.grids][:3] == ["value", "panel", "standing"]


def test_the_chart_ends_where_the_table_does(report: Report) -> None:
    grid = report.candidates[0].grids[0]
    assert isinstance(grid.chart, Trajectory)
    difference = grid.rows[2][2]
    assert isinstance(difference, Estimate)
    (band,) = grid.chart.bands
    assert len(grid.chart.starts) == 21, "days, the first and the last of them in part"
    assert (band.low[-1], band.high[-1]) == pytest.approx(difference.interval)


def test_draws_from_before_the_shadow_are_counted_and_not_judged(report: Report) -> None:
    left_out = next(grid for grid in report.candidates[0].grids if grid.key == "left-out")
    assert ("draws of which this shadow is not logged", 60) in [(str(row[0]), row[1].value) for row in left_out.rows]  # type: ignore[union-attr]


def test_the_report_with_it_is_the_same_after_json_and_speaks_all_languages(report: Report) -> None:
    again = Report.from_json(report.to_json())
    assert again == report
    for code in CODES:
        said = load(code).say(report.candidates[0].verdict.sentence)
        # A language has spaces of its own before a percent sign, which the page does not break.
        page = analysis.to_html(again, code).replace("\N{NO-BREAK SPACE}", " ")
        assert said.replace("\N{NO-BREAK SPACE}", " ") in page
        assert load(code).say(report.candidates[0].title) in page
    assert "## The shadow (fixed policy) against what serves" in analysis.to_markdown(again)


def test_a_report_from_before_there_were_candidates_is_still_read(report: Report) -> None:
    old = report.to_json().replace('"candidates"', '"unknown"')
    assert Report.from_json(old) == replace(report, candidates=())


def test_its_tables_are_spreadsheets(report: Report, tmp_path: Any) -> None:
    names = {path.name for path in analysis.write(report, tmp_path)}
    assert {"candidate-1-value.csv", "candidate-1-panel.csv", "candidate-1-standing.csv"} <= names


def test_what_an_earlier_shadow_said_is_not_the_new_ones(shadowed: House) -> None:
    house = house_of(replace(HERO, shadow=FixedSpec({"plain": 0.8, "bold": 0.1, "quiet": 0.1})))
    visited(house, 200)
    house.change("hero", shadow=BOLDER)
    assert shown(house) == (), "nothing of the new one is logged yet"
    visited(house, 300, 2_100)
    ended(house)
    (found,) = shown(house)
    standing = next(grid for grid in found.grids if grid.key == "standing")
    assert standing.rows[0][1].value == 300  # type: ignore[union-attr]
    (mean,) = analysis.report(house.store, "hero").sections
    assert [row[2].value for row in mean.rows] == pytest.approx([0.1, 0.8, 0.1])  # type: ignore[union-attr]


def test_of_a_metric_that_is_better_where_it_is_lower_more_is_worse() -> None:
    house = house_of(replace(PLAIN, metrics=(replace(CLICK, better=Better.LOWER),), shadow=BOLDER))
    visited(house, 1_500)
    ended(house)
    (found,) = shown(house)
    assert found.verdict.word is Word.WORSE
    assert "The difference is +" in str(found.verdict.sentence)


def test_what_no_draw_has_by_itself_is_said_instead_of_a_number() -> None:
    ratio = Metric("rate", MetricKind.RATIO, timedelta(hours=1), of="click", per="view")
    house = house_of(replace(PLAIN, metrics=(ratio, CLICK, replace(CLICK, name="view")), shadow=BOLDER))
    visited(house, 20)
    (found,) = shown(house)
    assert found.verdict.word is Word.NOT_EVALUABLE
    assert "'rate' is a ratio, which belongs to a unit" in str(found.verdict.sentence)
    assert found.grids == ()


@pytest.mark.parametrize("make", [shelf, news])
def test_shadows_of_slates_and_candidates_are_judged(make: Any) -> None:
    house = House()
    house.run(make(FixedSpec(), shadow=FixedSpec()))
    for number in range(120):
        rows = house.fill(f"u{number}", 2, at=NOW + timedelta(minutes=number), name=str(number), **_brought(make))
        clicked(house, rows[: number % 2])
    ended(house)
    (found,) = shown(house)
    assert found.verdict.word is not Word.BETTER
    assert "the log cannot be asked" not in str(found.verdict.sentence).lower()


def _brought(make: Any) -> dict[str, Any]:
    return {"candidates": brought(3)} if make is news else {}


def test_a_proposal_that_waits_is_judged_since_it_was_frozen_at_its_attempts_level() -> None:
    house = house_of(HERO)
    visited(house, 200)
    proposed(house, FixedSpec({"plain": 0.8, "bold": 0.1, "quiet": 0.1}))
    proposal = proposed(house, BOLDER, attempt=2)
    visited(house, 1_500, 2_100)
    ended(house)
    worse, better = shown(house)
    assert [worse.verdict.word, better.verdict.word] == [Word.WORSE, Word.BETTER]
    assert str(better.title) == "Attempt 2 against what serves"
    difference = better.grids[0].rows[2][2]
    assert isinstance(difference, Estimate)
    assert difference == promoting.judged(house.store, proposal).evaluation.difference_anytime
    assert difference.level == promoting.level_of(2)
    assert difference.n == 1_500
    chart = better.grids[0].chart
    assert isinstance(chart, Trajectory)
    assert chart.bands[0].low[-1] == pytest.approx(difference.low)


def test_a_proposal_that_cannot_be_judged_keeps_nothing_else_from_the_page() -> None:
    house = house_of(replace(PLAIN, metrics=(replace(CLICK, better=Better.LOWER),), shadow=BOLDER))
    visited(house, 200)
    proposed(house, BOLDER)
    ended(house)
    shadowed, refused = shown(house)
    assert shadowed.grids
    assert refused.verdict.word is Word.NOT_EVALUABLE
    said = "The log cannot be asked about it: 'hero' has no reward, and 'click' is better where it is lower"
    assert str(refused.verdict.sentence).startswith(said)
    assert said.partition(":")[0] in analysis.to_html(analysis.report(house.store, "hero"))


def test_after_a_promotion_the_control_group_has_the_last_word() -> None:
    policy = ThompsonSpec(control_share=0.3, floor=0.1)
    house = house_of(replace(HERO, policy=policy))
    visited(house, 100)
    before = house.engine.catalog.find("hero").state
    changed = replace(before.experiment, policy=replace(policy, prior_beta=2.0))
    after, change = lifecycle.update(before, changed, before.etag, AUTHOR)
    house.store.save(after, replace(change, action="promote"), before.etag)
    house.engine.adopt(after)
    visited(house, 600, 2_100)
    ended(house)
    (found,) = shown(house)
    confirmed = promoting.confirmation(house.store, "hero")
    assert confirmed is not None
    assert (found.verdict.word, found.verdict.sentence) == (confirmed.word, confirmed.sentence)
    assert str(found.title) == "Since the promotion"


def test_where_there_is_none_of_them_nothing_is_read_and_nothing_shown() -> None:
    house = house_of(HERO)
    visited(house, 20)

    class Watching:
        def __getattr__(self, name: str) -> Any:
            assert name not in ("shadows", "frozen", "population")
            return getattr(house.store, name)

    assert analysis.report(Watching(), "hero").candidates == ()  # type: ignore[arg-type]


def test_not_in_full_there_is_none(shadowed: House) -> None:
    assert analysis.report(shadowed.store, "hero", in_full=False).candidates == ()
