"""The only door to Vowpal Wabbit: its costs, action numbers, labels and examples are known here alone.

What VW does when it is asked carelessly, and what is done about each:

    warnings are logged under VW's own lock, and a second thread then hangs the process -> a lock, and no warnings
    the first features in a process are guarded likewise -> they are given while this module loads
    parsers corrupt the heap and let text become features -> no parser, features are numbers
    somebody else's parser may leave features in pooled examples -> every example is emptied when it is made
    namespaces are bytes, of which some kill the process -> two fixed ASCII ones
    damaged models load silently -> a seal over the model's bytes, its arguments and its schema
    an example twice in one call breaks it for the whole process -> refused; after any error, examples are retired
    predictions come by score, and need not be a distribution -> put in order and checked
    questions and reloading change the model's bytes -> asked without weight, and written down in one normal form
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from threading import Lock
from typing import Literal, TypeVar, cast

import numpy as np
import vowpal_wabbit_next as vw
from vowpal_wabbit_next.example import FeatureGroupRef

from engine.errors import PolicyFailed, SnapshotRefused
from engine.policies.features import Features
from engine.randomness import digest

LIBRARY = f"vowpal-wabbit-next {version('vowpal-wabbit-next')}"
"""Name and version of what computes the learned state."""

_QUIET = ["--quiet", "--log_level", "off"]
_CONTEXT, _ACTION = "U", "A"
_SEAL_BYTES = 16
_Answer = TypeVar("_Answer")

_RETIRED: list[vw.Example] = []
"""Examples of failed calls, kept for ever: VW would pool them, and hand them out again in their broken state."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """The reward in [0, 1] of one of the eligible actions, which was chosen with this propensity.

    Raises:
        PolicyFailed: a number is out of its range, or the chosen action was not eligible.
    """

    context: Features
    eligible: tuple[str, ...]
    chosen: str
    reward: float
    propensity: float

    def __post_init__(self) -> None:
        if self.chosen not in self.eligible:
            raise PolicyFailed(f"{self.chosen!r} was not eligible: an assignment must name one of {self.eligible!r}")
        if not 0.0 <= self.reward <= 1.0:
            raise PolicyFailed(f"a reward must be in [0, 1] and one is {self.reward!r}: check the metrics' caps")
        if not 0.0 < self.propensity <= 1.0:
            raise PolicyFailed(f"a propensity must be in (0, 1] and one is {self.propensity!r}: learn from draws alone")


class Workspace:
    """A model over the named actions that predicts a distribution and learns from lessons.

    Safe to share between threads. Its bytes depend on what it learned alone, not on questions or restoring.

    Raises:
        SnapshotRefused: `blob` is not what `serialize` wrote under the same arguments, schema and library.
    """

    def __init__(
        self, arguments: Sequence[str], actions: Mapping[str, Features], schema: str, blob: bytes = b""
    ) -> None:
        self._lock = Lock()
        self._sealed_with = (LIBRARY, *arguments, schema)
        self._actions = actions
        self._model = self._restore(blob) if blob else vw.Workspace([*arguments, *_QUIET])
        self._make_examples()

    def predict(self, context: Features, eligible: tuple[str, ...]) -> list[float]:
        """Return the probabilities of the eligible actions in their order, shape (k,), summing to 1.

        Raises:
            PolicyFailed: an action is unknown or there twice, or VW's answer is no distribution.
        """
        with self._lock:
            # Without weight: a question must leave no trace in the model's count of examples.
            _fill(self._asked[_CONTEXT], context)
            actions = self._examples_of(eligible)
            scores = self._call(self._model.predict_one, [self._asked, *actions])
        return _in_order(cast("list[tuple[int, float]]", scores), len(eligible))

    def learn(self, lessons: Sequence[Lesson]) -> None:
        """Learn from lessons in order.

        Raises:
            PolicyFailed: an action is unknown or there twice, and then nothing was learned; or VW refuses.
        """
        with self._lock:
            actions_of = [self._examples_of(lesson.eligible) for lesson in lessons]
            for lesson, actions in zip(lessons, actions_of, strict=True):
                self._learn_one(lesson, actions)

    def _learn_one(self, lesson: Lesson, actions: list[vw.Example]) -> None:
        _fill(self._taught[_CONTEXT], lesson.context)
        chosen = actions[lesson.eligible.index(lesson.chosen)]
        # VW takes the position of the labelled example; the action number in the label is not read.
        chosen.set_label(vw.CBLabel(label=(0, -lesson.reward, lesson.propensity)))
        self._call(self._model.learn_one, [self._taught, *actions])
        chosen.set_label(vw.CBLabel())

    def serialize(self) -> bytes:
        """Return the learned state under a seal; the same rewards in the same order give the same bytes."""
        with self._lock:
            # A model that was just restored has its counters of performance at zero: that is the normal form.
            model = vw.Workspace(_QUIET, model_data=self._model.serialize()).serialize()
        return self._seal(model) + model

    def _restore(self, blob: bytes) -> vw.Workspace[Literal[False]]:
        seal, model = blob[:_SEAL_BYTES], blob[_SEAL_BYTES:]
        if seal != self._seal(model):
            raise SnapshotRefused("the learned state is damaged, or another policy's or library's: learn it anew")
        return vw.Workspace(_QUIET, model_data=model)

    def _seal(self, model: bytes) -> bytes:
        return digest("vowpal", *self._sealed_with, model, size=_SEAL_BYTES)

    def _make_examples(self) -> None:
        self._asked = _example(vw.CBLabel(shared=True, weight=0.0))
        self._taught = _example(vw.CBLabel(shared=True))
        self._examples = {name: _example(vw.CBLabel(), features) for name, features in self._actions.items()}
        # Bound to the examples and not to self: a replaced workspace is freed at once, and it is large.
        self._examples_of = lru_cache(maxsize=1024)(partial(_selected, self._examples))

    def _call(self, method: Callable[[list[vw.Example]], _Answer], examples: list[vw.Example]) -> _Answer:
        try:
            return method(examples)
        except (RuntimeError, ValueError) as error:
            _RETIRED.extend(examples)
            self._make_examples()
            raise PolicyFailed(f"Vowpal Wabbit refused: {error}") from error


def _example(label: vw.CBLabel, action: Features | None = None) -> vw.Example:
    example = vw.Example()
    for namespace in (_CONTEXT, _ACTION):
        # VW takes examples from a pool, and one that a parser failed on holds features that it does not show.
        example[namespace].truncate_to(0)
        del example[namespace]
    example.set_label(label)
    if action is not None:
        _fill(example[_ACTION], action)
    return example


def _selected(examples: Mapping[str, vw.Example], eligible: tuple[str, ...]) -> list[vw.Example]:
    if not eligible or len(set(eligible)) < len(eligible) or not set(eligible) <= examples.keys():
        raise PolicyFailed(f"the eligible variants {eligible!r} must be different ones of the experiment")
    return [examples[name] for name in eligible]


def _fill(group: FeatureGroupRef, features: Features) -> None:
    indices, values = features
    group.truncate_to(0)
    group.push_many_features(indices, values)  # type: ignore[arg-type]  # its stub takes the dtype for the shape


def _in_order(scores: Sequence[tuple[int, float]], n_actions: int) -> list[float]:
    """Return the probabilities by action from pairs of action and probability, which VW gives by score."""
    by_action = dict(scores)
    probabilities = [by_action.get(action, math.nan) for action in range(n_actions)]
    total = sum(probabilities)
    if len(scores) != n_actions or not abs(total - 1.0) < 1e-3 or min(probabilities) < 0.0:
        raise PolicyFailed(f"Vowpal Wabbit's answer is no distribution over {n_actions} variants: it sums to {total!r}")
    return [probability / total for probability in probabilities]


# The first push in a process loads numpy's C interface; when two threads make it at once, the process hangs.
_example(vw.CBLabel(), (np.zeros(1, np.uint64), np.zeros(1, np.float32)))
