"""How numbers, lengths of time and moments are written, by the marks that a language's catalogue declares."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from analysis.texts import Number, Style

Marks = Mapping[str, Any]
"""The table [number] of a catalogue."""

MINUS = "\N{MINUS SIGN}"

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_MOST_DIGITS = 10
"""A number of more digits before its point is written in powers of ten, and none has more in all."""
_SMALL = 1e-6
"""So is a number that is smaller."""
_LEAST = 0.0001
"""A p-value below this is only said to be below it."""


def written(number: Number, marks: Marks) -> str:
    """Return a number of any style but a length of time, which needs a plural."""
    return _WRITERS[number.style](number, marks)


def amount(value: float, places: int | None, marks: Marks) -> str:
    """Return a number to so many decimals, or to three digits that matter and all digits of large ones.

    Never to more than ten digits: what would take more is written in powers of ten, or to fewer decimals.

    >>> marks = {"decimal": ".", "group": ","}
    >>> [amount(value, None, marks) for value in (1.422617, 0.00087372, 12345.678, 0, 0.5)]
    ['1.42', '0.000874', '12,346', '0', '0.5']
    >>> amount(32893476552.0, 0, marks), amount(0.999999999996, 12, marks)
    ('3.29e10', '1.000000000')
    """
    size = math.floor(math.log10(abs(value))) if value else 0
    if size >= _MOST_DIGITS:
        return _in_powers(value, 2, marks)
    if places is None and value and abs(value) < _SMALL:
        return _in_powers(value, 0, marks)
    if places is not None and places >= _MOST_DIGITS - 1 and value and abs(value) < _SMALL:
        return _in_powers(value, min(max(size + places, 0), 3), marks)
    decimals = _places(value) if places is None else min(places, _MOST_DIGITS - 1 - max(size, 0))
    digits = f"{abs(value):,.{decimals}f}"
    sign = MINUS if value < 0 and digits.strip("0.,") else ""
    return sign + _marked(digits, marks)


def _in_powers(value: float, decimals: int, marks: Marks) -> str:
    """Return a number as one digit with so many decimals and a power of ten."""
    first, _, power = f"{abs(value):.{decimals}e}".partition("e")
    return (MINUS if value < 0 else "") + _marked(first, marks) + "e" + power.replace("+", "").replace("-", MINUS)


def duration_parts(seconds: float) -> tuple[float, str]:
    """Return a length of time as how many of which unit: whole ones where they are few, else of the largest that fits.

    >>> duration_parts(259200), duration_parts(5400), duration_parts(0.5), duration_parts(100000)
    ((3.0, 'day'), (90.0, 'minute'), (0.5, 'second'), (1.1574074074074074, 'day'))
    """
    whole = [unit for unit in _UNITS if seconds >= unit[0] and seconds % unit[0] == 0 and seconds / unit[0] < 1000]
    fitting = [unit for unit in _UNITS if seconds >= unit[0]]
    size, name = (whole or fitting or [_UNITS[-1]])[0]
    return seconds / size, name


def moment(at: datetime, template: str) -> str:
    """Return a time by a template with {year}, {month}, {day}, {hour} and {minute}, in digits."""
    return template.format(
        year=f"{at.year:04}", month=f"{at.month:02}", day=f"{at.day:02}", hour=f"{at.hour:02}", minute=f"{at.minute:02}"
    )


def _places(value: float) -> int:
    """Return the decimals of three digits that matter, or fewer where fewer say it all."""
    most = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    exact = (places for places in range(most) if math.isclose(round(value, places), value, rel_tol=1e-12))
    return next(exact, most)


def _marked(digits: str, marks: Marks) -> str:
    """Put the language's marks in the place of English ones."""
    whole, dot, fraction = digits.partition(".")
    return whole.replace(",", str(marks["group"])) + dot.replace(".", str(marks["decimal"])) + fraction


def _signed(value: float, places: int | None, marks: Marks) -> str:
    text = amount(value, places, marks)
    is_zero = not any(digit in text for digit in "123456789")
    return text if value < 0 or is_zero else f"+{text}"


def _count(number: Number, marks: Marks) -> str:
    return amount(number.value, 0, marks)


def _amount(number: Number, marks: Marks) -> str:
    return amount(number.value, number.places, marks)


def _signed_amount(number: Number, marks: Marks) -> str:
    return _signed(number.value, number.places, marks)


def _share(number: Number, marks: Marks) -> str:
    if number.places is None and 0 < 100 * number.value < _SMALL:
        least = str(marks["share"]).format(number=amount(_LEAST, 4, marks))
        return str(marks["below"]).format(number=least)
    return str(marks["share"]).format(number=amount(100 * number.value, number.places, marks))


def _signed_share(number: Number, marks: Marks) -> str:
    return str(marks["share"]).format(number=_signed(100 * number.value, number.places, marks))


def _points(number: Number, marks: Marks) -> str:
    # A difference of shares that rounding alone can have left is none.
    value = 0.0 if number.places is None and abs(100 * number.value) < _SMALL else 100 * number.value
    return str(marks["points"]).format(number=_signed(value, number.places, marks))


def _probability(number: Number, marks: Marks) -> str:
    if number.value < _LEAST:
        return str(marks["below"]).format(number=amount(_LEAST, 4, marks))
    return amount(number.value, number.places, marks)


def _plain(number: Number, marks: Marks) -> str:
    return f"{number.value:.10g}".replace("-", MINUS).replace(".", str(marks["decimal"]))


def _time(template: str) -> Callable[[Number, Marks], str]:
    def write(number: Number, marks: Marks) -> str:
        return moment(datetime.fromtimestamp(number.value, UTC), str(marks[template]))

    return write


_WRITERS: Mapping[Style, Callable[[Number, Marks], str]] = {
    Style.COUNT: _count,
    Style.AMOUNT: _amount,
    Style.SIGNED: _signed_amount,
    Style.SHARE: _share,
    Style.SIGNED_SHARE: _signed_share,
    Style.POINTS: _points,
    Style.PROBABILITY: _probability,
    Style.MOMENT: _time("moment"),
    Style.DAY: _time("day"),
    Style.HOUR: _time("hour"),
    Style.PLAIN: _plain,
}
