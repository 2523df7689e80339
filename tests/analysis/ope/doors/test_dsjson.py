"""VW's dsjson: what its fields mean, and each way in which they mislead."""

import json
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from analysis.ope.doors import dsjson
from analysis.ope.doors.dsjson import Reading
from analysis.ope.logged import Collection
from engine.errors import InvalidRequest

EVENT = {
    "_label_cost": -1.0,
    "_label_probability": 0.7,
    "_label_Action": 3,
    "_labelIndex": 2,
    "Timestamp": "2021-02-04T16:31:29.2460000Z",
    "EventId": "first",
    "a": [3, 1, 2],
    "c": {"shared": {"age": 30, "vip": True}, "_multi": [{"i": {"id": "x"}}, {"i": {"id": "y"}}, {"i": {"id": "z"}}]},
    "p": [0.7, 0.1, 0.2],
}
SLATE = {
    "EventId": "second",
    "c": {"u": {"day": "Mon"}, "_multi": [{"_tag": "x"}, {"_tag": "y"}, {"_tag": "z"}], "_slots": [{"w": 1}, {"w": 2}]},
    "_outcomes": [
        {"_label_cost": -0.5, "_id": "top", "_a": [1, 0, 2], "_p": [0.5, 0.25, 0.25]},
        {"_label_cost": 0, "_id": "side", "_a": [2, 0], "_p": [0.33333334, 0.6666667]},
    ],
}


@pytest.fixture
def read(tmp_path):
    """Returns the log of events, or of lines as they are; they have ids of their own."""

    def reading(*events, **options):
        lines = [
            each if isinstance(each, str) else json.dumps({"EventId": f"{n}", **each}) for n, each in enumerate(events)
        ]
        path = tmp_path / "log.json"
        path.write_text("\n".join(lines), "utf-8")
        (log,) = dsjson.read(path, **options)
        return log

    return reading


def but(**changes):
    """Return the event with changes; what is None is not there."""
    event = {**EVENT, **changes}
    del event["EventId"]
    return {name: value for name, value in event.items() if value is not None}


def left(log):
    return Counter({count.what.key.rpartition(".")[2]: count.n for count in log.left_out})


def test_probabilities_are_in_the_order_of_a_and_not_of_the_variants(read):
    log = read(EVENT)
    assert log.probabilities.tolist() == [[0.1, 0.2, 0.7]]
    assert (log.variant.tolist(), log.propensity.tolist()) == ([2], [0.7])


def test_a_reward_is_the_costs_negative_and_has_no_range_unless_one_is_declared(read):
    log = read(EVENT, but(_label_cost=2.5), but(_label_cost=0))
    assert log.reward.tolist() == [1.0, -2.5, 0.0]
    assert not np.signbit(log.reward[2])
    assert log.collection == Collection(is_adaptive=True, value_range=None)
    declared = Collection(is_adaptive=False, value_range=(0.0, 1.0))
    assert read(EVENT, collection=declared).collection == declared


def test_the_observed_cost_may_be_another_than_the_one_that_was_learned(read):
    event = but(_label_cost=0.0, _original_label_cost=-1.0)
    assert read(event).reward.tolist() == [0.0]
    assert read(event, reading=Reading(cost="_original_label_cost")).reward.tolist() == [1.0]


def test_places_count_from_1_alone_and_from_0_in_a_slate(read):
    assert read(EVENT).variant.tolist() == [2]
    log = read(SLATE)
    assert log.variant.tolist() == [1, 2]
    assert log.could_be.tolist() == [[True, True, True], [True, False, True]]
    assert (log.slate.tolist(), log.slot.tolist(), log.unit.tolist()) == ([0, 0], [0, 1], [0, 0])


def test_rows_of_slates_say_line_and_slot_in_the_order_of_the_draws(read):
    log = read(SLATE, {**SLATE, "EventId": "third"}, EVENT)
    assert log.row.tolist() == [1000, 1001, 2000, 2001, 3000]
    (asked,) = log[3:4].questions()
    assert (asked.context["slot.w"], [variant.name for variant in asked.eligible]) == (2.0, ["x", "z"])


def test_numbers_of_32_bits_are_divided_by_their_sum(read):
    log = read(SLATE)
    found = log.probabilities[1]
    assert found.sum() == pytest.approx(1, abs=1e-15)
    assert found == pytest.approx([2 / 3, 0, 1 / 3], abs=1e-7)
    assert log.propensity[1] == found[2]
    label = float(np.float32(0.05))
    assert read(but(_label_probability=label, p=[0.05, 0.9, 0.05])).propensity.tolist() == [0.05]


