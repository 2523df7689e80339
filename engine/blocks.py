"""Values of a file that know their name and line, and are read as the type that their place asks for.

A bare scalar is a number, true, false or null only where such a value is expected: elsewhere `no`, `1` and
`2024-01-01` are text, as they were written.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.errors import InvalidExperiment
from engine.records import Value

NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
FLAG = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)(?:\.(\d{1,6}))?s)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Node:
    """A value with the name of its field and its line; each method reads it as one type.

    Raises:
        InvalidExperiment: it is of another type.
    """

    name: str
    file: str
    line: int
    content: str | tuple[Node, ...] | Mapping[str, Node]
    is_bare: bool = False

    def wrong(self, must_be: str) -> InvalidExperiment:
        """Return the error that says what this must be."""
        return InvalidExperiment(f"{self.file}, line {self.line}: `{self.name}` must be {must_be}")

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written."""
        return self.is_bare and self.content == ""

    def text(self) -> str:
        """Return the text as it was written."""
        if not isinstance(self.content, str):
            raise self.wrong("text")
        return self.content

    def number(self) -> float:
        """Return a finite number."""
        value = self.value()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong("a number")
        try:
            return float(value)
        except OverflowError:
            raise self.wrong("a number that is not that large") from None

    def whole(self) -> int:
        """Return a whole number."""
        value = self.value()
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong("a whole number")
        return value

    def flag(self) -> bool:
        """Return true or false."""
        value = self.value()
        if not isinstance(value, bool):
            raise self.wrong("true or false")
        return value

    def duration(self) -> timedelta:
        """Return a duration such as 7d, 1d12h, 30m or 0.5s."""
        match = _DURATION.fullmatch(self.content) if isinstance(self.content, str) and self.content else None
        if match is None:
            raise self.wrong("a duration such as 7d, 12h, 30m or 45s")
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:4])
        micros = int((match[5] or "").ljust(6, "0"))
        try:
            return timedelta(days, seconds, micros, minutes=minutes, hours=hours)
        except OverflowError:
            raise self.wrong("a duration that is not that long") from None

    def time(self) -> datetime:
        """Return a time that says its zone, such as 2026-12-01T09:00:00Z."""
        try:
            moment = datetime.fromisoformat(self.content) if isinstance(self.content, str) else None
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise self.wrong("a time with its zone, such as 2026-12-01T09:00:00Z or 2026-12-01T09:00:00+01:00")
        return moment

    def items(self, example: str = "[a, b]") -> tuple[Node, ...]:
        """Return the items of a list."""
        if self.is_empty:
            return ()
        if not isinstance(self.content, tuple):
            raise self.wrong(f"a list such as {example}")
        return self.content

    def texts(self) -> tuple[str, ...]:
        """Return a list of text."""
        return tuple(item.text() for item in self.items())

    def block(self, example: str = "{a: 1, b: 2}") -> Block:
        """Return fields by name."""
        if self.is_empty:
            return Block(self.name, self.file, self.line, {})
        if not isinstance(self.content, Mapping):
            raise self.wrong(f"fields with values, such as {example}")
        return Block(self.name, self.file, self.line, self.content)

    def value(self) -> Value:
        """Return whatever it is: None, bool, int, float, str, list or dict."""
        if isinstance(self.content, str):
            return self._scalar(self.content) if self.is_bare else self.content
        if isinstance(self.content, tuple):
            return [item.value() for item in self.content]
        return {name: node.value() for name, node in self.content.items()}

    def _scalar(self, text: str) -> bool | float | str | None:
        if NULL.match(text):
            return None
        if FLAG.match(text):
            return text[0] in "tT"
        if WHOLE.match(text):
            return self._whole(text)
        return self._real(text) if NUMBER.match(text) else text

    def _whole(self, text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise self.wrong("a number of fewer digits") from None

    def _real(self, text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise self.wrong("a number that is not that large")
        return value


@dataclass(frozen=True, slots=True)
class Block(Mapping[str, Node]):
    """Fields by name, in the order of the file.

    >>> from engine.yaml_text import parse
    >>> block = parse("{seed: 7, name: no}")
    >>> block["seed"].whole(), block["name"].text(), block["name"].line
    (7, 'no', 1)
    >>> block.read(seed=Node.whole, name=Node.text, limit=Node.whole)
    {'seed': 7, 'name': 'no'}
    """

    name: str
    file: str
    line: int
    fields: Mapping[str, Node]

    def __getitem__(self, name: str) -> Node:
        return self.fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def read(self, **readers: Callable[[Node], Any]) -> dict[str, Any]:
        """Return the fields that are there, each read by its reader.

        Raises:
            InvalidExperiment: a field has no reader, so it is unknown here, or its reader refuses it.
        """
        for name, node in self.items():
            if name not in readers:
                raise InvalidExperiment(
                    f"{self.file}, line {node.line}: unknown field `{name}`: {_suggest(name, readers)}"
                )
        return {name: readers[name](node) for name, node in self.items()}


def _suggest(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean `{close[0]}`?" if close else "there can be " + ", ".join(f"`{each}`" for each in known)


def duration_text(duration: timedelta) -> str:
    """Return a duration as it is written in a file.

    >>> duration_text(timedelta(hours=36)), duration_text(timedelta(milliseconds=500)), duration_text(timedelta(0))
    ('1d12h', '0.5s', '0s')
    """
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts: tuple[tuple[int, str], ...] = ((duration.days, "d"), (hours, "h"), (minutes, "m"))
    fraction = f".{duration.microseconds:06d}".rstrip("0") if duration.microseconds else ""
    tail = f"{seconds}{fraction}s" if seconds or fraction else ""
    return "".join(f"{count}{unit}" for count, unit in parts if count) + tail or "0s"


def time_text(moment: datetime) -> str:
    """Return an aware time as it is written in a file.

    >>> time_text(datetime(2026, 12, 1, 9, tzinfo=UTC))
    '2026-12-01T09:00:00Z'
    """
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
