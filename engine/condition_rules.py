"""What is refused when a condition is applied, so that nothing surprises when it decides."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.coercions import as_number
from engine.conditions import IN_GROUP, LISTS, MAX_DEPTH, MAX_SIZE, fits, is_operators
from engine.context import can_be_sent
from engine.experiments import FieldType
from engine.funnel import Condition, Population
from engine.operators import OPERATORS
from engine.patterns import compile_pattern
from engine.records import Value

LOGICAL = (*LISTS, "$not", "$segment")
"""What may stand in the place of a field."""

OF_FIELD = (*OPERATORS, "$not", "$size", "$elemMatch", "$all", "$alli")
"""What may be asked of a field."""

KINDS = ("string", "number", "boolean", "array", "object", "null")
"""The words of `$type`; `undefined` is no kind of a value that could be sent."""

_MAX_SHOWN = 60

_OF_LIST = ("$in", "$nin", "$ini", "$nini", "$all", "$alli")
_ASKING_LISTS = ("$all", "$alli", "$size", "$elemMatch")
_IN_ORDER = ("$lt", "$lte", "$gt", "$gte")
_OF_VERSION = ("$veq", "$vne", "$vlt", "$vlte", "$vgt", "$vgte")
_OF_PATTERN = ("$regex", "$regexi")
_WITHOUT_COERCION = ("$eq", "$ne", "$in", "$nin", "$ini", "$nini")


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
    # A name that no sentence could have is not looked at further.
    yield from list(_unsendable(condition)) or _Check(declared, only_declared, population).condition(condition)


def _unsendable(value: Value) -> Iterator[str]:
    """Yield what has no form in a file or on the wire, however it stands in a condition."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _unsendable(name) if isinstance(name, str) else [f"the name {_shown(name)} in it must be text"]
            yield from _unsendable(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _unsendable(each)
    elif isinstance(value, str) and not can_be_sent(value):
        yield f"{_shown(value)} in it is no text that can be sent: write it in UTF-8"
    elif not (value is None or isinstance(value, str | int | float)):
        yield f"{_shown(value)} in it must be a number, a text, a flag, null, a list or a map"


def one_of(names: Iterable[str]) -> str:
    """Return what there is, for a sentence that says that something else is not.

    >>> one_of(["home", "checkout"]), one_of([])
    ('there are checkout, home', 'there is none')
    """
    known = sorted(names)
    return f"there {'are' if len(known) > 1 else 'is'} {', '.join(known)}" if known else "there is none"


@dataclass(frozen=True, slots=True)
class _Check:
    declared: Mapping[str, FieldType]
    only_declared: bool
    population: Population | None

    def condition(self, condition: Value) -> Iterator[str]:
        """Yield what is wrong with clauses that all have to hold."""
        if not isinstance(condition, Mapping):
            yield f"{_shown(condition)} must be a condition, such as {{visits: {{$gte: 3}}}}"
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
            yield f"there is no segment {_shown(name)} in the population: {one_of(self.population.segments)}"

    def _field(self, path: str, value: Value) -> Iterator[str]:
        name, *inside = path.split(".")
        if not all((name, *inside)):
            yield f"`{path}` must be a name, or several with a dot between them"
        elif self.only_declared and name not in self.declared:
            yield f"`{name}` must be declared in `context`: {one_of(self.declared)}"
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
        yield f"`{path}` is declared as a {_word(declared)} and cannot be a map"
    else:
        yield from _inner_problems(path, value.values())


def _inner_problems(path: str, values: Iterable[Value]) -> Iterator[str]:
    """Yield what is wrong within a list or map that is a value: it is compared whole, as it stands."""
    for value in values:
        if isinstance(value, Mapping):
            if any(name.startswith("$") for name in value):
                yield f"`{path}` has operators inside a value: write `a.b: {{$gt: 1}}` for `a: {{b: {{$gt: 1}}}}`"
            yield from _inner_problems(path, value.values())
        elif isinstance(value, list | tuple):
            yield from _inner_problems(path, value)
        elif not _is_finite(value):
            yield "every number in it must be finite"


def _operator_problems(
    path: str, name: str, operand: Value, declared: FieldType | None, check: _Check
) -> Iterator[str]:
    if name not in OF_FIELD:
        yield f"`{path}` has the unknown operator `{name}`: {_suggestion(name, OF_FIELD)}"
    elif name in _ASKING_LISTS and declared not in (None, FieldType.TEXTS):
        yield f"`{path}` is declared as a {_word(declared)} and is no list: `{name}` cannot be asked of it"
    elif name in _OF_VERSION and declared in (FieldType.FLAG, FieldType.TEXTS):
        yield f"`{path}` is declared as a {_word(declared)} and is no version: `{name}` cannot be asked of it"
    elif name in _OF_LIST:
        yield from _list_problems(path, name, operand, declared, check)
    elif name in IN_GROUP:
        yield from _group_problems(path, name, operand, check.population)
    elif name == "$not":
        yield from _value_problems(path, operand, declared, check)
    elif name == "$size":
        yield from _size_problems(path, operand, check)
    elif name == "$elemMatch":
        yield from _item_problems(path, operand, declared, check.population)
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
            yield f"`{path}`: `{name}` looks for numbers, texts and flags, and {_shown(each)} is none"
        else:
            yield from _typed_problems(path, each, item, strictly=name in _WITHOUT_COERCION)


def _group_problems(path: str, name: str, operand: Value, population: Population | None) -> Iterator[str]:
    if not isinstance(operand, str):
        yield f"`{path}`: `{name}` needs the name of a group"
    elif population is not None and operand not in population.groups:
        yield f"there is no group {_shown(operand)} in the population: {one_of(population.groups)}"


def _size_problems(path: str, operand: Value, check: _Check) -> Iterator[str]:
    if operand is None:
        yield f"`{path}`: `$size` needs a number, or operators such as {{$gte: 2}}"
    else:
        yield from _value_problems(f"{path}.$size", operand, FieldType.NUMBER, check)


def _item_problems(
    path: str, operand: Value, declared: FieldType | None, population: Population | None
) -> Iterator[str]:
    """What is inside an item is declared nowhere."""
    of_items = _Check({}, False, population)
    if is_operators(operand):
        yield from _value_problems(path, operand, declared and FieldType.TEXT, of_items)
    elif declared is not None:
        yield f"`{path}` is a list of texts, and `$elemMatch` needs operators there, such as {{$regex: ^a}}"
    elif isinstance(operand, Mapping) and operand:
        yield from of_items.condition(operand)
    else:
        yield f"`{path}`: `$elemMatch` needs operators or a condition, such as {{$gt: 3}} or {{name: ann}}"


def _compared_problems(path: str, name: str, operand: Value, declared: FieldType | None) -> Iterator[str]:
    if isinstance(operand, Mapping | list | tuple):
        yield f"`{path}`: `{name}` compares with a number, a text or a flag, not with a list or a map"
    elif name in _IN_ORDER and (operand is None or isinstance(operand, bool)):
        yield f"`{path}`: `{name}` compares with a number or a text, not with {operand!r}"
    elif name not in _IN_ORDER and declared is FieldType.TEXTS and operand is not None:
        yield _ONE_TEXT.format(path=path)
    elif name in _IN_ORDER and declared in (FieldType.FLAG, FieldType.TEXTS):
        yield f"`{path}` is declared as a {_word(declared)} and has no order: `{name}` cannot be asked of it"
    else:
        yield from _typed_problems(path, operand, declared, strictly=name in _WITHOUT_COERCION)


def _literal_problems(path: str, value: Value, declared: FieldType | None) -> Iterator[str]:
    if isinstance(value, list | tuple):
        yield from _listed_problems(path, value, declared)
    elif declared is FieldType.TEXTS and value is not None:
        yield _ONE_TEXT.format(path=path)
    else:
        yield from _typed_problems(path, value, declared, strictly=False)


def _listed_problems(path: str, values: Sequence[Value], declared: FieldType | None) -> Iterator[str]:
    if declared not in (None, FieldType.TEXTS):
        yield f"`{path}` is declared as a {_word(declared)} and cannot be a list: say $in for one of several"
    elif declared is not None and not all(isinstance(each, str) for each in values):
        yield f"`{path}` is a list of texts and is compared with {_shown(values)}: compare it with texts"
    else:
        yield from _inner_problems(path, values)


def _typed_problems(path: str, value: Value, declared: FieldType | None, *, strictly: bool) -> Iterator[str]:
    """Yield where a value can never be that of a field of its type, with JavaScript's coercion or without."""
    if not _is_finite(value):
        yield f"`{path}` is compared with {_shown(value)}, which must be a finite number"
    elif value is not None and declared is not None and not _FITS[declared](value, strictly):
        word = _word(declared)
        yield f"`{path}` is a {word} and is compared with {_shown(value)}: compare it with a {word}"


def _pattern_problems(path: str, pattern: str) -> Iterator[str]:
    try:
        compile_pattern(pattern)
    except ValueError as error:
        yield f"`{path}`: the pattern {pattern[:60]!r} cannot be used, mend it: {error}"


def _is_finite(value: Value) -> bool:
    try:
        return not isinstance(value, int | float) or math.isfinite(value)
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
_ONE_TEXT = "`{path}` is a list of texts: say $in for one of them, or $all"
_OPERANDS: Mapping[str, tuple[str, Callable[[Value], bool]]] = {
    "$exists": ("true or false", lambda value: isinstance(value, bool)),
    "$type": (f"one of {', '.join(KINDS)}", lambda value: value in KINDS),
    **dict.fromkeys(_OF_PATTERN, ("a pattern as text", lambda value: isinstance(value, str))),
    **dict.fromkeys(_OF_VERSION, ("a version as text, such as '2.10.0'", lambda value: isinstance(value, str))),
}


def _shown(value: object) -> str:
    """Return a value as a sentence has it; a whole number of thousands of digits has no text."""
    try:
        text = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _word(declared: FieldType | None) -> str:
    return "list of texts" if declared is FieldType.TEXTS else declared.value if declared else ""


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"there are {', '.join(known)}"
