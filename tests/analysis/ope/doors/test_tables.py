"""Tables with declared columns: CSV files and frames, and each fault of a row or of a declaration."""

import datetime as dt
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from analysis.ope.doors import tables
from analysis.ope.doors.tables import Columns
from engine.errors import InvalidRequest

HEADER = "offer,won,chance,who,when,age,city"
ROWS = ["a,1,0.5,u1,2026-01-02T00:00:00Z,31,Oslo", "b,0,0.25,u2,2026-01-03T00:00:00+01:00,,", "a,0.5,0.5,u1,7,40,Oslo"]
DECLARED = Columns(
    variant="offer",
    reward="won",
    propensity="chance",
    unit="who",
    at="when",
    numbers={"age": "age"},
    texts={"city": "city"},
)
WHOLE = Columns("v", "r", "p", probabilities={"x": "px", "y": "py"}, eligible={"x": "ex", "y": "ey"})


@pytest.fixture
def file(tmp_path):
    """Returns a CSV file of some lines."""

    def making(*lines):
        path = tmp_path / "log.csv"
        path.write_text("\n".join(lines), "utf-8")
        return path

    return making


def read(table, columns=DECLARED, **options):
    (log,) = tables.read(table, columns, **options)
    return log


def left(log):
    return Counter({count.what.key.rpartition(".")[2]: count.n for count in log.left_out})


def test_columns_are_what_they_are_declared_as(file):
    log = read(file(HEADER, *ROWS))
    assert (log.variants, log.variant.tolist()) == (("a", "b"), [0, 1, 0])
    assert (log.reward.tolist(), log.propensity.tolist()) == ([1.0, 0.0, 0.5], [0.5, 0.25, 0.5])
    assert (log.unit.tolist(), log.row.tolist()) == ([0, 1, 0], [2, 3, 4])
    assert log.at.tolist() == [1767312000000000, 1767394800000000, 7]
    assert [question.context for question in log.questions()] == [
        {"age": 31.0, "city": "Oslo"},
        {},
        {"age": 40.0, "city": "Oslo"},
    ]


@pytest.mark.parametrize("made", [pd.DataFrame, pl.DataFrame, pa.table, lambda columns: pl.DataFrame(columns).lazy()])
def test_any_frame_is_read_alike(made):
    columns = {
        "offer": ["a", "b", None, "a"],
        "won": [True, False, True, True],
        "chance": [0.5, None, 0.5, 0.25],
        "who": [7, 8, 9, 7],
        "when": [dt.datetime(2026, 1, day, tzinfo=dt.UTC) for day in (1, 2, 3, 4)],
        "age": [31, 32, 33, None],
        "city": ["Oslo", None, None, "Rome"],
    }
    log = read(made(columns))
    assert (log.variant.tolist(), log.row.tolist(), log.unit.tolist()) == ([0, 0], [1, 4], [0, 0])
    assert log.at.tolist() == [1767225600000000, 1767484800000000]
    assert left(log) == {"no_propensity": 1, "variant": 1}
    assert [question.context for question in log.questions()] == [{"age": 31.0, "city": "Oslo"}, {"city": "Rome"}]


def test_numbers_as_variants_are_called_as_they_are_written():
    frame = pd.DataFrame({"offer": [10.0, 2.0], "won": [1, 0], "chance": [0.5, 0.5]})
    assert read(frame, Columns("offer", "won", "chance")).variants == ("10", "2")


def test_declared_variants_come_in_their_order_and_others_are_left_out(file):
    log = read(file(HEADER, *ROWS), variants=("z", "a"))
    assert (log.variants, log.variant.tolist(), left(log)) == (("z", "a"), [1, 1], {"variant": 1})


def test_distributions_and_eligible_sets_are_columns_of_variants(file):
    log = read(file("v,r,p,px,py,ex,ey", "y,1,0.7,0.3,0.7,1,1", "x,0,1,1,0,1,0"), WHOLE)
    assert log.probabilities.tolist() == [[0.3, 0.7], [1.0, 0.0]]
    assert log.could_be.tolist() == [[True, True], [True, False]]


