"""A flag: one typed value of the payload that an answer brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Generic, TypeVar

from armlift.answers import Answer

SEPARATOR = "/"
"""Between an experiment and a field of its payload: an experiment's id may have dots, and never has this."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Flag(Generic[T]):
    """The key of a flag, the caller's default, and what reads its type: `boolean`, `text` and so on.

    >>> hero = Answer("hero", "bold", {"value": 3, "banner": {"title": "Hi"}}, "DRAWN", "SPLIT")
    >>> Flag("hero", 0, integer).value_in(hero), Flag("hero/banner/title", "Welcome", text).value_in(hero)
    (3, 'Hi')
    >>> Flag("hero/footer", "none", text).value_in(hero), Flag("hero", False, boolean).value_in(hero)
    ('none', None)
    """

    key: str
    default: T
    read: Callable[[object], T | None]

    @property
    def experiment(self) -> str:
        """The experiment that decides it."""
        return self.key.partition(SEPARATOR)[0]

    @property
    def fields(self) -> Sequence[str]:
        """The way to it inside the payload; empty for the flag of a whole experiment."""
        return self.key.split(SEPARATOR)[1:]

    def value_in(self, answer: Answer) -> T | None:
        """Return its value, or None where that has another type; the default where the payload lacks its field."""
        if not self.fields:
            return self.read(self._whole(answer))
        found = reduce(_inside, self.fields, answer.payload)
        return self.default if found is None else self.read(found)

    def _whole(self, answer: Answer) -> object:
        if self.read is text and answer.payload == {}:
            return answer.variant
        if self.read is structure or not isinstance(answer.payload, Mapping):
            return answer.payload
        return _inside(answer.payload, "value")


def boolean(found: object) -> bool | None:
    """Return what is on or off."""
    return found if isinstance(found, bool) else None


def text(found: object) -> str | None:
    """Return a text."""
    return found if isinstance(found, str) else None


def integer(found: object) -> int | None:
    """Return a whole number, also where it was written with a fraction of nothing."""
    if isinstance(found, float) and found.is_integer():
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def number(found: object) -> float | None:
    """Return a number; None for a whole one that has too many digits for a float."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        return float(found) if float(found) == found else None
    except OverflowError:
        return None


def structure(found: object) -> Sequence[Any] | Mapping[str, Any] | None:
    """Return a map or a list."""
    return found if isinstance(found, dict | list) else None


def _inside(found: object, name: str) -> object:
    return found.get(name) if isinstance(found, Mapping) else None
