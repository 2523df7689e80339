"""Tables of plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from covering.judging import Judged
from covering.losing import Alarms

WIDTH = 110
_NAME = 36


def cells(title: str, found: Sequence[Judged]) -> str:
    """Return the table of cells, two lines each: the numbers, and the estimator by which the report answers."""
    head = (
        f"{title:<{_NAME}}{'runs':>6}{'said':>7}{'may':>6}{'covers':>8}{'+-':>6}{'strict':>7}"
        f"{'width':>9}{'naive':>9}{'covers':>8}{'':>2}rule"
    )
    return "\n".join([head, "-" * WIDTH, *(line for each in found for line in _cell(each))])


def _cell(found: Judged) -> Iterator[str]:
    yield (
        f"{found.name:<{_NAME}}{found.n_runs:>6}{found.evaluable:>7.3f}{found.allowed:>6.2f}"
        f"{found.coverage:>8.4f}{found.error:>6.3f}{found.strict:>7.3f}"
        f"{found.width:>9.4f}{found.naive_width:>9.4f}{found.naive_coverage:>8.3f}  {'FAILS' if found.why else 'holds'}"
    )
    yield f"    {found.estimator}"[:WIDTH]
    if found.why:
        yield f"    -> {found.why}"


def alarms(title: str, found: Sequence[Alarms]) -> str:
    """Return the table of the ratio test."""
    head = f"{title:<{_NAME}}{'runs':>6}{'alarms':>10}{'may':>8}{'p < .05':>10}{'rows until found':>20}{'':>4}rule"
    return "\n".join([head, "-" * WIDTH, *(line for each in found for line in _alarm(each))])


def _alarm(found: Alarms) -> Iterator[str]:
    yield (
        f"{found.name:<{_NAME}}{found.n_runs:>6}{found.share:>10.4f}{_or_nothing(found.possible, '.3f'):>8}"
        f"{_or_nothing(found.below_twentieth, '.4f'):>10}{_or_nothing(found.delay, ',.0f'):>20}"
        f"    {'FAILS' if found.why else 'holds'}"
    )
    if found.why:
        yield f"    -> {found.why}"


def _or_nothing(number: float | None, form: str) -> str:
    return "" if number is None else format(number, form)
