"""The only owner of YAML: text <-> values that know their line.

Nothing is resolved by YAML 1.1, to which `no` is false: `blocks.py` says what a scalar is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import yaml

from engine.blocks import FLAG, NULL, NUMBER, WHOLE, Block, Node
from engine.errors import InvalidExperiment

MAX_BYTES = 1_000_000
"""The longest file that is read."""

MAX_DEPTH = 50
"""The deepest nesting that is read."""

# The C parser is some twenty times faster; a build of PyYAML without libyaml lacks it.
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

_Events = Iterator[Any]

_HINTS = {
    "mapping values are not allowed": "put text that holds ': ' in quotes",
    "cannot start any token": "indent with spaces, and put text that begins with a special character in quotes",
}


def parse(text: str, name: str = "the file") -> Block:
    """Return the fields of a YAML file, with their lines.

    Raises:
        InvalidExperiment: one line that says where the file is wrong and what to do.

    >>> parse("{a: 1, a: 2}", "offer.yaml")
    Traceback (most recent call last):
    engine.errors.InvalidExperiment: offer.yaml, line 1: `a` is there twice: names must differ
    """
    _check_size(text, name)
    try:
        events = yaml.parse(text, Loader=_LOADER)
        return _document(name, (event for event in events if not isinstance(event, yaml.StreamStartEvent)))
    except yaml.YAMLError as error:
        raise InvalidExperiment(_not_yaml(name, error)) from None


def not_text(name: str) -> InvalidExperiment:
    """Return the error for a file of bytes that are no text."""
    return InvalidExperiment(f"{name} is not a text file: save it as plain text in UTF-8")


def too_long(name: str) -> InvalidExperiment:
    """Return the error for a file of more than 1 MB."""
    return InvalidExperiment(f"{name} is longer than 1 MB: keep large payloads elsewhere and name them here")


def _check_size(text: str, name: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise not_text(name) from None
    if size > MAX_BYTES:
        raise too_long(name)


def _not_yaml(name: str, error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(not_text(name))
    problem = error.problem or "it cannot be read"
    hint = next((hint for part, hint in _HINTS.items() if part in problem), "check brackets, quotes and indentation")
    return f"{name}, line {error.problem_mark.line + 1}: this is not YAML ({problem}): {hint}"


def _document(file: str, events: _Events) -> Block:
    if isinstance(next(events), yaml.StreamEndEvent):
        raise InvalidExperiment(f"{file} is empty: write its fields, such as `experiment: home-offer`")
    root = _node(file, "the file", next(events), events, 0)
    next(events)
    second = next(events)
    if not isinstance(second, yaml.StreamEndEvent):
        raise InvalidExperiment(f"{file}, line {_line(second)}: one file holds one document: make two")
    return root.block()


def _node(file: str, name: str, event: yaml.NodeEvent, events: _Events, depth: int) -> Node:
    line = _line(event)
    if depth > MAX_DEPTH:
        raise InvalidExperiment(f"{file}, line {line}: this nests deeper than {MAX_DEPTH} levels: make it flatter")
    if event.anchor or getattr(event, "tag", None):
        raise InvalidExperiment(f"{file}, line {line}: anchors, aliases and tags are not read: write the value out")
    if isinstance(event, yaml.ScalarEvent):
        return Node(name, file, line, event.value, event.implicit[0])
    if isinstance(event, yaml.SequenceStartEvent):
        return Node(name, file, line, tuple(_items(file, name, events, depth)))
    return Node(name, file, line, _fields(file, events, depth))


def _items(file: str, name: str, events: _Events, depth: int) -> Iterator[Node]:
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        yield _node(file, name, event, events, depth + 1)


def _fields(file: str, events: _Events, depth: int) -> dict[str, Node]:
    fields: dict[str, Node] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _node(file, "a field's name", event, events, depth + 1)
        name = key.text()
        if name in fields:
            raise InvalidExperiment(f"{file}, line {key.line}: `{name}` is there twice: names must differ")
        fields[name] = replace(_node(file, name, next(events), events, depth + 1), line=key.line)
    return fields


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


class _Dumper(yaml.SafeDumper):
    """Quotes exactly the text that `Node.value` would take for something else."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name and type are PyYAML's
        None: [
            ("tag:yaml.org,2002:null", NULL),
            ("tag:yaml.org,2002:bool", FLAG),
            ("tag:yaml.org,2002:int", WHOLE),
            ("tag:yaml.org,2002:float", NUMBER),
        ]
    }

    def ignore_aliases(self, data: object) -> bool:
        """Write every value out."""
        del data
        return True

    def represent_str(self, text: str) -> yaml.ScalarNode:
        """Quote what does not print: without its escape, a line separator would be read as a space."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _Dumper.represent_str)


def write(data: Mapping[str, object]) -> str:
    """Return YAML that `parse` reads back to the same values: blocks, with short collections on one line.

    >>> print(write({"name": "no", "code": "7", "tags": ["a", "b"]}), end="")
    name: no
    code: '7'
    tags: [a, b]
    """
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)
    return str(text)
