"""Numbers and times as people read them: three digits that matter, thousands apart, no eleven digits."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from datetime import datetime

from analysis.document import Word
from analysis.estimate import Estimate, Validity

_MINUS = "\N{MINUS SIGN}"
_NOTHING = "\N{EN DASH}"

MARKS = {
    Word.BETTER: "▲",
    Word.WORSE: "▼",
    Word.NOT_CLEAR: "◆",
    Word.NOT_EVALUABLE: _NOTHING,
    Word.BASELINE: "●",
    Word.NOT_COMPARED: _NOTHING,
}
"""A marker for each word, so that nothing is told by colour alone."""

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def count(n: int) -> str:
    """Return a count with its thousands apart.

    >>> count(64000)
    '64,000'
    """
    return f"{n:,}"


def amount(number: float) -> str:
    """Return a number with three significant digits, all digits of large ones.

    >>> [amount(number) for number in (1.422617, 0.00087372, 12345.678, 0)]
    ['1.42', '0.000874', '12,346', '0']
    """
    if number and abs(number) < 1e-6:
        return f"{number:.0e}".replace("-", _MINUS)
    text = f"{abs(number):,.{_decimals(number)}f}"
    return (_MINUS if number < 0 and text.strip("0.,") else "") + text


def _decimals(number: float) -> int:
    return max(0, 2 - math.floor(math.log10(abs(number)))) if number else 0


def share(number: float) -> str:
    """Return a share as a percentage.

    >>> share(0.182757), share(1.0)
    ('18.3 %', '100 %')
    """
    return f"{amount(100 * number)} %"


def signed(text: str) -> str:
    """Return a formatted number with a plus before it where it is positive.

    >>> signed("1.2"), signed("0")
    ('+1.2', '0')
    """
    return text if text.startswith(_MINUS) or not text.strip("0.,") else f"+{text}"


def probability(p_value: float) -> str:
    """Return a p-value.

    >>> probability(0.20345), probability(1e-9)
    ('p = 0.203', 'p < 0.0001')
    """
    return "p < 0.0001" if p_value < 0.0001 else f"p = {amount(p_value)}"


def level(estimate: Estimate) -> str:
    """Return the confidence of an interval, and how many of its kind hold it together.

    >>> level(Estimate(1.0, 0.0, 2.0, 9, "Welch", "mean", family=3))
    '95 % for all 3 together'
    """
    alone = f"{100 * estimate.level:g} %"
    if estimate.family == 1:
        return alone
    return f"{alone} for {'both' if estimate.family == 2 else f'all {estimate.family}'} together"


def decimals(estimates: Iterable[Estimate], is_conversion: bool) -> int | None:
    """Return how many decimals a column of values needs, so that they stand under each other, or None: no interval."""
    found = [_decimals_of(estimate, 100 if is_conversion else 1) for estimate in estimates]
    return max((places for places in found if places is not None), default=None)


def value(estimate: Estimate, is_conversion: bool, places: int | None = None) -> str:
    """Return the value of a variant, to so many decimal places if given, or a dash where there is none."""
    if estimate.value is None:
        return _NOTHING
    scale = 100 if is_conversion else 1
    return _fixed(scale * estimate.value, _or(places, estimate, scale)) + (" %" if is_conversion else "")


def interval(estimate: Estimate, is_conversion: bool, places: int | None = None) -> str:
    """Return the interval of a value, or why there is none.

    >>> interval(Estimate(0.182757, 0.1776, 0.1881, 21307, "exact", "share"), True)
    '17.8 to 18.8 %'
    """
    if estimate.interval is None:
        return estimate.note
    scale = 100 if is_conversion else 1
    return _ends(estimate, scale, _or(places, estimate, scale)) + (" %" if is_conversion else "")


def lift(estimate: Estimate, is_conversion: bool) -> str:
    """Return a difference with its interval; that of shares in percentage points.

    >>> lift(Estimate(0.012, 0.004, 0.02, 9, "Newcomb", "difference"), True)
    '+1.2 percentage points (0.4 to 2.0)'
    """
    return _lift(estimate, 100 if is_conversion else 1, " percentage points" if is_conversion else "")


def relative(estimate: Estimate) -> str:
    """Return a relative lift with its interval, as a percentage."""
    return _lift(estimate, 100, " %")


def _lift(estimate: Estimate, scale: int, unit: str) -> str:
    if estimate.value is None or estimate.interval is None:
        return estimate.note
    places = _decimals_of(estimate, scale)
    return f"{signed(_fixed(scale * estimate.value, places))}{unit} ({_ends(estimate, scale, places)})"


def _ends(estimate: Estimate, scale: int, places: int | None) -> str:
    return " to ".join(_fixed(scale * end, places) for end in estimate.interval or ())


def _or(places: int | None, estimate: Estimate, scale: int) -> int | None:
    return _decimals_of(estimate, scale) if places is None else places


def _decimals_of(estimate: Estimate, scale: int) -> int | None:
    """Return the decimals that the width of an interval makes worth reading: those of its two leading digits."""
    if estimate.interval is None or estimate.interval[0] == estimate.interval[1]:
        return None
    return max(0, 1 - math.floor(math.log10(scale * (estimate.interval[1] - estimate.interval[0]))))


def _fixed(number: float, places: int | None) -> str:
    if places is None:
        return amount(number)
    text = f"{abs(number):,.{places}f}"
    return (_MINUS if number < 0 and text.strip("0.,") else "") + text


def validity(estimate: Estimate) -> str:
    """Return what a reader must know about an estimate, or nothing."""
    return "naive: collected adaptively, do not compare" if estimate.validity is Validity.NAIVE else ""


def duration(seconds: float) -> str:
    """Return a length of time in its largest whole unit.

    >>> duration(259200), duration(5400), duration(0.5)
    ('3 days', '90 minutes', '0.5 seconds')
    """
    size, name = next((unit for unit in _UNITS if seconds >= unit[0] and seconds % unit[0] == 0), _UNITS[-1])
    number = seconds / size
    return f"{number:,g} {name}{'' if number == 1 else 's'}"


def moment(iso: str) -> str:
    """Return a time to the minute, UTC.

    >>> moment("2026-03-01T09:05:59+00:00")
    '2026-03-01 09:05'
    """
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M")


def stretch(iso: str, step_s: int) -> str:
    """Return the name of the stretch of time that begins there.

    >>> stretch("2026-03-01T09:00:00+00:00", 3600), stretch("2026-03-01T00:00:00+00:00", 86400)
    ('03-01 09:00', '2026-03-01')
    """
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d" if step_s >= 86_400 else "%m-%d %H:%M")


def short(name: str, width: int = 26) -> str:
    """Return a name that fits into a chart; wide characters take two places.

    >>> short("x" * 200, 10)
    'xxxxxxxxx…'
    """
    places = [_places(letter) for letter in name]
    if sum(places) <= width:
        return name
    room = width - 1
    fits = next(index for index in range(len(name)) if sum(places[: index + 1]) > room)
    return name[:fits] + "…"


def width(name: str) -> int:
    """Return how many places a name takes.

    >>> width("ab"), width("\N{CJK UNIFIED IDEOGRAPH-6807}")
    (2, 2)
    """
    return sum(map(_places, name))


def _places(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def method(estimate: Estimate) -> str:
    """Return how an interval was made and how sure it is, or nothing where there is none."""
    if estimate.interval is None:
        return ""
    warning = validity(estimate)
    return f"{estimate.method}, {level(estimate)}" + (f"; {warning}" if warning else "")


def expected(number: float) -> str:
    """Return an expected count.

    >>> expected(21333.333), expected(4.25)
    ('21,333', '4.2')
    """
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


def in_time(number: float | None, is_share: bool) -> str:
    """Return a cell of a table over time.

    >>> in_time(0.09, True), in_time(0.0001, True), in_time(1234.0, False)
    ('9.0 %', 'below 0.1 %', '1,234')
    """
    if number is None:
        return _NOTHING
    if not is_share:
        return f"{number:,.0f}"
    return "below 0.1 %" if 0 < number < 0.001 else f"{100 * number:.1f} %"
