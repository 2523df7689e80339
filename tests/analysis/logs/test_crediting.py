from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.designs import fixed
from analysis.logs import crediting, frames
from analysis.logs.crediting import Counted, Part
from engine.experiments import Experiment, ExposureRule, Variant
from engine.metrics import Metric, MetricKind
from engine.records import DrawKey
from engine.specs import FixedSpec

DAY = timedelta(days=1)
CLICK = Metric("click", window=DAY)
LATER = Metric("later", window=5 * DAY, after=2 * DAY, of="click")
TEST = Experiment("hero", (Variant("a"), Variant("b")), (CLICK,))


def units(frame):
    rows = frame.assignments
    return crediting.units(frame, rows.is_usable, rows.variant, rows.stratum, rows.at)


def left_out(frame, subjects, part=Part.ALL):
    return {str(count.what): count.n for count in crediting.not_credited(frame, subjects, part) if count.n}


# --- whose an outcome is -------------------------------------------------------------------------------------------


def test_subjects_come_in_the_order_of_their_windows_then_of_seq(new_log):
    log = new_log(replace(TEST, exposure=ExposureRule.REPORTED))
    made = {unit: log.assign(unit) for unit in ("late", "early", "also early")}
    for unit, at in {"late": 3.0, "also early": 1.0, "early": 1.0}.items():
        log.expose(made[unit], at)
    frame = frames.read(log.store, "hero")
    subjects = fixed.arrivals(frame).subjects
    assert subjects.row.tolist() == [1, 2, 0]
    assert (np.diff(subjects.since) >= 0).all()
    assert subjects.unit_key.tolist() == frame.assignments.unit_key[subjects.row].tolist()


def test_what_is_known_of_a_unit_is_from_its_first_assignment_exposed_or_not(new_log):
    log = new_log(replace(TEST, exposure=ExposureRule.REPORTED))
    log.assign("one", 0.0)
    log.default("two", 0.0)
    for unit in ("two", "one"):
        log.expose(log.assign(unit, 1.0), 2.0)
    frame = frames.read(log.store, "hero")
    subjects = fixed.arrivals(frame).subjects
    assert dict(zip(subjects.row.tolist(), subjects.first.tolist(), strict=True)) == {2: 1, 3: 0}


def test_several_metrics_of_one_outcome_hold_what_is_in_their_own_window(new_log):
    log = new_log(replace(TEST, metrics=(CLICK, LATER)))
    log.assign("one", 0.0)
    for at in (0.5, 1.5, 2.0, 5.0, 6.0):
        log.observe("one", "click", at)
    frame = frames.read(log.store, "hero")
    subjects = units(frame)
    assert [len(crediting.held(frame, subjects, metric)) for metric in (CLICK, LATER)] == [1, 2]
    assert left_out(frame, subjects) == {"outcomes from outside the window of every metric that they count for": 2}


def test_a_unit_in_two_variants_stays_with_its_first_one_and_is_counted(new_log):
    log = new_log(TEST)
    log.assign("one", 0.0, variant="a")
    log.assign("two", 0.5, variant="b")
    log.update(replace(log.experiment, policy=FixedSpec({"a": 0.1, "b": 0.9})))
    for unit in ("one", "one", "two"):
        log.assign(unit, 1.0, variant="b")
    frame = frames.read(log.store, "hero")
    subjects = units(frame)
    assert (subjects.counted, subjects.label.tolist(), subjects.n_switched) == (Counted.UNIT, [0, 1], 1)


# --- what is not credited ------------------------------------------------------------------------------------------


def test_every_outcome_that_is_not_credited_is_counted_with_its_reason(new_log):
    score = Metric("score", MetricKind.NPS, DAY)
    log = new_log(replace(TEST, metrics=(CLICK, score)))
    log.assign("one", 5.0)
    log.observe("one", "click", 4.9)
    log.observe("one", "click", 6.1)
    log.observe("stranger", "click", 5.5)
    log.observe("one", "click", 5.5, 1e200)
    log.observe("one", "score", 5.5, 11.0)
    log.observe("one", "score", 5.5, 10.0)
    frame = frames.read(log.store, "hero")
    subjects = units(frame)
    assert left_out(frame, subjects) == {
        "outcomes from before the exposure": 1,
        "outcomes from outside the window of every metric that they count for": 1,
        "outcomes of units or assignments that are not analysed": 1,
        "outcomes whose value is too large for any sum: credited to nobody": 1,
        "scores that are not between 0 and 10": 1,
    }
    assert len(crediting.held(frame, subjects, score)) == 1
    for part in Part:
        assert sum(left_out(frame, subjects, part).values()) == 5


def test_values_that_are_missing_or_infinite_never_come_here(new_log):
    log = new_log(TEST)
    made = log.assign("one", 0.0)
    for value in (float("inf"), float("nan")):
        log.observe(made, "click", 0.5, value)
    frame = frames.read(log.store, "hero")
    assert len(frame.outcomes) == 0
    assert sum(count.n for count in frame.left_out) == 2


EVENTS = st.lists(
    st.tuples(st.sampled_from(["assign", "default", "unit", "row"]), st.integers(0, 3), st.integers(0, 4)), max_size=30
)


