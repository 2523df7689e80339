"""What is refused when a condition is applied, so that nothing surprises when it decides."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.coercions import as_number
from engine.experiments import FieldType
from engine.funnel import Condition, Population
from engine.operators import OPERATORS
from engine.patterns import compile_pattern
from engine.records import Value
from engine.targeting import IN_GROUP, LISTS, MAX_DEPTH, MAX_SIZE, fits, is_operators

LOGICAL = (*LISTS, "$not", "$segment")
"""What may stand in the place of a field."""

OF_FIELD = (*OPERATORS, "$not", "$size", "$elemMatch", "$all", "$alli")
"""What may be asked of a field."""

KINDS = ("string", "number", "boolean", "array", "object", "null", "undefined")
"""The words of `$type`."""

_OF_LIST = ("$in", "$nin", "$ini", "$nini", "$all", "$alli")
_IN_ORDER = ("$lt", "$lte", "$gt", "$gte")
_OF_VERSION = ("$veq", "$vne", "$vlt", "$vlte", "$vgt", "$vgte")
_OF_PATTERN = ("$regex", "$regexi")
_WITHOUT_COERCION = ("$eq", "$ne", "$in", "$nin")


def condition_problems(
    condition: Condition,
    declared: Mapping[str, FieldType],
    *,
    only_declared: bool,
    population: Population | None = None,
) -> Iterator[str]:
    """Yield a sentence for everything in a condition that could not be meant.

    `declared` are the types of the context's fields by name; with `only_declared` no other may be read. Where a
    population is given, the segments and groups that are named must be in it.

    >>> list(condition_problems({"visits": {"$gte": "many"}}, {"visits": FieldType.NUMBER}, only_declared=True))
    ["`visits` is a number and is compared with 'many': compare it with a number"]
    """
    if not fits(condition):
        yield f"it may nest {MAX_DEPTH} levels and have {MAX_SIZE} maps and lists at most: split it, or make it flatter"
        return
    yield from _Check(declared, only_declared, population).condition(condition)


@dataclass(frozen=True, slots=True)
class _Check:
    declared: Mapping[str, FieldType]
    only_declared: bool
    population: Population | None

    def condition(self, condition: Value) -> Iterator[str]:
        """Yield what is wrong with clauses that all have to hold."""
        if not isinstance(condition, Mapping):
            yield f"{condition!r} must be a condition, such as {{visits: {{$gte: 3}}}}"
            return
        for name, value in condition.items():
            yield from self._clause(name, value)

    def _clause(self, name: str, value: Value) -> Iterator[str]:
        if name in LISTS:
            yield from self._list(name, value)
        elif name == "$not":
            yield from self.condition(value)
        elif name == "$segment":
            yield from self._segment(value)
        elif name.startswith("$"):
            yield f"`{name}` is no operator between conditions: {_suggestion(name, LOGICAL)}"
        else:
            yield from self._field(name, value)

    def _list(self, name: str, value: Value) -> Iterator[str]:
        if not isinstance(value, list | tuple) or not value:
            yield f"`{name}` needs a list of conditions, such as {name}: [{{a: 1}}, {{b: 2}}]"
            return
        for each in value:
            yield from self.condition(each)

    def _segment(self, name: Value) -> Iterator[str]:
        if not isinstance(name, str):
            yield "`$segment` needs the name of a segment"
        elif self.population is not None and name not in self.population.segments:
            yield f"there is no segment {name!r} in the population: {_there_are(self.population.segments)}"

    def _field(self, path: str, value: Value) -> Iterator[str]:
        name, *inside = path.split(".")
        if not all((name, *inside)):
            yield f"`{path}` must be a name, or several with a dot between them"
        elif self.only_declared and name not in self.declared:
            yield f"`{name}` must be declared in `context`: {_there_are(self.declared)}"
        elif inside and name in self.declared:
            yield f"nothing can be inside `{name}`, which is declared as a {self.declared[name].value}"
        else:
            yield from _value_problems(path, value, self.declared.get(path), self)


def _value_problems(path: str, value: Value, declared: FieldType | None, check: _Check) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield from _literal_problems(path, value, declared)
    elif is_operators(value):
        for name, operand in value.items():
            yield from _operator_problems(path, name, operand, declared, check)
    elif any(str(name).startswith("$") for name in value):
        yield f"`{path}` mixes operators with names: `{{$gt: 1, $lt: 9}}` are operators, `{{a: 1}}` is a value"
    elif declared is not None:
        yield f"`{path}` is declared as a {declared.value} and cannot be a map"


def _operator_problems(
    path: str, name: str, operand: Value, declared: FieldType | None, check: _Check
) -> Iterator[str]:
    if name not in OF_FIELD:
        yield f"`{path}` has the unknown operator `{name}`: {_suggestion(name, OF_FIELD)}"
    elif name in _OF_LIST:
        yield from _list_problems(path, name, operand, declared, check)
    elif name in IN_GROUP:
        yield from _group_problems(path, name, operand, check.population)
    elif name == "$not":
        yield from _value_problems(path, operand, declared, check)
    elif name == "$size":
        yield from _value_problems(f"{path}.$size", operand, FieldType.NUMBER, check)
    elif name == "$elemMatch":
        yield from _item_problems(path, operand, check.population)
    elif name in ("$eq", "$ne") or name in _IN_ORDER:
        yield from _compared_problems(path, name, operand, declared)
    else:
        needs, is_right = _OPERANDS[name]
        if not is_right(operand):
            yield f"`{path}`: `{name}` needs {needs}"
        elif name in _OF_PATTERN:
            yield from _pattern_problems(path, str(operand))


def _list_problems(path: str, name: str, operand: Value, declared: FieldType | None, check: _Check) -> Iterator[str]:
    if not isinstance(operand, list | tuple) or not operand:
        yield f"`{path}`: `{name}` needs a list of values that is not empty, such as {name}: [a, b]"
        return
    item = FieldType.TEXT if declared is FieldType.TEXTS else declared
    for each in operand:
        if name in ("$all", "$alli"):
            yield from _value_problems(path, each, item, check)
        elif isinstance(each, Mapping | list | tuple):
            yield f"`{path}`: `{name}` looks for numbers, texts and flags, and {each!r} is none"
        else:
            yield from _typed_problems(path, each, item, strictly=name in _WITHOUT_COERCION)


def _group_problems(path: str, name: str, operand: Value, population: Population | None) -> Iterator[str]:
    if not isinstance(operand, str):
        yield f"`{path}`: `{name}` needs the name of a group"
    elif population is not None and operand not in population.groups:
        yield f"there is no group {operand!r} in the population: {_there_are(population.groups)}"


def _item_problems(path: str, operand: Value, population: Population | None) -> Iterator[str]:
    """What is inside an item is declared nowhere."""
    of_items = _Check({}, False, population)
    if is_operators(operand):
        yield from _value_problems(path, operand, None, of_items)
    elif isinstance(operand, Mapping) and operand:
        yield from of_items.condition(operand)
    else:
        yield f"`{path}`: `$elemMatch` needs operators or a condition, such as {{$gt: 3}} or {{name: ann}}"


def _compared_problems(path: str, name: str, operand: Value, declared: FieldType | None) -> Iterator[str]:
    if isinstance(operand, Mapping | list | tuple):
        yield f"`{path}`: `{name}` compares with a number, a text or a flag, not with a list or a map"
    elif name in _IN_ORDER and (operand is None or isinstance(operand, bool)):
        yield f"`{path}`: `{name}` compares with a number or a text, not with {operand!r}"
    elif name in _IN_ORDER and declared in (FieldType.FLAG, FieldType.TEXTS):
        yield f"`{path}` is declared as a {_word(declared)} and has no order: `{name}` cannot be asked of it"
    else:
        yield from _typed_problems(path, operand, declared, strictly=name in _WITHOUT_COERCION)


def _literal_problems(path: str, value: Value, declared: FieldType | None) -> Iterator[str]:
    if isinstance(value, list | tuple):
        if declared not in (None, FieldType.TEXTS):
            yield f"`{path}` is declared as a {_word(declared)} and cannot be a list: say $in for one of several"
        return
    if declared is FieldType.TEXTS and value is not None:
        yield f"`{path}` is a list of texts: say $in for one of them, or $all"
        return
    yield from _typed_problems(path, value, declared, strictly=False)


def _typed_problems(path: str, value: Value, declared: FieldType | None, *, strictly: bool) -> Iterator[str]:
    """Yield where a value can never be that of a field of its type, with JavaScript's coercion or without."""
    if isinstance(value, int | float) and not _is_finite(value):
        yield f"`{path}` is compared with {value!r}, which must be a finite number"
    elif value is not None and declared is not None and not _FITS[declared](value, strictly):
        word = _word(declared)
        yield f"`{path}` is a {word} and is compared with {value!r}: compare it with a {word}"


