"""A randomised CSV is read as its recipe says, or refused with the line and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.errors import InvalidRequest
from simulators.recipe import Recipe, load_recipe
from simulators.rows import START, read_rows

RECIPE = """
recipe: mail
context: {age: number, member: flag, tags: [text], city: text}
columns: {city: town}
variant: {column: arm, names: {A: plain, B: bold}}
propensity_column: p
metrics: {visit: {window: 1h}, spend: {kind: revenue, window: 1h}}
shuffle_seed: none
"""
HEADER = ("age", "member", "tags", "town", "arm", "p", "visit", "spend")
GOOD = ("41", "yes", "x|y", "Rome", "A", "0.25", "1", "9.5")
WriteCsv = Callable[[Sequence[str], Iterable[Sequence[object]]], Path]


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe(RECIPE)


def changed(column: str, text: str) -> tuple[str, ...]:
    return tuple(text if name == column else cell for name, cell in zip(HEADER, GOOD, strict=True))


def test_a_row(write_csv: WriteCsv, recipe: Recipe) -> None:
    (row,) = read_rows(write_csv(HEADER, [GOOD]), recipe).rows
    assert row.context == {"age": 41.0, "member": True, "tags": ("x", "y"), "city": "Rome"}
    assert (row.variant, row.propensity, row.line, row.unit_id, row.at) == ("plain", 0.25, 2, "row-2", START)
    assert row.outcomes == {"visit": 1.0, "spend": 9.5}


def test_empty_cells_are_missing_fields_and_zero_is_no_outcome(write_csv: WriteCsv, recipe: Recipe) -> None:
    (row,) = read_rows(write_csv(HEADER, [("", "", "", "", "B", "1", "0", "0")]), recipe).rows
    assert row.context == {}
    assert row.outcomes == {}


def test_counts_and_scores(write_csv: WriteCsv) -> None:
    recipe = load_recipe(
        """{recipe: m, variant: {column: arm, names: [a, b]}, shuffle_seed: none, metrics: {
        clicks: {kind: count, of: n}, clicked: {of: n}, happy: {kind: csat, range: [0, 4]}, nps: {kind: nps},
        rate: {kind: ratio, of: clicks, per: clicked}}, reward: {clicked: 1}}"""
    )
    assert recipe.needed == ("arm", "n", "happy", "nps")
    cells = [("a", "3", "0", "10"), ("b", "0", "", "")]
    first, second = read_rows(write_csv(("arm", "n", "happy", "nps"), cells), recipe).rows
    assert first.outcomes == {"n": 3.0, "happy": 0.0, "nps": 10.0}, "the lowest score is a score"
    assert second.outcomes == {}, "nobody was asked"
    for column, cell, says in ((1, "1.5", "a whole number"), (2, "5", "from 0 to 4"), (3, "11", "from 0 to 10")):
        broken = [*cells[0]]
        broken[column] = cell
        with pytest.raises(InvalidRequest, match=says):
            read_rows(write_csv(("arm", "n", "happy", "nps"), [broken]), recipe)


def test_a_missing_column_names_those_that_are_there(write_csv: WriteCsv, recipe: Recipe) -> None:
    path = write_csv(HEADER[:-1], [GOOD[:-1]])
    with pytest.raises(InvalidRequest, match=r"log\.csv has no column 'spend': there are age, member, .*, visit$"):
        read_rows(path, recipe, skip_broken=True)


def test_a_column_that_is_there_twice(write_csv: WriteCsv, recipe: Recipe) -> None:
    with pytest.raises(InvalidRequest, match="more than one column 'p'"):
        read_rows(write_csv((*HEADER, "p"), [(*GOOD, "1")]), recipe)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (GOOD[:-1], "it has 7 cells and the header 8"),
        ((*GOOD, "more"), "it has 9 cells and the header 8"),
        (changed("age", "old"), "'old' in 'age' is no number"),
        (changed("age", "nan"), "'nan' in 'age' is no number"),
        (changed("member", "maybe"), "'maybe' in 'member' must be 1 or 0"),
        (changed("arm", "C"), "'C' in 'arm' is no variant of the recipe"),
        (changed("p", "0"), "must be in (0, 1]"),
        (changed("p", "1.5"), "must be in (0, 1]"),
        (changed("p", "-0.5"), "must be in (0, 1]"),
        (changed("p", ""), "is no number"),
        (changed("visit", "2"), "'2' in 'visit' must be 1 or 0"),
        (changed("spend", "inf"), "'inf' in 'spend' is no number"),
    ],
)
def test_a_broken_row(write_csv: WriteCsv, recipe: Recipe, broken: Sequence[str], says: str) -> None:
    path = write_csv(HEADER, [GOOD, broken, GOOD])
    with pytest.raises(InvalidRequest, match=r"log\.csv, line 3: .* --skip-broken$") as caught:
        read_rows(path, recipe)
    assert says in str(caught.value)
    table = read_rows(path, recipe, skip_broken=True)
    assert [row.line for row in table.rows] == [2, 4]
    assert [each.line for each in table.broken] == [3]
    assert says in table.first_broken()


def test_only_the_first_broken_rows_are_listed(write_csv: WriteCsv, recipe: Recipe) -> None:
    path = write_csv(HEADER, [GOOD, *[changed("arm", "C")] * 8])
    with pytest.raises(InvalidRequest, match="and 7 more rows are broken"):
        read_rows(path, recipe)
    table = read_rows(path, recipe, skip_broken=True)
    assert len(table.broken) == 8
    assert table.first_broken().count("line ") == 5


def test_an_unclosed_quote_is_a_broken_row(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "log.csv"
    path.write_text(",".join(HEADER) + "\n" + ",".join(GOOD) + '\n"never closed,\n')
    with pytest.raises(InvalidRequest, match="line 3: it is no CSV"):
        read_rows(path, recipe)
    assert len(read_rows(path, recipe, skip_broken=True).rows) == 1


@pytest.mark.parametrize("content", [b"", b"\n", b"age,arm\n", b'"age,arm\n', b"\xff\xfe\x00"])
def test_files_that_are_no_log(tmp_path: Path, recipe: Recipe, content: bytes) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidRequest, match=r"log\.csv"):
        read_rows(path, recipe)


def test_no_file_and_no_rows(tmp_path: Path, write_csv: WriteCsv, recipe: Recipe) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read_rows(tmp_path / "nowhere.csv", recipe)
    with pytest.raises(InvalidRequest, match="no row"):
        read_rows(write_csv(HEADER, []), recipe)


def test_rows_are_shuffled_the_same_way_each_time(write_csv: WriteCsv) -> None:
    recipe = load_recipe("{recipe: m, variant: {column: arm, names: [a, b]}, metrics: [v], shuffle_seed: 3}")
    path = write_csv(("arm", "v"), [("a", "0")] * 50)
    first, again = read_rows(path, recipe).rows, read_rows(path, recipe).rows
    assert first == again
    assert [row.line for row in first] != sorted(row.line for row in first)
    assert sorted(row.line for row in first) == list(range(2, 52))
    assert [row.at for row in first] == [START + index * timedelta(seconds=10) for index in range(50)]


@pytest.mark.parametrize(
    "time", ["2026-03-02T09:00:00Z", "2026-03-02 10:00:00+01:00", "2026-03-02 09:00", "1772442000"]
)
def test_times(write_csv: WriteCsv, time: str) -> None:
    recipe = load_recipe(
        "{recipe: m, variant: {column: arm, names: [a, b]}, metrics: [v], time_column: t, unit_column: u}"
    )
    rows = read_rows(
        write_csv(("u", "arm", "v", "t"), [("y", "a", "1", "2027-01-01"), ("x", "a", "1", time)]), recipe
    ).rows
    assert rows[0].at == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert [row.unit_id for row in rows] == ["x", "y"], "rows with times come in their order"
    with pytest.raises(InvalidRequest, match="is no time"):
        read_rows(write_csv(("u", "arm", "v", "t"), [("y", "a", "1", "soon")]), recipe)
    with pytest.raises(InvalidRequest, match="'u' is empty"):
        read_rows(write_csv(("u", "arm", "v", "t"), [("", "a", "1", time)]), recipe)
