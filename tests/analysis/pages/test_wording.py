"""What a table says once, it does not repeat in its cells."""

from dataclasses import replace

from analysis.document import Grid
from analysis.estimate import Estimate, Scale, not_evaluable
from analysis.pages import render, wording
from analysis.texts import count, text
from tests.analysis import made

A, B = text("method.welch"), text("method.newcomb")
WHY, OTHER = text("not_evaluable.nobody"), text("attribution.page.untested")


def found(method):
    return Estimate(1.0, 0.0, 2.0, 9, method, text("method.none"))


def nothing(why):
    return not_evaluable(why, text("method.none"))


def table(*rows, **changes):
    names = ("name", "value", "difference")
    columns = tuple(text(f"page.{name}") for name in names[: len(rows[0])])
    return replace(Grid("table", text("page.nothing"), columns, rows), **changes)


def test_neighbours_of_which_nothing_is_known_for_the_same_reason_are_one_cell():
    row = ("a", nothing(WHY), replace(nothing(WHY), scale=Scale.SHARE), nothing(OTHER), found(A), found(A), None, None)
    assert [(place, span) for place, _, span in wording.spans(row)] == [
        *((0, 1), (1, 2), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1)),
    ]


def test_a_value_without_an_interval_is_a_cell_of_its_own():
    known = Estimate(1.0, None, None, 9, text("method.none"), text("method.none"), note=WHY)
    assert len(wording.spans(("a", known, known))) == 3


def test_one_method_of_all_columns_is_said_once():
    grid = table(("a", found(A), found(A)), ("b", found(A), nothing(WHY)))
    assert [each.key for each in wording.said_methods(grid)] == ["page.method_of"]


def test_each_column_with_a_method_of_its_own_says_it_once():
    grid = table(("a", found(A), found(B)), ("b", found(A), found(B)))
    assert [str(each.args["column"]) for each in wording.said_methods(grid)] == ["Value", "Difference"]


def test_a_column_of_several_methods_says_them_in_its_cells():
    grid = table(("a", found(A), found(A)), ("b", found(B), found(A)))
    assert list(wording.common_methods(grid)) == [2]
    assert [each.key for each in wording.said_methods(grid)] == ["page.method_in"]
    assert wording.said_methods(replace(grid, with_methods=False)) == ()


def test_cells_that_are_one_leave_no_column_out():
    grid = table(("a", nothing(WHY), nothing(WHY)), ("b", found(A), count(3)))
    report = replace(made.report(), decisions=grid)
    assert '<td class="words" colspan="2">' in render.to_html(report)
    line = next(line for line in render.to_markdown(report).splitlines() if line.startswith("| a |"))
    assert line.count("|") == 4
