"""What is known to crash, hang or corrupt Vowpal Wabbit cannot happen through our door."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import Variant
from engine.policies.vowpal import LIBRARY, Lesson, Workspace, _in_order
from tests.engine.policies.vw_house import (
    ARGUMENTS,
    CONTEXT,
    NOTHING,
    VARIANTS,
    WILD,
    A,
    B,
    C,
    each,
    encode,
    features,
    lessons,
    run,
    workspace,
)


def test_probabilities_come_by_action_though_vw_gives_them_by_score():
    ws = workspace()
    ws.learn(lessons(300))
    by_score = [action for action, _ in ws._model.predict_one([ws._asked, *ws._actions.of(VARIANTS)])]
    assert by_score != sorted(by_score)
    probabilities = ws.predict(CONTEXT, VARIANTS)
    assert probabilities[2] == max(probabilities) > 0.9
    assert ws.predict(CONTEXT, (C, B, A))[0] > 0.9
    assert _in_order([(2, 0.5), (0, 0.375), (1, 0.125)], 3) == [0.375, 0.125, 0.5]


@pytest.mark.parametrize(
    "scores",
    [
        [],
        [(0, 0.5), (1, 0.5)],
        [(0, 0.25), (1, 0.25), (2, 0.25), (3, 0.25)],
        [(0, 0.5), (0, 0.25), (1, 0.25)],
        [(0, 0.5), (1, 0.25), (3, 0.25)],
        [(0, 1.0), (1, 1.0), (2, 1.0)],
        [(0, 0.5), (1, 0.25), (2, math.nan)],
        [(0, math.inf), (1, -math.inf), (2, 1.0)],
        [(0, 1.5), (1, -0.25), (2, -0.25)],
    ],
)
def test_what_is_no_distribution_is_refused(scores):
    with pytest.raises(PolicyFailed):
        _in_order(scores, 3)


def test_eight_threads_with_a_log_handler_do_not_hang():
    # Without our lock and silence this hangs: the handler's I/O gives way to a thread that waits for VW's lock.
    out = run(
        """
import logging, threading
logging.basicConfig(level=logging.DEBUG)
import tests.engine.policies.vw_house as t
ws = t.workspace()
def work():
    for lesson in t.lessons(200, t.WILD):
        ws.learn([lesson])
        ws.predict(t.CONTEXT, t.VARIANTS)
    ws.serialize()
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(sum(ws.predict(t.CONTEXT, t.VARIANTS)))
"""
    )
    assert float(out) == pytest.approx(1)


def test_the_first_workspaces_of_a_process_may_be_made_by_many_threads():
    # Without the push while our module loads this hangs one time in five.
    out = run(
        """
import threading
import tests.engine.policies.vw_house as t
barrier = threading.Barrier(8)
def work():
    barrier.wait()
    t.workspace(t.workspace().serialize()).predict(t.CONTEXT, t.VARIANTS)
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("done")
"""
    )
    assert out == "done\n"


def test_nothing_is_logged(caplog):
    caplog.set_level("DEBUG")
    ws = workspace()
    ws.learn(lessons(20, WILD))
    workspace(ws.serialize()).learn(lessons(20, WILD))
    assert not caplog.records


def test_threads_that_ask_learn_and_write_get_whole_answers():
    ws = workspace()

    def work(turn: int) -> float:
        if turn % 4 == 0:
            ws.learn(lessons(3))
        if turn % 10 == 0:
            workspace(ws.serialize())
        return sum(ws.predict(features(turn % 7, turn % 11), VARIANTS[turn % 3 :]))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(400))) == pytest.approx([1.0] * 400, abs=1e-12)


def test_an_earlier_parse_error_elsewhere_in_the_process_leaves_no_features_behind():
    # Without emptying examples, the first workspace after the error learns from features that nobody sees.
    out = run(
        """
import tests.engine.policies.vw_house as t
import vowpal_wabbit_next as vw
def digest():
    ws = t.workspace()
    ws.learn(t.lessons(100))
    return ws.serialize(), ws.predict(t.CONTEXT, t.VARIANTS)
before = digest()
parser = vw.TextFormatParser(vw.Workspace([*t.ARGUMENTS, "--quiet"]))
for text in ("shared |U x:1:2", "|A x:1:2", "0:1:0.5 |U a b |A c d:1:2", "shared |Z x:1:2"):
    for n in (1, 3, 50):
        for _ in range(n):
            try:
                parser.parse_line(text)
                raise SystemExit("it must fail")
            except RuntimeError:
                pass
        assert digest() == before, (text, n)
