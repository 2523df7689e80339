"""Languages of a report: one catalogue of messages each, and how each writes numbers."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, reduce
from importlib.resources import files
from operator import getitem
from typing import Any

from analysis.pages.languages import numbers
from analysis.pages.languages.plurals import FORM
from analysis.texts import Arg, Number, Style, Text
from engine.errors import InvalidRequest

CODES = tuple(FORM)
"""The codes of the languages that there are."""


@dataclass(frozen=True, eq=False)
class Language:
    """A catalogue of messages by table and name (a table may hold tables), and the marks of its numbers."""

    code: str
    messages: Mapping[str, Any]

    def say(self, arg: Arg) -> str:
        """Return the words of a text, a number, a name, or a list of them.

        Raises:
            KeyError: the catalogue has no such message, or the message is not given all that it names.
        """
        match arg:
            case str():
                return arg
            case Number():
                return self.number(arg)
            case Text():
                return self._message(arg).format_map({name: self.say(value) for name, value in arg.args.items()})
            case _:
                return str(self.messages["list"]["comma"]).join(map(self.say, arg))

    def number(self, number: Number) -> str:
        """Return a number as this language writes it."""
        marks = self.messages["number"]
        if number.style is not Style.DURATION:
            return numbers.written(number, marks)
        n, unit = numbers.duration_parts(number.value)
        text = numbers.amount(n, 0 if n == int(n) else None, marks)
        return str(self.messages["duration"][unit][FORM[self.code](n)]).format(n=text)

    def _message(self, text: Text) -> str:
        message: Any = reduce(getitem, text.key.split("."), self.messages)
        if isinstance(message, str):
            return message
        n = text.args["n"]
        return str(message[FORM[self.code](n.value if isinstance(n, Number) else 0)])


@cache
def load(code: str) -> Language:
    """Return a language by its code.

    Raises:
        InvalidRequest: there is no such language.

    >>> load("en").say(("a", "b"))
    'a, b'
    """
    if code not in CODES:
        raise InvalidRequest(f"there is no language {code!r}: a report speaks {', '.join(CODES)}")
    return Language(code, tomllib.loads((files("analysis.pages.languages") / f"{code}.toml").read_text("utf-8")))


ENGLISH = load("en")
