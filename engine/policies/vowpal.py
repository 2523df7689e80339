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
    what is expected of an action is not told -> read off the debugging tree of a copy that does not serve
    its Python package looks at every example's label, for longer than it predicts -> they are set once, when made
    an example takes 31 KB for good -> a model keeps 2,000 of variants at most, and fills them anew
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from threading import Lock
from typing import Literal, NamedTuple, TypeVar, cast

import numpy as np
import vowpal_wabbit_next as vw
from numpy.typing import NDArray
from vowpal_wabbit_next.example import FeatureGroupRef

from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import Variant
from engine.policies.features import Features
from engine.randomness import digest

LIBRARY = f"vowpal-wabbit-next {version('vowpal-wabbit-next')}"
"""Name and version of what computes the learned state."""

_QUIET = ["--quiet", "--log_level", "off"]
_CONTEXT, _ACTION = "U", "A"
_SEAL_BYTES = 16
_N_EXAMPLES = 2_000
"""The most examples of variants that a model keeps, 62 MB: at least as many as there are variants in one question."""
_Answer = TypeVar("_Answer")
Encode = Callable[[Sequence[Variant]], Sequence[Features]]
"""Returns the features of each variant."""
_Action = tuple[Variant, vw.Example, FeatureGroupRef]
"""A variant, its example, and where in the example its features are."""

