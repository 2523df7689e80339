"""Values as JavaScript sees them: what conditions compare.

GrowthBook's conditions were defined by a program in JavaScript, so a missing field counts as 0 in a comparison of
numbers, "8" is less than 10, and true is not 1 where types must agree. Values are trees, as JSON has them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache

from engine.records import Value

_SPACE = (
    "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f"
    "\u3000\ufeff"
)
# Each digit can belong to one part alone, so that long texts take no longer than their length.
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BASED = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_INDEX = re.compile("0|[1-9][0-9]{0,9}")
_BASES = {"x": 16, "o": 8, "b": 2}
_INFINITIES = {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}
_LINE_ENDS = "\n\r\u2028\u2029"
_LONGEST_KEPT_VERSION = 64


def kind_of(value: Value) -> str:
    """Return the word of `$type` for a value.

    >>> kind_of(None), kind_of(True), kind_of(1.5), kind_of("1"), kind_of([1]), kind_of({"a": 1})
    ('null', 'boolean', 'number', 'string', 'array', 'object')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list | tuple) else "object"


def inside(value: Value, name: str) -> Value:
    """Return what a map has under a name, or a list at an index or as its length; None where there is nothing.

    >>> inside({"a": 1}, "a"), inside([5, 6], "1"), inside([5, 6], "length"), inside("text", "length")
    (1, 6, 2, None)
    """
    if isinstance(value, Mapping):
        return value.get(name)
    if not isinstance(value, list | tuple):
        return None
    if name == "length":
        return len(value)
    index = int(name) if _INDEX.fullmatch(name) else len(value)
    return value[index] if index < len(value) else None


def is_true(value: Value) -> bool:
    """Whether JavaScript takes a value for true: all but null, false, zero, NaN and empty text.

    >>> is_true([]), is_true("0"), is_true(""), is_true(float("nan"))
    (True, True, False, False)
    """
    if value is None or isinstance(value, str | bool):
        return bool(value)
    if isinstance(value, int | float):
        return value != 0 and not is_nan(value)
    return True


def is_nan(value: Value) -> bool:
    """Whether a value is the number that equals none; a whole number of any size may be asked.

    >>> is_nan(float("nan")), is_nan(10**400), is_nan("NaN")
    (True, False, False)
    """
    return isinstance(value, float) and math.isnan(value)


def as_number(value: Value) -> float:
    """Return a value as a number, NaN where it is none.

    >>> as_number("8"), as_number(None), as_number(True), as_number([" 7 "]), as_number("eight")
    (8.0, 0.0, 1.0, 7.0, nan)
    """
    if isinstance(value, int | float):
        return float(value) if isinstance(value, bool) else value
    if value is None:
        return 0.0
    return math.nan if isinstance(value, Mapping) else _number_in(as_text(value))


def _number_in(text: str) -> float:
    text = text.strip(_SPACE)
    if _DECIMAL.fullmatch(text):
        return float(text)
    if _BASED.fullmatch(text):
        return _as_float(int(text[2:], _BASES[text[1].lower()]))
    return _INFINITIES.get(text, math.nan) if text else 0.0


def _as_float(number: float) -> float:
    """Return a whole number of any size as a float; infinity is the nearest one to what is too large."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def as_text(value: Value) -> str:
    """Return a value as text; a list is its items with commas between them, however deep.

    >>> as_text(1.0), as_text(1e21), as_text(0.00001), as_text(None), as_text(["a", [1, None]]), as_text({})
    ('1', '1e+21', '0.00001', 'null', 'a,1,', '[object Object]')
    """
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number_text(_as_float(value))
    return ",".join(_items_as_text(value)) if isinstance(value, list | tuple) else "[object Object]"


def _items_as_text(items: list[Value] | tuple[Value, ...]) -> Iterator[str]:
    """Yield the texts of all items, also of lists in lists, without recursion: a context may be nested deeply."""
    rest: list[Value] = [*reversed(items)]
    while rest:
        item = rest.pop()
        if isinstance(item, list | tuple) and item:
            rest.extend(reversed(item))
        else:
            yield "" if item is None or isinstance(item, list | tuple) else as_text(item)


def _number_text(number: float) -> str:
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if number.is_integer() and abs(number) < 1e21:
        return str(int(number))
    if 1e-6 <= abs(number) < 1e-4:
        return format(Decimal(repr(number)), "f")
    return repr(number).replace("e-0", "e-")


def in_order(text: str) -> str | bytes:
    r"""Return what orders texts as JavaScript does, by UTF-16 units, among others that went through here.

    >>> in_order("\U0001f600") < in_order("\uffff")
    True
    """
    return text.encode("utf-16-be", "surrogatepass")


def is_same(left: Value, right: Value) -> bool:
    """Whether two values are written the same in JSON, apart from the order of a map's names.

    A map has no order on its way through the contract, so the order cannot count, as it does in GrowthBook.
    It looks no deeper than the shallower of the two.

    >>> is_same({"a": 1, "b": [True]}, {"b": [True], "a": 1.0}), is_same([1], [True])
    (True, False)
    """
    left, right = _written(left), _written(right)
    if kind_of(left) != kind_of(right):
        return False
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(is_same, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(is_same(item, right[name]) for name, item in left.items())
    return left == right


def _written(value: Value) -> Value:
    """Return null for a number that JSON cannot write."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_version(value: Value) -> str:
    """Return a version as text that sorts as versions do; what is no text and no number counts as version 0.

    >>> as_version("v1.10.0+build") > as_version("1.9.0") > as_version("1.9.0-rc.1")
    True
    """
    text = value if isinstance(value, str) else as_text(value) if kind_of(value) == "number" else ""
    return _kept_version(text) if len(text) <= _LONGEST_KEPT_VERSION else _version(text)


def _version(text: str) -> str:
    """Pad the numbers from the left; three parts get a tilde behind them, which sorts behind any prerelease."""
    core = (text or "0").removeprefix("v")
    # What follows a plus is the build, unless a line ends there.
    last_line = 1 + max(map(core.rfind, _LINE_ENDS))
    build = core.find("+", last_line)
    parts = (core if build < 0 else core[:build]).replace("-", ".").split(".")
    if len(parts) == 3:
        parts.append("~")
    return "-".join([part.rjust(5) if part.isascii() and part.isdigit() else part for part in parts])


_kept_version = lru_cache(maxsize=1024)(_version)