def owner(lines, by_assignment, unit, made, when):
    """Return the place of the line that an outcome belongs to, or -1, as one who reads the log line by line."""
    own = [place for place, line in enumerate(lines) if line[0] == unit]
    if not by_assignment:
        return next((place for place in own if lines[place][1].is_draw), -1)
    if made is None:
        place = next((place for place in reversed(own) if lines[place][2] <= when), -1)
    else:
        place = next(place for place, line in enumerate(lines) if line[1] is made)
    return place if place >= 0 and lines[place][1].is_draw else -1


@given(EVENTS, st.booleans())
def test_an_outcome_is_credited_as_one_who_reads_the_log_would(new_log, events, by_assignment):
    log = new_log(TEST)
    time, lines, observed = 0.0, [], []
    for what, who, gap in events:
        time += gap / 4
        unit = f"unit {who}"
        if what == "assign":
            lines.append((unit, log.assign(unit, time), time))
        elif what == "default":
            lines.append((unit, log.default(unit, time), time))
        elif what == "unit":
            log.observe(unit, "click", time)
            observed.append((unit, None, time))
        elif lines:
            unit, made, _ = lines[who % len(lines)]
            log.observe(made, "click", time)
            observed.append((unit, made, time))
    frame = frames.read(log.store, "hero")
    drawn = frame.assignments.is_usable
    subjects = crediting.assignments(frame, drawn) if by_assignment else units(frame)
    found = np.append(subjects.row, -1)[subjects.credited]
    assert found.tolist() == [owner(lines, by_assignment, *each) for each in observed]


# --- the subjects of a test ----------------------------------------------------------------------------------------


def by_assignment(log, unit, at):
    return log.assign(unit, at, draw_key=DrawKey.ASSIGNMENT)


def test_draws_by_assignment_of_units_that_repeat_count_each_for_itself(new_log):
    log = new_log(TEST)
    for at in (0.0, 2.0):
        by_assignment(log, "one", at)
    by_assignment(log, "two", 1.0)
    for at in (0.5, 2.5, 2.6):
        log.observe("one", "click", at)
    frame = frames.read(log.store, "hero")
    subjects = fixed.arrivals(frame).subjects
    assert subjects.counted is Counted.ASSIGNMENT
    assert subjects.row.tolist() == [0, 2, 1]
    assert subjects.unit_key[0] == subjects.unit_key[2] != subjects.unit_key[1]
    assert subjects.first.tolist() == [0, 2, 0]
    assert subjects.credited.tolist() == [0, 2, 2]


@pytest.mark.parametrize(
    ("draws", "counted"),
    [
        ([("one", DrawKey.UNIT), ("one", DrawKey.UNIT)], Counted.UNIT),
        ([("one", DrawKey.ASSIGNMENT), ("two", DrawKey.ASSIGNMENT)], Counted.UNIT),
        ([("one", DrawKey.ASSIGNMENT), ("one", DrawKey.UNIT)], Counted.UNIT),
        ([("one", DrawKey.ASSIGNMENT), ("one", DrawKey.ASSIGNMENT), ("two", DrawKey.UNIT)], Counted.ASSIGNMENT),
    ],
)
def test_units_count_once_unless_they_were_drawn_anew(new_log, draws, counted):
    log = new_log(TEST)
    for unit, draw_key in draws:
        log.assign(unit, draw_key=draw_key)
    assert fixed.arrivals(frames.read(log.store, "hero")).subjects.counted is counted


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize(("shown", "is_intention_to_treat"), [((90, 90), False), ((90, 60), True)])
def test_unequal_exposure_counts_all_that_were_assigned_from_then_on(new_log, anew, shown, is_intention_to_treat):
    log = new_log(replace(TEST, exposure=ExposureRule.REPORTED))
    for variant, n_shown in zip("ab", shown, strict=True):
        for place in range(100):
            unit = f"{variant} {place // 2 if anew else place}"
            made = log.assign(unit, variant=variant, draw_key=DrawKey.ASSIGNMENT if anew else DrawKey.UNIT)
            if place < n_shown:
                log.expose(made, 1.0)
    frame = frames.read(log.store, "hero")
    arrival = fixed.arrivals(frame)
    assert arrival.is_intention_to_treat is is_intention_to_treat
    assert len(arrival.subjects) == (200 if is_intention_to_treat else sum(shown))
    opens = frame.assignments.at if is_intention_to_treat else frame.assignments.exposed_at
    assert (arrival.subjects.since == opens[arrival.subjects.row]).all()


def test_nothing_is_nothing(new_log):
    log = new_log(TEST)
    log.observe("stranger", "click", 1.0)
    frame = frames.read(log.store, "hero")
    for subjects in (units(frame), crediting.assignments(frame, frame.assignments.is_usable)):
        assert len(subjects) == 0
        assert sum(left_out(frame, subjects).values()) == 1


def test_keys_far_apart_are_numbered_before_they_make_a_table(new_log):
    log = new_log(TEST)
    for unit in ("one", "two", "one"):
        log.assign(unit)
    log.observe("two", "click", 0.5)
    frame = frames.read(log.store, "hero")
    spread = replace(
        frame,
        assignments=replace(frame.assignments, unit_key=frame.assignments.unit_key * 10**15),
        outcomes=replace(frame.outcomes, unit_key=frame.outcomes.unit_key * 10**15),
    )
    near, far = units(frame), units(spread)
    assert (near.row.tolist(), near.credited.tolist()) == (far.row.tolist(), far.credited.tolist())
