"""What a reader is shown of an evaluation: the verdict first, then numbers, then what they stand on."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from analysis import ope
from analysis.document import Word
from analysis.estimate import Estimate, Holds
from analysis.ope import showing
from analysis.ope.evaluation import Evaluable, Evaluation
from analysis.ope.logged import Collection, Logged
from analysis.pages import encoding
from analysis.pages.languages import CODES, load
from analysis.texts import text
from engine.metrics import Better
from tests.analysis.ope.drawn_logs import CLICKS, drawn, even

RATES = np.array([0.2, 0.5])
"""`b` earns .5 and an even policy .35: at 2,000 draws the difference of .15 is 13 standard errors of .011."""


def clicks(n: int = 2_000, collection: Collection = CLICKS) -> Logged:
    return drawn(even(n, 2), RATES, seed=4, collection=collection)


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return ope.evaluate(clicks(), ope.always("b"))


@pytest.fixture(scope="module")
def unsaid() -> Evaluation:
    return ope.evaluate(clicks(20), ope.always("b"))


def test_the_sentence_begins_with_the_verdict_and_ends_with_the_difference_at_any_look(found: Evaluation) -> None:
    value, difference = found.value.value, found.difference_anytime
    assert value is not None
    assert difference.interval is not None
    said = str(showing.sentence(found))
    assert said.startswith(f"Evaluable: the policy “always b” would have earned {100 * value:.0f}")
    assert " a draw, and " in said
    assert said.endswith(" at any look.")
    assert showing.word(found) is Word.BETTER


def test_another_policy_is_named_where_it_is_not_the_logged_one() -> None:
    said = str(showing.sentence(ope.evaluate(clicks(), ope.always("a"), against=ope.always("b"))))
    assert ", and the policy “always b” " in said
    assert "was earned" not in said


def test_where_no_interval_holds_at_any_look_the_sentence_says_at_one(found: Evaluation) -> None:
    silent = Estimate(0.1, None, None, 9, text("method.none"), text("ope.reward"))
    once = replace(found, difference_anytime=silent)
    assert str(showing.sentence(once)).endswith(" at one look.")
    assert showing.word(once) is Word.NOT_CLEAR
    neither = replace(once, difference=silent)
    assert str(showing.sentence(neither)).endswith(" was earned.")


@pytest.mark.parametrize(
    ("low", "high", "better", "word"),
    [
        (0.1, 0.2, Better.HIGHER, Word.BETTER),
        (-0.2, -0.1, Better.HIGHER, Word.WORSE),
        (0.1, 0.2, Better.LOWER, Word.WORSE),
        (-0.2, -0.1, Better.LOWER, Word.BETTER),
        (-0.1, 0.1, Better.LOWER, Word.NOT_CLEAR),
        (0.0, 0.2, Better.HIGHER, Word.NOT_CLEAR),
    ],
)
def test_the_word_is_read_off_the_difference_at_any_look(
    found: Evaluation, low: float, high: float, better: Better, word: Word
) -> None:
    lies = replace(found.difference_anytime, value=(low + high) / 2, low=low, high=high, holds=Holds.ALWAYS)
    assert showing.word(replace(found, difference_anytime=lies), better) is word


def test_what_the_log_cannot_say_has_a_verdict_with_reasons_and_no_number_of_the_policy(unsaid: Evaluation) -> None:
    made = showing.candidate(unsaid)
    assert (
        str(made.verdict.sentence)
        == "Not evaluable: the log does not say what the policy “always b” would have earned."
    )
    assert made.verdict.word is Word.NOT_EVALUABLE
    assert made.verdict.cautions == unsaid.verdict.reasons
    assert [grid.key for grid in made.grids] == ["standing"]
    assert str(unsaid).splitlines()[1:] == [f"- {reason}" for reason in unsaid.verdict.reasons]


def test_forced_numbers_say_that_they_are() -> None:
    forced = ope.evaluate(clicks(20), ope.always("b"), forced=True)
    assert forced.verdict.word is Evaluable.NO
    said = str(showing.sentence(forced))
    assert said.startswith("Not evaluable, and shown because it was forced: the policy “always b” would have earned ")
    assert showing.word(forced) is Word.NOT_EVALUABLE


def test_biased_estimators_are_marked_in_the_panel_and_no_other(found: Evaluation) -> None:
    rows = {str(each[0]): each[1:] for each in showing.panel(found).rows}
    assert len(rows) == len(found.panel)
    biased = {name for name, (_, remark) in rows.items() if remark is not None}
    assert biased == {str(each.method) for each in found.panel if each.interval is None}
    assert any("direct method" in name for name in biased)


def test_why_an_adaptive_log_has_no_intervals_is_said_once() -> None:
    learned = ope.evaluate(clicks(collection=replace(CLICKS, is_adaptive=True)), ope.always("b"))
    grid = showing.panel(learned)
    assert "Without intervals: the logged policy learned" in str(grid.note)
    assert all(cell.note is None for _, cell, _ in grid.rows if isinstance(cell, Estimate))


def test_the_method_of_a_column_is_a_row_of_its_own_where_it_is_the_same_throughout(found: Evaluation) -> None:
    grid = showing.estimates(found)
    assert grid.rows[-1][0] == showing.METHODS
    assert not grid.with_methods
    other = replace(found.difference, method=text("method.welch"))
    mixed = showing.estimates(replace(found, difference=other))
    assert len(mixed.rows) == 3
    assert mixed.with_methods


def test_an_evaluation_is_the_same_after_json(found: Evaluation, unsaid: Evaluation) -> None:
    for each in (found, unsaid):
        again = encoding.decode(Evaluation, json.loads(encoding.encode(each)))
        assert again == each
        assert ope.to_html(again) == ope.to_html(each)


class Page(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("code", CODES)
def test_the_page_says_it_in_the_language_and_runs_nothing(found: Evaluation, code: str) -> None:
    page = Page(ope.to_html(found, code))
    assert load(code).say(showing.sentence(found)) in page.text.replace("\N{NO-BREAK SPACE}%", " %") or code != "en"
    assert load(code).say(text("ope.standing")) in page.text
    assert not {"script", "link", "img", "iframe"} & set(page.tags)


def test_a_notebook_shows_the_verdict_and_opens_the_first_table_alone(found: Evaluation) -> None:
    cell = found._repr_html_()
    page = Page(cell)
    assert page.tags[0] == "div"
    assert cell.count("<details open>") == 1
    assert page.tags.count("details") == len(showing.grids(found))
    assert page.text.index("Evaluable: the policy") < page.text.index("What would have been earned")
    assert "<html" not in cell


def test_names_are_shown_as_they_are_in_a_notebook() -> None:
    evil = "<script>alert(1)</script>"
    log = replace(clicks(200), variants=("a", evil))
    assert "<script" not in ope.evaluate(log, ope.always(evil))._repr_html_()