print("done")
"""
    )
    assert out == "done\n"


def test_only_two_ascii_namespaces_exist():
    ws = workspace()
    ws.learn(lessons(5))
    ws.predict(CONTEXT, VARIANTS)
    assert ws._asked.feat_group_indices == ws._taught.feat_group_indices == [ord("U")]
    assert all(example.feat_group_indices == [ord("A")] for example in ws._actions.of(VARIANTS))


@pytest.mark.parametrize("eligible", [(), (A, A), (A, B, A), (A, Variant("a", features={"x": 1.0}))])
def test_variants_must_be_there_and_have_different_names(eligible):
    ws = workspace()
    with pytest.raises(PolicyFailed, match="different"):
        ws.predict(CONTEXT, eligible)
    with pytest.raises(PolicyFailed, match="different"):
        Lesson(CONTEXT, eligible, "a", 1.0, 0.5)
    assert ws.predict(CONTEXT, VARIANTS) == workspace().predict(CONTEXT, VARIANTS)


def test_an_error_inside_vw_does_not_make_examples_stick():
    ws = workspace()
    ws.learn(lessons(50))
    expected = ws.predict(CONTEXT, VARIANTS)
    action = ws._actions.of(VARIANTS)[0]
    # VW refuses the same example twice, and then for ever: "has either already been setup".
    with pytest.raises(PolicyFailed, match="Vowpal Wabbit refused"):
        ws._call(ws._model.predict_one, [ws._asked, action, action])
    assert ws.predict(CONTEXT, VARIANTS) == expected
    ws.learn(lessons(5))


def test_broken_examples_do_not_come_back_from_vws_pool():
    ws = workspace()
    action = ws._actions.of(VARIANTS)[0]
    with pytest.raises(PolicyFailed):
        ws._call(ws._model.predict_one, [ws._asked, action, action])
    del ws, action
    others = [workspace() for _ in range(50)]
    assert all(other.predict(CONTEXT, VARIANTS) == others[0].predict(CONTEXT, VARIANTS) for other in others)


@pytest.mark.parametrize(
    ("chosen", "reward", "propensity"),
    [
        ("d", 0.5, 0.5),
        ("a", -0.1, 0.5),
        ("a", 1.1, 0.5),
        ("a", math.nan, 0.5),
        ("a", 0.5, 0.0),
        ("a", 0.5, -1.0),
        ("a", 0.5, 1.7),
        ("a", 0.5, math.nan),
    ],
)
def test_a_label_that_vw_would_misread_is_refused(chosen, reward, propensity):
    with pytest.raises(PolicyFailed):
        Lesson(CONTEXT, VARIANTS, chosen, reward, propensity)


@pytest.mark.parametrize("context", [NOTHING, features(*range(10_000))], ids=["empty", "10,000 features"])
def test_contexts_of_any_size(context):
    ws = workspace()
    assert ws.predict(context, VARIANTS) == pytest.approx([1 / 3] * 3, abs=1e-6)
    ws.learn(lessons(200, context))
    assert ws.predict(context, VARIANTS)[2] > 0.8
    assert ws.predict(context, VARIANTS[:1]) == [1.0]


def test_a_reused_example_keeps_nothing_of_earlier_contexts():
    fresh, used = workspace(), workspace()
    fresh.learn(lessons(50))
    for context in (features(*range(10_000)), NOTHING, features(7, values=[1e6])):
        used.predict(context, VARIANTS)
    for lesson in lessons(50):
        used.predict(features(*range(100)), VARIANTS[:2])
        used.learn([lesson])
    assert used.serialize() == fresh.serialize()
    assert used.predict(CONTEXT, VARIANTS) == fresh.predict(CONTEXT, VARIANTS)


@pytest.mark.parametrize("propensity", [2**-32, 1e-6, 1.0 - 2**-32, 1.0])
def test_the_smallest_and_largest_propensities_leave_finite_weights(propensity):
    ws = workspace()
    for value in (711.0, -711.0, 1e-30, 0.0):
        ws.learn(lessons(50, features(1, 2, values=[value, 1.0]), propensity))
    assert np.isfinite(ws._model.weights()).all()
    assert sum(ws.predict(CONTEXT, VARIANTS)) == pytest.approx(1)


def test_every_flipped_bit_and_every_cut_is_refused():
    ws = workspace()
    ws.learn(lessons(20))
    blob = ws.serialize()
    for position in range(len(blob)):
        flipped = bytearray(blob)
        flipped[position] ^= 1 << position % 8
        with pytest.raises(SnapshotRefused):
            workspace(bytes(flipped))
    for length in range(1, len(blob)):
        with pytest.raises(SnapshotRefused):
            workspace(blob[:length])


def test_a_bare_model_or_one_of_other_arguments_or_schema_is_refused():
    ws = workspace()
    blob = ws.serialize()
    with pytest.raises(SnapshotRefused):
        workspace(ws._model.serialize())
    with pytest.raises(SnapshotRefused):
        workspace(blob, schema="another")
    with pytest.raises(SnapshotRefused):
        Workspace([*ARGUMENTS, "--gamma_scale", "3.0"], each(encode), "s", blob)


def test_another_process_writes_the_same_bytes_and_answers_the_same():
    ws = workspace()
    ws.learn(lessons(100))
    code = """
import tests.engine.policies.vw_house as t
ws = t.workspace()
ws.learn(t.lessons(100))
print(ws.serialize().hex(), repr(ws.predict(t.CONTEXT, t.VARIANTS)))
"""
    assert run(code).strip() == f"{ws.serialize().hex()} {ws.predict(CONTEXT, VARIANTS)!r}"


def test_the_library_is_named_with_its_version():
    assert LIBRARY == "vowpal-wabbit-next 0.7.0"


def test_nobody_else_imports_it():
    root = Path(__file__).parents[3]
    sources = [path for part in ("engine", "simulators", "analysis") for path in (root / part).rglob("*.py")]
    users = [path.name for path in sources if "vowpal_wabbit_next" in path.read_text()]
    assert users == ["vowpal.py"]
