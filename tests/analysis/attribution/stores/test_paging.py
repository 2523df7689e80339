"""A log is read page by page, and what has no pages at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.attribution.stores.paging import Paging
from analysis.logs.simple_log import simple_log
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric

HERO = Experiment(
    "hero",
    (Variant("plain"), Variant("bold")),
    (Metric("click"),),
    context=(ContextField("channel", FieldType.TEXT),),
)


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_pages_have_every_entry_once(size: int, new_log: Any) -> None:
    log = new_log(HERO)
    for i in range(10):
        log.assign(f"{i}", i, context={"channel": f"{i}"})
        if i % 3 == 0:
            log.observe(f"{i}", "click", i)
    paging = Paging.of(log.store, size)
    parts = [paging.answers(("variant",), page) for page in paging.pages]
    expected = log.store.columns("assignments", ["seq", "variant"])
    np.testing.assert_array_equal(np.concatenate([part["seq"] for part in parts]), expected["seq"])
    variants = np.concatenate([part["variant"].values() for part in parts])
    np.testing.assert_array_equal(variants, expected["variant"].values())
    texts = [paging.texts("hero", "channel", page).values() for page in paging.pages]
    assert list(map(len, texts)) == [len(part["seq"]) for part in parts]
    assert np.concatenate(texts).tolist() == [f"{i}" for i in range(10)]
    for place, part in enumerate(parts):
        assert set(paging.page_of(part["seq"]).tolist()) <= {place}


def test_an_empty_log_has_an_empty_page(new_log: Any) -> None:
    paging = Paging.of(new_log(HERO).store, 10)
    assert paging.pages == [(0, 0)]
    assert len(paging.answers((), (0, 0))["seq"]) == 0


def test_a_log_without_pages_is_one() -> None:
    log = simple_log(HERO, {"variant": np.zeros(5, np.int64)}, context={"channel": [*"abcde"]})
    paging = Paging.of(log, 2)
    assert paging.pages == [(0, 5)]
    assert paging.answers((), (0, 5))["experiment_id"].values().tolist() == ["hero"] * 5
    assert paging.texts("hero", "channel", (0, 5)).words == (*"abcde",)
