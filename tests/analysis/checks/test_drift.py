"""The alarm on drift: silent where nothing drifts, however the policy moves, and soon heard where something does.

A log in which nothing drifts may ever raise an alarm with a probability of LEVEL = 0.01. Of 60 such logs the 0.999
quantile of a binomial is 4 with alarms.
"""

from __future__ import annotations

import numpy as np
import pytest

from analysis import report
from analysis.checks import drift, earnings
from analysis.checks.drift import Kind
from analysis.document import Report
from analysis.logs import crediting, rewards
from analysis.pages.languages import CODES, load
from analysis.pages.render import to_markdown
from analysis.sequential import shifts
from analysis.sequential.shifts import Stream
from tests.analysis.checks import simulated

N_LOGS, MOST_ALARMS = 60, 4


def alarms(frame):
    return drift.alarms(drift.findings(frame))


def first_alarm(kind, after, delays, **change):
    """Return the first of some delays at which a kind alarms, or None."""
    for delay in delays:
        frame = simulated.log(np.random.default_rng(11), after + delay, after=after, **change)
        if any(alarm.kind is kind for alarm in alarms(frame)):
            return delay
    return None


@pytest.mark.parametrize("reads_context", [False, True], ids=["context-free", "contextual"])
@pytest.mark.parametrize("n_units", [0, 800], ids=["new customers", "customers who return"])
def test_where_nothing_drifts_no_more_logs_alarm_than_may(reads_context, n_units):
    """Half of the looks are early, where a policy moves most; each log is looked at twice."""
    alarmed = 0
    for seed in range(N_LOGS // 2):
        looks = [
            simulated.log(np.random.default_rng(seed), n, reads_context=reads_context, n_units=n_units)
            for n in (1_500, 4_000)
        ]
        alarmed += any(map(alarms, looks))
    assert alarmed <= MOST_ALARMS


def test_a_policy_that_moves_whom_it_shows_a_variant_raises_no_alarm_where_plain_means_would():
    """By phone everything brings four times as much. What the policy does from visit 4,000 on is show `b` to phones.

    So the plain mean of b's draws rises while the world stands still; its mean over all visits does not.
    """
    rates = np.array([[0.32, 0.48, 0.32], [0.12, 0.08, 0.12], [0.12, 0.08, 0.12]])
    frame = simulated.log(np.random.default_rng(3), 8_000, reads_context=True, rates=rates, even_until=4_000)
    assert alarms(frame) == ()
    rows = frame.assignments
    subjects = crediting.assignments(frame, rows.is_draw & ~rows.is_control_group & (rows.variant == 1))
    values = rewards.earned(frame, subjects)
    plain = earnings._residuals(values, *np.ones((3, len(values))))
    naive = shifts.shift(shifts.of_rows(plain, shifts.places(len(values))))
    assert drift.adjusted(naive.log_e, 5) < 0.01
    assert naive.since > naive.before


def test_a_fall_of_rewards_is_seen_soon_where_the_policy_reads_no_context():
    """All rates fall to 40 % after 6,000 visits: seen within 2,000 more, and dated within 500 of the change."""
    delay = first_alarm(Kind.REWARD, 6_000, (500, 1_000, 1_500, 2_000), factor=0.4)
    assert delay is not None
    frame = simulated.log(np.random.default_rng(11), 6_000 + delay, after=6_000, factor=0.4)
    found = next(alarm for alarm in alarms(frame) if alarm.kind is Kind.REWARD)
    visit = (found.since.timestamp() * 1e6 - simulated.START) / simulated.MINUTE
    assert abs(visit - 6_000) < 500


def test_a_fall_of_rewards_is_seen_later_where_the_policy_reads_context():
    """There a variant's draws are few where the policy does not want it: seen within 6,000."""
    assert first_alarm(Kind.REWARD, 6_000, (3_000, 6_000), factor=0.4, reads_context=True) is not None


@pytest.mark.parametrize("change", [{"phones": 0.5}, {"older": 10.0}], ids=["a text", "a number"])
def test_another_kind_of_visitor_is_seen_within_a_thousand(change):
    assert first_alarm(Kind.CONTEXT, 6_000, (250, 500, 1_000), **change) is not None
    frame = simulated.log(np.random.default_rng(11), 7_000, after=6_000, **change)
    (found,) = [alarm for alarm in alarms(frame) if alarm.kind is Kind.CONTEXT]
    assert found.what == ("device" if "phones" in change else "age")


def test_an_alarm_says_what_how_much_and_since_when():
    frame = simulated.log(np.random.default_rng(11), 8_000, after=6_000, phones=0.5)
    of_context = drift.findings(frame)[1]
    (said,) = map(str, of_context.said)
    assert said.startswith("share of draws with device = phone: 3")
    assert of_context.p_value == of_context.alarms[0].p_value <= drift.LEVEL
    grid = drift.grid(drift.findings(frame))
    assert [str(cell) for cell in grid.rows[1][:3]] == ["Who comes", "device", said]
    assert str(grid.rows[2][2]) == "Not looked at: the policy's snapshots are not at hand."


def test_too_little_is_no_alarm_and_says_so():
    frame = simulated.log(np.random.default_rng(1), 300)
    assert [str(each.said[0]) for each in drift.findings(frame)[:2]] == 2 * ["There are too few rows to tell."]


def test_weights_leave_the_mean_over_all_visits():
    """The weighted residuals of a variant have the mean h (mu - m): 4 standard errors of their sum."""
    frame = simulated.log(np.random.default_rng(5), 20_000, reads_context=True)
    rows = frame.assignments
    subjects = crediting.assignments(frame, rows.is_draw & (rows.pattern >= 0))
    values = rewards.earned(frame, subjects)
    found = dict(zip("abc", earnings.streams(frame, subjects.row[: len(values)], values), strict=False))
    for place, (_, stream) in enumerate(found.values()):
        true = np.array([[0.10, 0.20, 0.14], [0.12, 0.10, 0.16], [0.20, 0.12, 0.10]]).mean(axis=0)[place]
        error = stream.residual - stream.mass * (true - stream.predicted)
        assert abs(error.sum()) < 4 * np.sqrt((error**2).sum())
        assert (np.abs(stream.residual) <= stream.bound + 1e-9).all()
    assert isinstance(found["a"][1], Stream)


def test_the_report_of_a_policy_that_learns_has_it_as_a_section_and_in_every_language():
    source = simulated.source(np.random.default_rng(11), 8_000, after=6_000, phones=0.5)
    found = report(source, "hero")
    section = found.sections[0]
    assert (section.key, len(section.rows)) == ("drift", 3)
    assert Report.from_json(found.to_json()) == found
    for code in CODES:
        page, words = to_markdown(found, code), load(code)
        assert words.say(section.title) in page
        assert words.say(section.rows[1][2]).split(":")[0] in page.replace("\\", "")
    assert report(source, "hero", in_full=False).sections == ()
