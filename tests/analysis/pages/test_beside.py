"""The chart of credit by rule beside what randomisation proves: nothing is cut, squeezed or drawn that is not known."""

import re
from xml.etree import ElementTree as ET

import pytest

from analysis.document import Beside, Grid
from analysis.estimate import Estimate, not_evaluable
from analysis.pages import charts, plots
from analysis.pages.languages import load
from analysis.texts import text

SVG = "{http://www.w3.org/2000/svg}"
NONE = text("method.none")
UNKNOWN = not_evaluable(text("not_evaluable.nobody"), NONE)
EVIL = "<script>alert(1)</script>"


def estimate(value, half):
    return Estimate(value, value - half, value + half, 100, NONE, NONE)


def drawn(names, series, estimates):
    return Beside(text("page.name"), text("page.value"), tuple(names), tuple(series), estimates, text("chart.amount"))


def simple(*proven, credit=100.0):
    rows = tuple(tuple(estimate(credit + place, 5.0) for place in range(len(proven))) for _ in range(3))
    names = [f"channel {place}" for place in range(len(proven))]
    return drawn(names, ("first", "last", "linear", "incremental"), (*rows, tuple(proven)))


def letters(data, language="en"):
    chart = ET.fromstring(plots.beside(data, "chart", load(language)))
    return [each.text or "" for each in chart.iter(f"{SVG}text")]


def numbers(data):
    found = [each.replace("\N{MINUS SIGN}", "-").replace(",", "") for each in letters(data)]
    return [float(each) for each in found if re.fullmatch(r"-?[\d.]+(e-?\d+)?", each)]


def test_the_same_data_gives_the_same_bytes():
    data = simple(estimate(20, 10), UNKNOWN)
    assert plots.beside(data, "chart") == plots.beside(data, "chart")


def test_an_effect_that_is_hardly_known_does_not_squeeze_the_credit():
    wide, far = estimate(20, 1e7), estimate(-1e7, 5)
    assert max(map(abs, numbers(simple(wide, far)))) < 1000


def test_a_negative_effect_is_within_the_axis():
    assert min(numbers(simple(estimate(-60, 10)))) <= -25


@pytest.mark.parametrize("credit", [1e-9, 2.5e-5, 0.02, 7.0, 3.4e9, 2.8e12])
def test_numbers_on_the_axis_differ_and_have_no_eleven_digits(credit):
    shown = numbers(simple(estimate(credit / 2, credit / 4), credit=credit))
    assert len(set(shown)) == len(shown) >= 2
    assert not [each for each in letters(simple(UNKNOWN, credit=credit)) if len(re.sub(r"\D", "", each)) > 10]


def test_credit_of_nothing_is_drawn_too():
    zero = estimate(0.0, 0.0)
    assert drawn(["a"], ["first", "incremental"], ((zero,), (zero,)))
    assert numbers(drawn(["a"], ["first", "incremental"], ((zero,), (zero,))))
    assert numbers(drawn(["a"], ["first", "incremental"], ((zero,), (estimate(-3, 2),))))


def test_names_are_shortened_and_stay_text():
    chart = plots.beside(
        drawn([EVIL * 9, "渠道" * 40], ["направление", "incremental"], ((estimate(1, 1),) * 2,) * 2), "c"
    )
    assert "<script" not in chart
    found = [each.text for each in ET.fromstring(chart).iter(f"{SVG}text")]
    assert (EVIL * 9)[:29] + "…" in found


def test_up_to_ten_rules_have_a_mark_each_and_the_last_series_one_of_its_own():
    marks = [plots._mark(index, 11) for index in range(11)]
    assert len({(mark.colour, mark.marker, mark.filling) for mark in marks}) == 11
    apart = marks.pop()
    assert apart.colour not in {mark.colour for mark in marks}
    assert apart.marker not in {mark.marker for mark in marks}
    assert apart.thickness > max(mark.thickness for mark in marks)


def test_a_chart_of_which_nothing_is_known_is_none():
    unknown = drawn(["a"], ["first", "incremental"], ((UNKNOWN,), (UNKNOWN,)))
    assert charts.drawable(Grid("g", text("page.name"), (), (), chart=unknown)) is None
    known = drawn(["a"], ["first", "incremental"], ((estimate(1, 1),), (UNKNOWN,)))
    assert charts.drawable(Grid("g", text("page.name"), (), (), chart=known)) is known