def _pattern_problems(path: str, pattern: str) -> Iterator[str]:
    try:
        compile_pattern(pattern)
    except ValueError as error:
        yield f"`{path}`: the pattern {pattern[:60]!r} cannot be used, mend it: {error}"


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _is_number(value: Value, strictly: bool) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float) or (not strictly and not math.isnan(as_number(value)))


def _is_text(value: Value, strictly: bool) -> bool:
    return isinstance(value, str) or (not strictly and isinstance(value, int | float) and not isinstance(value, bool))


def _is_flag(value: Value, strictly: bool) -> bool:  # noqa: ARG001 (nothing is coerced to one on purpose)
    return isinstance(value, bool)


_FITS: Mapping[FieldType, Callable[[Value, bool], bool]] = {
    FieldType.NUMBER: _is_number,
    FieldType.TEXT: _is_text,
    FieldType.FLAG: _is_flag,
    FieldType.TEXTS: _is_text,
}
_OPERANDS: Mapping[str, tuple[str, Callable[[Value], bool]]] = {
    "$exists": ("true or false", lambda value: isinstance(value, bool)),
    "$type": (f"one of {', '.join(KINDS)}", lambda value: value in KINDS),
    **dict.fromkeys(_OF_PATTERN, ("a pattern as text", lambda value: isinstance(value, str))),
    **dict.fromkeys(_OF_VERSION, ("a version as text, such as '2.10.0'", lambda value: isinstance(value, str))),
}


def _word(declared: FieldType | None) -> str:
    return "list of texts" if declared is FieldType.TEXTS else declared.value if declared else ""


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"there are {', '.join(known)}"


def _there_are(names: Iterable[str]) -> str:
    return f"there are {', '.join(sorted(names))}" if names else "there is none"