_NO_LABEL = vw.CBLabel()
_RETIRED: list[vw.Example] = []
"""Examples of failed calls, kept for ever: VW would pool them, and hand them out again in their broken state."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """The reward in [0, 1] of one of the eligible variants, and the propensity of its draw that the model is to know.

    Raises:
        PolicyFailed: a number is out of its range, two variants have one name, or the chosen one was not eligible.
    """

    context: Features
    eligible: tuple[Variant, ...]
    chosen: str
    reward: float
    propensity: float

    def __post_init__(self) -> None:
        _check_names(names := [variant.name for variant in self.eligible])
        if self.chosen not in names:
            raise PolicyFailed(f"{self.chosen!r} was not eligible: an assignment must name a variant that was")
        if not 0.0 <= self.reward <= 1.0:
            raise PolicyFailed(f"a reward must be in [0, 1] and one is {self.reward!r}: check the metrics' caps")
        if not 0.0 < self.propensity <= 1.0:
            raise PolicyFailed(f"a propensity must be in (0, 1] and one is {self.propensity!r}: learn from draws alone")

    @property
    def position(self) -> int:
        """The place of the chosen variant among the eligible ones."""
        return [variant.name for variant in self.eligible].index(self.chosen)


class Predicted(NamedTuple):
    """The rewards that models predict of variants, shape (n_models, k) each.

    `sums` are weights times features; `rewards` are kept between the least and the most that VW was ever told.
    """

    rewards: NDArray[np.float64]
    sums: NDArray[np.float64]


class _Model(vw.Workspace[Literal[False]]):
    """VW, whose package need not look at labels: every example here has the right one from when it is made."""

    def _check_label(self, example: vw.Example | list[vw.Example]) -> None:
        """Look at none: that takes twice as long as the prediction. Where VW no longer asks, nothing changes."""


class Workspace:
    """A model over variants that predicts a distribution and learns from lessons.

    Safe to share between threads. Its bytes depend on what it learned alone, not on questions or restoring.

    Raises:
        SnapshotRefused: `blob` is not what `serialize` wrote under the same arguments, schema and library.
    """

    def __init__(self, arguments: Sequence[str], encode: Encode, schema: str, blob: bytes = b"") -> None:
        self._lock = Lock()
        self._sealed_with = (LIBRARY, *arguments, schema)
        self._encode = encode
        self._model = self._restore(blob) if blob else _Model([*arguments, *_QUIET])
        self._explaining: vw.Workspace[Literal[True]] | None = None
        self._make_examples()

    def predict(self, context: Features, eligible: Sequence[Variant]) -> list[float]:
        """Return the probabilities of the eligible variants in their order, shape (k,), summing to 1.

        Raises:
            PolicyFailed: there are none or two of a name, or VW's answer is no distribution.
        """
        with self._lock:
            scores = self._call(self._model.predict_one, self._question(context, eligible))
        return _in_order(cast("list[tuple[int, float]]", scores), len(eligible))

    def learn(self, lessons: Sequence[Lesson]) -> None:
        """Learn from lessons in order.

        Raises:
            PolicyFailed: the features of a variant cannot be read, or VW refuses: the lessons before were learned.
        """
        with self._lock:
            self._explaining = None
            for lesson in lessons:
                self._learn_one(lesson, self._actions.of(lesson.eligible))

    def _learn_one(self, lesson: Lesson, actions: list[vw.Example]) -> None:
        _fill(self._taught_of, lesson.context)
        chosen = actions[lesson.position]
        # VW takes the position of the labelled example; the action number in the label is not read.
        chosen.set_label(vw.CBLabel(label=(0, -lesson.reward, lesson.propensity)))
        self._call(self._model.learn_one, [self._taught, *actions])
        chosen.set_label(_NO_LABEL)

    def predicted(self, context: Features, eligible: Sequence[Variant]) -> Predicted:
        """Return what each of its models predicts of the variants: this takes several times as long as `predict`.

        Raises:
            PolicyFailed: there are none or two of a name.
        """
        with self._lock:
            if self._explaining is None:
                # A copy: neither the bytes nor the speed of what serves may change.
                model = self._model.serialize()
                self._explaining = vw.Workspace(_QUIET, model_data=model, enable_debug_tree=True)
            _, tree = self._call(self._explaining.predict_one, self._question(context, eligible))
            models = [node for node in _walk(tree) if node.name == "cb_adf"]
            return Predicted(
                np.array([_rewards(model) for model in models]), np.array([_sums(node) for node in models])
            )

    def serialize(self) -> bytes:
        """Return the learned state under a seal; the same rewards in the same order give the same bytes."""
        with self._lock:
            # A model that was just restored has its counters of performance at zero: that is the normal form.
            model = vw.Workspace(_QUIET, model_data=self._model.serialize()).serialize()
        return self._seal(model) + model

    def _restore(self, blob: bytes) -> _Model:
        seal, model = blob[:_SEAL_BYTES], blob[_SEAL_BYTES:]
        if seal != self._seal(model):
            raise SnapshotRefused("the learned state is damaged, or another policy's or library's: learn it anew")
        return _Model(_QUIET, model_data=model)

    def _seal(self, model: bytes) -> bytes:
        return digest("vowpal", *self._sealed_with, model, size=_SEAL_BYTES)

    def _make_examples(self) -> None:
        # Without weight: a question must leave no trace in the model's count of examples.
        self._asked = _example(vw.CBLabel(shared=True, weight=0.0))
        self._asked_of = self._asked[_CONTEXT]
        self._taught = _example(vw.CBLabel(shared=True))
        self._taught_of = self._taught[_CONTEXT]
        self._actions = _Actions(self._encode)

    def _question(self, context: Features, eligible: Sequence[Variant]) -> list[vw.Example]:
        actions = self._actions.of(eligible)
        _fill(self._asked_of, context)
        return [self._asked, *actions]

    def _call(self, method: Callable[[list[vw.Example]], _Answer], examples: list[vw.Example]) -> _Answer:
        try:
            return method(examples)
        except (RuntimeError, ValueError) as error:
            _RETIRED.extend(examples)
            self._make_examples()
            raise PolicyFailed(f"Vowpal Wabbit refused: {error}") from error


class _Actions:
    """The examples of variants, remembered by name; the oldest are filled anew where there are too many.

    One example stands for one name, so that no two in a list can be the same. A list holds until the next is asked for.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._known: dict[str, _Action] = {}
        self._last: tuple[Sequence[Variant], list[vw.Example]] = (), []

    def of(self, eligible: Sequence[Variant]) -> list[vw.Example]:
        """Return the examples of variants in their order.

        Raises:
            PolicyFailed: there are none, two have one name, or a feature cannot be read.
        """
        last, examples = self._last
        if eligible is last and examples:
            return examples
        # An example is filled anew where its variant comes with other features, also one of the last list.
        self._last = (), []
        _check_names(names := [variant.name for variant in eligible])
        known = self._known
        new = [variant for variant in eligible if variant.name not in known or known[variant.name][0] is not variant]
        if new:
            self._remember(new, names)
        examples = [known[name][1] for name in names]
        if type(eligible) is tuple:
            self._last = eligible, examples
        return examples

    def _remember(self, new: Sequence[Variant], asked: Sequence[str]) -> None:
        known = self._known
        changed = []
        for variant in new:
            before = known.get(variant.name)
            if before and _look_alike(before[0], variant):
                known[variant.name] = variant, *before[1:]
            else:
                changed.append(variant)
        encoded = self._encode(changed)
        spare = self._forget(len(known) + sum(each.name not in known for each in changed) - _N_EXAMPLES, asked)
        for variant, features in zip(changed, encoded, strict=True):
            # Out of what is known while it is filled.
            action = known.pop(variant.name, None) or (spare.pop() if spare else _action(variant))
            _fill(action[2], features)
            known[variant.name] = variant, *action[1:]

    def _forget(self, n: int, asked: Sequence[str]) -> list[_Action]:
        """Return the examples of so many variants that are not asked for now, the oldest first, to be filled anew."""
        if n <= 0:
            return []
        needed = set(asked)
        return [self._known.pop(name) for name in list(islice((each for each in self._known if each not in needed), n))]


