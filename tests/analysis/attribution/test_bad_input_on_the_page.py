"""Whatever is wrong in a log has its rule, and the page says how often it was applied."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis import attribution
from analysis.attribution import Asked, By
from analysis.attribution.journeys import MAX_TOUCHPOINTS
from analysis.document import Attribution
from analysis.logs.simple_log import simple_log
from analysis.logs.sources import LogSource
from engine.experiments import Brief, ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric
from engine.storage.memory import MemoryStore
from tests.analysis.attribution.stores import random_logs

ROW = Experiment("row", (Variant("plain"), Variant("bold")), (Metric("click"),), brief=Brief(channel="web"))
ASKED = Asked(rules=["linear"], by=[By.CHANNEL], windows=random_logs.WINDOWS)


def shown(log: LogSource, outcome: str, asked: Asked) -> dict[str, int]:
    """Return how often each rule was applied, by the last part of its words' key, once the page was seen to say it."""
    found: Attribution = attribution.attribute(log, outcome, asked)
    page = attribution.to_html(found)
    assert [str(each.what) for each in found.left_out if str(each.what) not in page] == []
    return {each.what.key.rpartition(".")[2]: each.n for each in found.left_out}


def test_a_page_says_what_was_wrong_in_a_log_and_each_thing_once() -> None:
    log = MemoryStore()
    random_logs.save(log)
    log.append(random_logs.entries(150, seed=5))
    found = shown(log, "order", replace(ASKED, channels=("web", "mail")))
    assert min(found.values()) > 0
    assert set(found) == {
        *("no_channel_named", "unknown", "merged", "early", "after", "open", "untouched", "refunds", "alone"),
        *("qa", "blank", "unexposed", "unknown_report", "taken_back", "not_finite", "nobodys", "of_qa"),
    }


def test_of_ten_thousand_channels_a_page_has_the_commonest_and_says_how_many_touches_the_others_have() -> None:
    n = 10_000
    experiment = replace(ROW, context=(ContextField("channel", FieldType.TEXT),))
    names = [f"channel {number}" for number in range(n)]
    rows, buyers = {"variant": np.arange(n) % 2, "unit_key": 1 + np.arange(n) // 4}, {"row": np.arange(0, n, 50)}
    log = simple_log(experiment, rows, buyers, context={"channel": names})
    assert shown(log, "click", ASKED)["rare_channel"] == n - MAX_TOUCHPOINTS


def test_a_channel_that_every_journey_meets_is_said_to_be_one() -> None:
    log = simple_log(ROW, {"variant": np.arange(40) % 2}, {"row": np.arange(0, 40, 5)})
    assert shown(log, "click", ASKED)["everywhere"] == 1