def test_fields_are_called_by_namespace_and_a_slots_by_slot(read):
    log = read(EVENT)
    assert next(log.questions()).context == {"shared.age": 30.0, "shared.vip": True}
    assert (log.numbers, log.context.numbers.tolist()) == (("shared.age", "shared.vip"), [[30.0, 1.0]])
    assert [question.context for question in read(SLATE).questions()] == [
        {"u.day": "Mon", "slot.w": 1.0},
        {"u.day": "Mon", "slot.w": 2.0},
    ]


def test_variants_are_called_by_their_tags_where_one_line_has_them_all(read):
    assert read(EVENT).variants == ("1", "2", "3")
    assert read(SLATE).variants == ("x", "y", "z")
    mixed = {**SLATE, "c": {**SLATE["c"], "_multi": [{"_tag": "z"}, {"_tag": "y"}, {"_tag": "x"}]}}
    log, alone = read(SLATE, {**mixed, "EventId": "third"}), read(SLATE)
    assert log.variants == ("x", "y", "z")
    turned = {0: 2, 1: 1, 2: 0}
    assert log.variant.tolist() == [*alone.variant.tolist(), *(turned[place] for place in alone.variant.tolist())]
    other = {**SLATE, "EventId": "other", "c": {**SLATE["c"], "_multi": [{"_tag": tag} for tag in "xyw"]}}
    assert read(SLATE, other).variants == ("1", "2", "3")


def test_candidates_are_places_padded_and_asked_about_with_their_features(read):
    two = but(a=[2, 1], p=[0.6, 0.4], _label_probability=0.6, _label_Action=2, _labelIndex=1)
    log = read(EVENT, {**two, "c": {"_multi": [{"i": {"id": "q"}}, {"price": 3}]}})
    assert log.probabilities.tolist() == [[0.1, 0.2, 0.7], [0.4, 0.6, 0.0]]
    assert log.could_be.tolist() == [[True] * 3, [True, True, False]]
    assert [[variant.features for variant in question.eligible] for question in log.questions()] == [
        [{"i.id": "x"}, {"i.id": "y"}, {"i.id": "z"}],
        [{"i.id": "q"}, {"price": 3.0}],
    ]


def test_declared_variants_have_their_places_wherever_they_stand(read):
    def tagged(*tags):
        return {
            **but(a=[1, 2], p=[0.7, 0.3], _label_Action=1, _labelIndex=0),
            "c": {"_multi": [{"_tag": tag} for tag in tags]},
        }

    log = read(tagged("b", "c"), tagged("a", "b"), tagged("a", "q"), reading=Reading(variants=("a", "b", "c")))
    assert (log.variants, log.variant.tolist()) == (("a", "b", "c"), [1, 0])
    assert log.probabilities.tolist() == [[0.0, 0.7, 0.3], [0.7, 0.3, 0.0]]
    assert [[variant.name for variant in question.eligible] for question in log.questions()] == [["b", "c"], ["a", "b"]]
    assert left(log) == {"variant": 1}


def test_times_are_utc_and_a_line_without_one_has_its_number(read):
    log = read(EVENT, but(Timestamp="2021-04-26T17:23:28.1726275"), but(Timestamp=None))
    assert log.at.tolist() == [1612456289246000, 1619457808172627, 3]


def test_units_are_a_field_of_the_context_if_one_is_named(read):
    events = [{**but(), "c": {"shared": {"who": who, "age": 1}, "_multi": EVENT["c"]["_multi"]}} for who in "aba"]
    assert read(*events).unit.tolist() == [0, 1, 2]
    log = read(*events, reading=Reading(unit="shared.who"))
    assert (log.unit.tolist(), log.numbers, log.texts) == ([0, 1, 0], ("shared.age",), ())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"_label_cost":0,"a":[1,2],"c":{},"p":[0.5,0.5]}!', "broken"),
        ("[1, 2]", "broken"),
        ('{"a": ' + "[" * 100_000, "broken"),
        (but(pdrop=1.0), "broken"),
        (but(Timestamp="yesterday"), "broken"),
        ('{"RewardValue":1.0,"EnqueuedTimeUtc":"2021-02-04T16:31:29Z","EventId":"x"}', "dangling"),
        (but(_skipLearn=True), "not_activated"),
        (but(p=None, _label_probability=None), "no_propensity"),
        (but(p=[], _label_probability=None), "no_propensity"),
        (but(p=None), "distribution"),
        (but(p=[0.7, 0.3]), "distribution"),
        (but(p=[0.7, 0.1, 0.1]), "distribution"),
        (but(p=[0.7, 0.4, -0.1]), "distribution"),
        (but(p=[0.7, 0.3, None]), "distribution"),
        (but(_label_probability=0.0), "propensity"),
        (but(_label_probability=1.2), "propensity"),
        (but(_label_probability=0.1), "propensity"),
        (but(p=[0.0, 0.5, 0.5], _label_probability=None), "propensity"),
        (but(a=[0, 1, 2]), "variant"),
        (but(a=[3, 3, 2]), "variant"),
        (but(a=[1, 3, 2]), "variant"),
        (but(_labelIndex=3), "variant"),
        (but(_label_cost=None), "reward"),
        (but(_label_cost=10**400), "reward"),
        (json.dumps(but()).replace("-1.0", "NaN"), "reward"),
        ({**SLATE, "_outcomes": [{**SLATE["_outcomes"][0], "_a": [1, 1, 2]}]}, "variant"),
        ({**SLATE, "_outcomes": [{**SLATE["_outcomes"][0], "_a": [3, 1, 2]}]}, "variant"),
        ({**SLATE, "_outcomes": "none"}, "broken"),
        (SLATE, "broken"),
    ],
)
def test_what_cannot_be_used_is_counted_with_its_line_and_the_rest_is_read(read, line, why):
    log = read(EVENT, "", line, but())
    assert left(log) == {why: 1}
    assert log.row.tolist() == [1, 4]
    assert str(log.left_out[0].what).endswith("(the first: 3)")


