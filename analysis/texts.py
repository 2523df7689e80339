"""Words that a report says, kept apart from any language: a key of the catalogues, and what is filled in.

A report is data. It holds a Text where a reader will see words, and a Number where they will see a number; the language
comes in when a page is made (`analysis.pages.languages`). `str(text)` is English.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Style(Enum):
    """How a number is written."""

    COUNT = "count"
    """64,000"""
    AMOUNT = "amount"
    """1.42: three digits that matter"""
    SIGNED = "signed"
    """+1.42"""
    SHARE = "share"
    """a share as a percentage: 18.3 %"""
    SIGNED_SHARE = "signed_share"
    """+18.3 %"""
    POINTS = "points"
    """a difference of shares: +1.2 percentage points"""
    PROBABILITY = "probability"
    """a p-value: 0.203, or the words `below 0.0001`"""
    DURATION = "duration"
    """seconds as a length of time: 3 days"""
    MOMENT = "moment"
    """seconds since the Unix epoch as a time: 2026-03-01 09:05"""
    DAY = "day"
    """its day alone: 2026-03-01"""
    HOUR = "hour"
    """its hour, within a few days: 03-01 09:00"""
    PLAIN = "plain"
    """a setting or level as it was given: 0.05, 95"""


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number and how it is written; `places` are its decimals where they are not found by themselves."""

    value: float
    style: Style = Style.AMOUNT
    places: int | None = None

    def __str__(self) -> str:
        from analysis.pages.languages import ENGLISH

        return ENGLISH.number(self)


@dataclass(frozen=True, slots=True)
class Text:
    """The message `key` of the catalogues with `args` filled in. An arg that is a str is a name, shown as it is."""

    key: str
    args: Mapping[str, Arg] = field(default_factory=dict)

    def __hash__(self) -> int:
        # What is filled in need not have a hash; that of equal texts is the same without.
        return hash(self.key)

    def __str__(self) -> str:
        from analysis.pages.languages import ENGLISH

        return ENGLISH.say(self)


Arg = str | Number | Text | tuple["Arg", ...]
"""What is filled in; several are joined as a list of the language."""

Name = str | Text
"""What something is called: the name that its owner gave it, or ours in the reader's language."""


def text(key: str, **args: Arg) -> Text:
    """Return a message with what is filled in.

    >>> str(text("list.either", first="a", second="b"))
    'a or b'
    """
    return Text(key, args)


def count(n: int) -> Number:
    """Return a count; the arg named `n` of a message chooses its plural.

    >>> str(count(64000))
    '64,000'
    """
    return Number(int(n), Style.COUNT)


def share(value: float) -> Number:
    """Return a share that is shown as a percentage."""
    return Number(float(value), Style.SHARE)


def amount(value: float) -> Number:
    """Return a number with three digits that matter."""
    return Number(float(value), Style.AMOUNT)


def plain(value: float) -> Number:
    """Return a number as it was declared."""
    return Number(float(value), Style.PLAIN)


def probability(value: float) -> Number:
    """Return a p-value."""
    return Number(float(value), Style.PROBABILITY)


def duration(seconds: float) -> Number:
    """Return a length of time."""
    return Number(float(seconds), Style.DURATION)
