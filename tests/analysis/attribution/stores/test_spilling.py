"""Rows on disk come back by part, in the order in which they came."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.attribution.stores.spilling import Spill
from engine.errors import StoreUnavailable

COLUMNS = {"key": "<i8", "size": "<f8", "code": "<i4"}


def test_parts_have_their_rows_in_order() -> None:
    rng = np.random.default_rng(4)
    part, size = rng.integers(0, 5, 300), rng.normal(size=300)
    with Spill(COLUMNS, 6) as spill:
        for start in (0, 1, 100):
            some = slice(start, {0: 1, 1: 100, 100: 300}[start])
            spill.put(part[some], key=np.arange(300)[some], size=size[some], code=part[some])
        found = [spill.part(number) for number in (3, 0, 5, 1, 4, 2)]
        again = spill.part(3)
    for number, rows in zip((3, 0, 5, 1, 4, 2), found, strict=True):
        np.testing.assert_array_equal(rows["key"], np.flatnonzero(part == number))
        np.testing.assert_array_equal(rows["size"], size[part == number])
        assert (rows["code"] == number).all()
    np.testing.assert_array_equal(again, found[0])


def test_reading_between_writing() -> None:
    with Spill({"key": "<i8"}, 2) as spill:
        for n in range(1, 4):
            spill.put(np.array([0, 1]), key=np.array([n, -n]))
            assert spill.part(0)["key"].tolist() == [*range(1, n + 1)]


def test_no_rows() -> None:
    with Spill(COLUMNS, 2) as spill:
        assert len(spill.part(1)) == 0
        spill.put(np.zeros(0, np.int64), key=np.zeros(0, np.int64), size=np.zeros(0), code=np.zeros(0, np.int64))
        assert spill.part(1).dtype.names == tuple(COLUMNS)


def test_what_was_closed_is_gone() -> None:
    spill = Spill({"key": "<i8"}, 1)
    spill.put(np.array([0]), key=np.array([1]))
    spill.close()
    with pytest.raises(ValueError, match="closed file"):
        spill.part(0)


def test_a_disk_without_room_is_named() -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Spill({"key": "<i8"}, 1) as spill:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            with pytest.raises(StoreUnavailable, match=r"no room for 80000 bytes in .*: let TMPDIR name another place"):
                spill.put(np.zeros(10_000, np.int64), key=np.arange(10_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
