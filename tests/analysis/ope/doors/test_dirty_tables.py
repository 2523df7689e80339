"""Tables as people have them: other separators, flags as words, gaps of all kinds, and tests without propensities."""

import datetime as dt
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from analysis import ope
from analysis.ope.doors import tables
from analysis.ope.doors.tables import Columns
from engine.errors import InvalidRequest
from tests.analysis.ope.doors.making import DATA

EVEN = Columns("group", "bought", probabilities={"a": 0.5, "b": 0.5})
FRAMES = [pd.DataFrame, pl.DataFrame, pa.table]


@pytest.fixture
def file(tmp_path):
    """Returns a file of some bytes."""

    def making(content):
        path = tmp_path / "log.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return making


def read(table, columns=None):
    (log,) = tables.read(table, columns)
    return log


def left(log):
    return Counter({count.what.key.rpartition(".")[2]: count.n for count in log.left_out})


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_separators_ends_of_lines_and_byte_order_marks_are_known(file, mark, end, start):
    lines = ["variant,reward,propensity", "a,1,0.5", "", "b,0,0.25", ""]
    log = read(file(start + end.join(lines).replace(",", mark)))
    assert (log.variants, log.reward.tolist(), log.propensity.tolist()) == (("a", "b"), [1, 0], [0.5, 0.25])
    assert log.row.tolist() == [2, 4]


def test_a_comma_in_a_number_is_not_guessed_at(file):
    log = read(file("variant;reward;propensity\na;1,5;0.5\nb;1;0,5\nb;1;0.5\n"))
    assert (log.row.tolist(), left(log)) == ([4], {"reward": 1, "no_propensity": 1})


def test_flags_are_numbers_as_any_library_writes_them(file):
    log = read(file("variant,reward,propensity\na,True,0.5\nb,FALSE,0.5\na,true,0.5\nb,yes,0.5\n"))
    assert (log.reward.tolist(), left(log)) == ([1, 0, 1], {"reward": 1})


def test_numbers_that_are_none_are_counted_and_never_computed_with(file):
    bad = ["a,NA,0.5", "a,1,NA", "a,1e400,0.5", "a,1,1e400", "a,1,0", "a,1,-0.5", "a,1,1.5", "a,1,", "a,,0.5", ",1,0.5"]
    log = read(file("\n".join(["variant,reward,propensity", *bad, "a,1,0.5"])))
    assert log.row.tolist() == [12]
    assert left(log) == {"reward": 3, "no_propensity": 2, "propensity": 4, "variant": 1}


def test_a_quote_that_nothing_closes_is_counted_with_all_that_it_takes_in(file):
    log = read(file('variant,reward,propensity\na,1,0.5\n"b,0,0.5\na,1,0.5\na,1,0.5\n'))
    assert (log.row.tolist(), left(log)) == ([2], {"broken": 3})


def test_a_column_that_is_there_twice_is_refused_if_it_is_declared(file):
    with pytest.raises(InvalidRequest, match="the table has 2 columns 'reward': give each a name of its own"):
        read(file("variant,reward,propensity,reward\na,1,0.5,0\n"))
    assert len(read(file("variant,reward,propensity,z,z\na,1,0.5,0,1\n"))) == 1


@pytest.mark.parametrize("content", ["\nvariant,reward,propensity\na,1,0.5\n", ""])
def test_a_file_without_a_header_is_refused(file, content):
    with pytest.raises(InvalidRequest, match="has no header: its first line must name its columns"):
        read(file(content))


def test_names_are_shown_as_they_are(file):
    with pytest.raises(InvalidRequest, match="no column 'reward': its columns are 'variant', ' reward', ' propensity'"):
        read(file("variant, reward, propensity\na, 1, 0.5\n"))
    with pytest.raises(InvalidRequest, match="no column 'variant'") as refused:
        read(file("variant,reward,propensity\na,1,0.5\n".encode("utf-16")))
    assert str(refused.value).encode(), "it can be printed"


# --- frames ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", FRAMES)
def test_what_is_missing_in_a_frame_is_missing(made):
    days = [dt.datetime(2026, 1, 1), None, dt.datetime(2026, 1, 3), dt.datetime(2026, 1, 4)]
    columns = {"variant": ["a", "b", None, "b"], "reward": [1, 0, 1, 0], "propensity": [0.5] * 4, "at": days}
    log = read(made(columns), Columns(at="at"))
    assert (log.row.tolist(), left(log)) == ([1, 4], {"broken": 1, "variant": 1})
    assert log.at.tolist() == [1767225600000000, 1767484800000000]


def test_types_of_their_own_are_what_they_stand_for():
    frame = pd.DataFrame({"variant": ["a", "b", None], "reward": [1, None, 1], "propensity": [0.5] * 3})
    for kinds in ({"variant": "category"}, {"variant": "string", "reward": "Int64", "propensity": "Float64"}):
        log = read(frame.astype(kinds))
        assert (log.row.tolist(), left(log)) == ([1], {"reward": 1, "variant": 1})
    coded = pl.from_pandas(frame).with_columns(pl.col("variant").cast(pl.Categorical))
    assert read(coded).variants == ("a", "b")