def _check_names(names: list[str]) -> None:
    if not names or len(set(names)) < len(names):
        raise PolicyFailed("the eligible variants must have different names, and there must be one at least")


def _look_alike(one: Variant, other: Variant) -> bool:
    """Whether two variants of a name have the same features; a flag equals the number 1, and is none."""
    return (
        one.features == other.features
        and one.levels == other.levels
        and [type(value) for value in one.features.values()] == [type(value) for value in other.features.values()]
    )


def _example(label: vw.CBLabel) -> vw.Example:
    example = vw.Example()
    for namespace in (_CONTEXT, _ACTION):
        # VW takes examples from a pool, and one that a parser failed on holds features that it does not show.
        example[namespace].truncate_to(0)
        del example[namespace]
    example.set_label(label)
    return example


def _action(variant: Variant) -> _Action:
    example = _example(_NO_LABEL)
    return variant, example, example[_ACTION]


def _fill(group: FeatureGroupRef, features: Features) -> None:
    indices, values = features
    group.truncate_to(0)
    group.push_many_features(indices, values)  # type: ignore[arg-type]  # its stub takes the dtype for the shape


def _in_order(scores: Sequence[tuple[int, float]], n_actions: int) -> list[float]:
    """Return the probabilities by action from pairs of action and probability, which VW gives by score."""
    probabilities = [math.nan] * n_actions
    # An action that there is not leaves another one without a number, and the sum without one too.
    with suppress(IndexError):
        for action, probability in scores:
            probabilities[action] = probability
    total = sum(probabilities)
    if len(scores) != n_actions or not abs(total - 1.0) < 1e-3 or min(probabilities) < 0.0:
        raise PolicyFailed(f"Vowpal Wabbit's answer is no distribution over {n_actions} variants: it sums to {total!r}")
    return [probability / total for probability in probabilities]


def _walk(node: vw.DebugNode) -> Iterator[vw.DebugNode]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _rewards(model: vw.DebugNode) -> list[float]:
    """Return the rewards that a model predicts; VW tells costs, by score."""
    return [-cost for _, cost in sorted(cast("list[tuple[int, float]]", model.output_prediction))]


def _sums(model: vw.DebugNode) -> list[float]:
    # The leaves are the actions in their order, each predicted by gradient descent's linear model.
    return [-cast("float", leaf.partial_prediction) for leaf in _walk(model) if leaf.name == "gd"]


# The first push in a process loads numpy's C interface; when two threads make it at once, the process hangs.
_fill(_example(_NO_LABEL)[_ACTION], (np.zeros(1, np.uint64), np.zeros(1, np.float32)))
