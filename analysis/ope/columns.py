"""Whether the columns of a log are arrays of the right kind that fit together, and how wrong rows are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from analysis.arrays import Flags, Floats, Ints
from analysis.ope.logged import Logged
from engine.errors import InvalidRequest

SHOWN = 3
"""So many rows of an error are named."""

Shown = Sequence[object] | Floats | Ints
"""What is said of each bad row."""

_WHOLE = "iu"
_NUMBERS = "fiub"
_KINDS = {"i": "whole numbers", "f": "numbers", "b": "true or false"}

_BY_DRAW = {
    **dict.fromkeys(("variant", "unit", "at", "row", "slate", "slot", "logger"), _WHOLE),
    **dict.fromkeys(("reward", "propensity"), _NUMBERS),
}


def check(log: Logged) -> None:
    """Check that all columns of a log are numpy arrays of as many rows, and that codes are places.

    Raises:
        InvalidRequest: which column is not.
    """
    if not log.variants:
        raise InvalidRequest("the log names no variants: say which there are")
    if again := [name for name, times in Counter(map(str, log.variants)).items() if times > 1]:
        raise InvalidRequest(f"the log names the variant {again[0]!r} more than once: give each a name of its own")
    n = len(log.variant) if isinstance(log.variant, np.ndarray) and log.variant.ndim == 1 else None
    for name, kinds in _BY_DRAW.items():
        check_array(getattr(log, name), f"the column `{name}`", (n,), kinds)
    _check_context(log)
    if log.pattern is not None and log.patterns is not None:
        _check_patterns(log)
    elif log.patterns is not None:
        raise InvalidRequest("the log has distributions and no `pattern`: say which of them each draw is of")


def check_array(array: object, called: str, shape: tuple[int | None, ...], kinds: str = _NUMBERS) -> None:
    """Check that something is an array of a shape, None standing for any length, whose dtype is of some kinds.

    Raises:
        InvalidRequest: it is not.

    >>> check_array(np.zeros(3), "the column `reward`", (2,))
    Traceback (most recent call last):
        ...
    engine.errors.InvalidRequest: the column `reward` has the shape (3,) and must have (2,)
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in kinds:
        found = array.dtype.name if isinstance(array, np.ndarray) else type(array).__name__
        raise InvalidRequest(f"{called} must be a numpy array of {_KINDS[kinds[0]]}, and is of {found}")
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = (
            "(" + ", ".join("any" if each is None else str(each) for each in shape) + ("," * (len(shape) == 1)) + ")"
        )
        raise InvalidRequest(f"{called} has the shape {array.shape} and must have {wanted}")


def refuse(row: Ints, bad: Flags, what: str, todo: str, values: Shown | None = None) -> None:
    """Refuse a log if any of its rows (n,) is bad (n,): `what` is wrong with them, and what to do.

    `values` (n,) are shown of the first ones.

    Raises:
        InvalidRequest: some are.

    >>> refuse(np.arange(9), np.arange(9) > 3, "the propensity is 0", "leave them out")
    Traceback (most recent call last):
        ...
    engine.errors.InvalidRequest: rows 4, 5, 6 and 2 more: the propensity is 0; leave them out
    """
    places = np.flatnonzero(bad)
    if not len(places):
        return
    first = places[:SHOWN].tolist()
    named = ", ".join(str(row[place]) for place in first) + (f" and {len(places) - SHOWN} more" * (len(places) > SHOWN))
    said = "" if values is None else " " + ", ".join(_said(values[place]) for place in first)
    raise InvalidRequest(f"row{'s' * (len(places) > 1)} {named}: {what}{said}; {todo}")


def _said(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def _check_patterns(log: Logged) -> None:
    """Check distributions and which of them each draw is of."""
    check_array(log.pattern, "the column `pattern`", (len(log),), _WHOLE)
    check_array(log.patterns, "the logged distributions", (None, log.k))
    assert log.patterns is not None
    assert log.pattern is not None
    m = len(log.patterns)
    if log.eligible is not None:
        check_array(log.eligible, "the table `eligible`", (m, log.k), "b")
    _check_places(log, log.pattern, m, "the column `pattern`", 0)


def _check_context(log: Logged) -> None:
    """Check that the context has a column for each field, and words for each code."""
    if len(log.words) != len(log.texts):
        raise InvalidRequest(f"the log has {len(log.texts)} fields of text and words for {len(log.words)}: give both")
    numbers, codes = log.context.numbers, log.context.codes
    check_array(numbers, "the context's numbers", (len(log), len(log.numbers)))
    check_array(codes, "the context's codes", (len(log), len(log.texts)), _WHOLE)
    for column, name in enumerate(log.numbers):
        bad = np.isinf(numbers[:, column])
        refuse(log.row, bad, f"the context's {name} is infinite", "give a number, or NaN where it is missing")
    for column, name in enumerate(log.texts):
        _check_places(log, codes[:, column], len(log.words[column]), f"the context's code of {name}", -1)


def _check_places(log: Logged, codes: Ints, n_places: int, called: str, least: int) -> None:
    if len(codes) and (codes.min() < least or codes.max() >= n_places):
        bad = (codes < least) | (codes >= n_places)
        refuse(log.row, bad, f"{called} is", f"it must be from {least} to {n_places - 1}", codes)