def test_a_line_that_is_there_twice_counts_once(read):
    log = read(EVENT, EVENT, {**EVENT, "EventId": "other"})
    assert (len(log), left(log)) == (2, {"repeated": 1})


def test_bytes_that_are_no_text_cost_their_line_alone(tmp_path):
    path = tmp_path / "log.json"
    path.write_bytes(json.dumps(EVENT).encode() + b'\n{"a": "\xff\xfe"}\n')
    (log,) = dsjson.read(path)
    assert (len(log), left(log)) == (1, {"broken": 1})


def test_a_file_without_a_draw_is_one_error_that_says_what_was_left_out(read, tmp_path):
    with pytest.raises(
        InvalidRequest, match=r"no draw to evaluate from: left out were lines that cannot be read \(the"
    ):
        read("nothing", "of use")
    with pytest.raises(InvalidRequest, match="there are no lines"):
        read("")
    with pytest.raises(InvalidRequest, match="there is no file"):
        dsjson.read(tmp_path / "elsewhere.json")


# --- lines that were dropped on purpose -------------------------------------------------------------------------------


def test_lines_that_were_all_kept_alike_stand_for_the_same(read):
    log = read(but(pdrop=0.9), but(pdrop=0.9, _label_probability=0.07))
    assert (log.propensity.tolist(), left(log)) == ([0.7, 0.7], {})


def test_lines_that_were_kept_differently_are_refused_until_the_least_is_said(read):
    with pytest.raises(
        InvalidRequest, match=r"line 2 was kept with a probability of 0\.5 and lines before it with 0\.1"
    ):
        read(but(pdrop=0.9), but(pdrop=0.5))
    with pytest.raises(InvalidRequest, match=r"line 2 was kept .* `kept` must not be above it"):
        read(but(pdrop=0.5), but(pdrop=0.9), reading=Reading(kept=0.5))


def test_thinning_leaves_the_mean_of_all_draws(read):
    """Of 2n draws, all that earned 1 were kept, and of the rest half: the mean of what is left is that of all.

    Of n = 400 rewarded lines about half are dropped. With d of them left, the mean is d / (d + 400), and d is binomial:
    four standard errors, 40 of 200, move it by less than 0.06.
    """
    events = [but(pdrop=0.0, _label_cost=-1.0) for _ in range(400)] + [
        but(pdrop=0.5, _label_cost=0.0) for _ in range(400)
    ]
    log = read(*events, reading=Reading(kept=0.5, seed=7))
    assert (log.reward == 0).sum() == 400, "a line that was kept with the least probability stays"
    assert log.reward.mean() == pytest.approx(1 / 3, abs=0.06)
    assert left(log) == {"thinned": 800 - len(log)}
    again = read(*events, reading=Reading(kept=0.5, seed=7))
    assert again.row.tolist() == log.row.tolist()


def test_a_label_that_was_multiplied_by_how_likely_the_line_was_kept_contradicts_itself_unless_that_is_said(read):
    assert left(read(but(), but(_label_probability=0.35))) == {"propensity": 1}
    log = read(but(_label_probability=0.35), but(_label_probability=0.35), reading=Reading(kept=0.5))
    assert (log.propensity.tolist(), left(log)) == ([0.7, 0.7], {})


def test_a_long_file_takes_no_more_memory_than_a_short_one(tmp_path):
    """A number that is remembered takes some 100 bytes: one a line would be 600,000 more for 6,000 more lines."""
    line = json.dumps({name: value for name, value in EVENT.items() if name != "EventId"})
    path, peaks = tmp_path / "log.json", []
    for n in (2_000, 2_000, 8_000):
        path.write_text(f"{line}\n" * n, "utf-8")
        tracemalloc.start()
        assert sum(len(block) for block in dsjson.read(path, n=200)) == n
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 300_000