def test_columns_of_a_frame_that_cannot_be_told_apart_or_named_are_refused():
    twice = pd.DataFrame([["a", 1, 0.5, 2]], columns=["variant", "reward", "propensity", "reward"])
    with pytest.raises(InvalidRequest, match="give each column of the frame a name of its own"):
        read(twice)
    with pytest.raises(InvalidRequest, match="the table has no column 'variant'"):
        read(twice.set_axis([0, 1, 2, 3], axis=1))


@pytest.mark.parametrize("values", [[[1], [0]], [1j, 0j], pd.to_timedelta([1, 2], "s")])
def test_rewards_that_are_no_numbers_are_left_out(values):
    with pytest.raises(InvalidRequest, match=r"draws whose reward is missing or not a finite number .*: 2"):
        read(pd.DataFrame({"variant": ["a", "b"], "reward": values, "propensity": [0.5, 0.5]}))


# --- tests that have no column of propensities ----------------------------------------------------------------------


@pytest.mark.parametrize("made", FRAMES)
def test_the_chances_of_a_test_are_declared_once(made):
    table = made({"group": ["a", "b", "b", "c"], "bought": [0, 1, 1, 1]})
    log = read(table, Columns("group", "bought", probabilities={"b": 0.75, "a": 0.25}))
    assert (log.variants, log.propensity.tolist()) == (("b", "a"), [0.25, 0.75, 0.75])
    assert (log.pattern.tolist(), log.patterns.tolist()) == ([0, 0, 0], [[0.75, 0.25]])
    assert left(log) == {"variant": 1}
    assert (log.collection.is_adaptive, log.collection.least) == (False, 0.25)


def test_where_nothing_is_declared_it_is_said_how(file):
    table = file("group,bought\na,1\nb,0\n")
    why = (
        r"no column 'propensity'.*: declare the column that has it, or where all draws .* as in a test, .*Columns\(prob"
    )
    with pytest.raises(InvalidRequest, match=why.replace(".*: declare", ".*; declare")):
        read(table, Columns("group", "bought"))
    with pytest.raises(InvalidRequest, match="no propensity is declared: declare the column"):
        read(table, Columns("group", "bought", propensity=""))


@pytest.mark.parametrize("shares", [{"a": 0.5, "b": 0.4}, {"a": 1.5, "b": -0.5}, {"a": 0.5, "b": float("nan")}])
def test_declared_chances_are_a_distribution(file, shares):
    with pytest.raises(InvalidRequest, match=r"the declared probabilities are a .*: they must be 0 or more"):
        read(file("group,bought\na,1\n"), Columns("group", "bought", probabilities=shares))


def test_a_propensity_that_is_there_must_be_the_declared_one():
    frame = pd.DataFrame({"group": ["a", "b"], "bought": [0, 1], "propensity": [0.5, 0.9]})
    assert left(read(frame, EVEN)) == {"propensity": 1}


def test_distributions_in_columns_need_no_propensity_beside_them():
    frame = pd.DataFrame({"v": ["a", "b"], "r": [1, 0], "pa": [0.3, 0.6], "pb": [0.7, 0.4]})
    log = read(frame, Columns("v", "r", probabilities={"a": "pa", "b": "pb"}))
    assert log.propensity.tolist() == [0.3, 0.4]
    with pytest.raises(InvalidRequest, match="no column 'chance'"):
        read(frame, Columns("v", "r", "chance", probabilities={"a": "pa", "b": "pb"}))


def test_a_test_says_of_one_variant_what_its_mean_is():
    """Against the formula: of an even test with nothing else known, a variant's value is near its own mean."""
    rng = np.random.default_rng(5)
    group = rng.integers(0, 2, 4000)
    bought = (rng.random(4000) < np.where(group == 1, 0.3, 0.2)).astype(int)
    frame = pd.DataFrame({"group": np.array(["a", "b"])[group], "bought": bought})
    found = ope.evaluate(tables.read(frame, EVEN), ope.always("b"))
    own = bought[group == 1]
    assert found.value.value == pytest.approx(own.mean(), abs=2 * own.std() / np.sqrt(len(own)))
    assert found.value.interval is not None


@pytest.mark.parametrize(
    ("name", "columns", "target", "mean"),
    [
        (
            "hillstrom/hillstrom.csv",
            Columns(
                "segment", "visit", probabilities=dict.fromkeys(("Mens E-Mail", "Womens E-Mail", "No E-Mail"), 1 / 3)
            ),
            "Mens E-Mail",
            0.182757,
        ),
        (
            "cookie_cats/cookie_cats.csv",
            Columns("version", "retention_7", probabilities={"gate_30": 0.5, "gate_40": 0.5}),
            "gate_30",
            0.190201,
        ),
    ],
)
def test_real_tests_are_read_as_they_are(name, columns, target, mean):
    if not (DATA / name).is_file():
        pytest.skip("the real logs are not here")
    found = ope.evaluate(tables.read(DATA / name, columns), ope.always(target))
    assert found.left_out == ()
    assert found.value.value == pytest.approx(mean, abs=0.003)
    assert found.value.low < mean < found.value.high