def test_sets_need_no_distributions(file):
    sets = Columns("v", "r", "p", eligible={"x": "ex", "y": "ey"})
    log = read(file("v,r,p,ex,ey", "y,1,0.7,1,1", "x,0,1,1,0"), sets)
    assert log.probabilities is None
    assert log.could_be.tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("y,1,0.7,0.3,0.7,1", "broken"),
        ("y,1,0.7,0.3,0.7,1,1,1", "broken"),
        ("z,1,0.7,0.3,0.7,1,1", "variant"),
        (",1,0.7,0.3,0.7,1,1", "variant"),
        ("y,1,0.7,0.3,0.7,1,0", "variant"),
        ("y,1,,0.3,0.7,1,1", "no_propensity"),
        ("y,1,often,0.3,0.7,1,1", "no_propensity"),
        ("y,1,0,0.3,0.7,1,1", "propensity"),
        ("y,1,0.6,0.3,0.7,1,1", "propensity"),
        ("y,1,1.7,0.3,0.7,1,1", "propensity"),
        ("y,1,0.7,0.4,0.7,1,1", "distribution"),
        ("y,1,0.7,-0.3,1.3,1,1", "distribution"),
        ("y,1,0.7,,0.7,1,1", "distribution"),
        ("y,,0.7,0.3,0.7,1,1", "reward"),
        ("y,inf,0.7,0.3,0.7,1,1", "reward"),
    ],
)
@pytest.mark.parametrize("n", [1, 100])
def test_what_cannot_be_used_is_counted_with_its_line_and_the_rest_is_read(file, line, why, n):
    good = "x,1,0.3,0.3,0.7,1,1"
    blocks = list(tables.read(file("v,r,p,px,py,ex,ey", good, line, good), WHOLE, n=n))
    assert [row for block in blocks for row in block.row.tolist()] == [2, 4]
    assert left(blocks[-1]) == {why: 1}
    assert str(blocks[-1].left_out[0].what).endswith("(the first: 3)")


def test_lines_are_numbered_as_an_editor_does(file):
    """A cell may go over several lines."""
    log = read(file("v,r,p,t", 'a,1,0.5,"one', 'two"', "", "a,1,0.5"), Columns("v", "r", "p", texts={"t": "t"}))
    assert log.row.tolist() == [2]
    assert str(log.left_out[0].what).endswith("(the first: 5)")
    assert next(log.questions()).context == {"t": "one\ntwo"}


def test_bytes_that_are_no_text_and_endless_cells_cost_their_lines_alone(tmp_path):
    path = tmp_path / "log.csv"
    endless = b"a" * 200_000
    path.write_bytes(b"\xef\xbb\xbfv,r,p\na,1,0.5\n\xff\xfe,1,0.5\n" + endless + b",1,0.5\na,0,0.5\n")
    log = read(path, Columns("v", "r", "p"))
    assert (log.row.tolist(), left(log)) == ([2, 5], {"broken": 2})


def test_slates_are_rows_with_one_name_that_follow_each_other(file):
    columns = Columns("v", "r", "p", slate="s", slot="k")
    path = file("v,r,p,s,k", "a,1,1,q,0", "b,1,1,q,1", "a,1,1,w,0", "a,1,1,,0", "b,1,1,,0")
    log = read(path, columns)
    assert (log.slate.tolist(), log.slot.tolist()) == ([0, 0, 1, 2, 3], [0, 1, 0, 0, 0])
    assert [block.slate.tolist() for block in tables.read(path, columns, n=1)] == [[0, 0], [1, 2], [3]]


def test_a_wrong_declaration_says_what_there_is(file):
    with pytest.raises(InvalidRequest, match="no column 'price': its columns are 'offer', 'won', 'chance', 'who'"):
        read(file(HEADER, *ROWS), Columns("offer", "price", "chance"))
    with pytest.raises(InvalidRequest, match="no column 'variant'"):
        list(tables.read(pd.DataFrame({"a": [1]})))
    with pytest.raises(InvalidRequest, match="declared for x, y, and the variants are x, q"):
        read(file("v,r,p,px,py,ex,ey"), WHOLE, variants=("x", "q"))


def test_what_is_no_table_says_so(file, tmp_path):
    with pytest.raises(InvalidRequest, match="there is no file"):
        tables.read(tmp_path / "elsewhere.csv")
    with pytest.raises(InvalidRequest, match="has no header"):
        tables.read(file(""))
    with pytest.raises(InvalidRequest, match="a data frame that narwhals reads"):
        tables.read(7)
    with pytest.raises(InvalidRequest, match="no draw to evaluate from: there are no lines"):
        read(file(HEADER))
    with pytest.raises(InvalidRequest, match=r"left out were draws without a propensity, .* \(the first: 2\): 1"):
        read(file(HEADER, "a,1,,u,7,1,x"))


def test_columns_that_are_written_are_of_plain_values():
    log = read(pd.DataFrame({"v": ["a", "b"], "r": [1, 0], "p": [0.5, 0.5]}), Columns("v", "r", "p"))
    found = tables.to_columns(log)
    assert found["variant"] == ["a", "b"]
    assert {type(value) for column in found.values() for value in column} <= {str, float, int, type(None)}
    assert len(pd.DataFrame(found)) == len(pl.DataFrame(found)) == 2
    assert np.array(found["eligible.a"]).tolist() == [1, 1]
