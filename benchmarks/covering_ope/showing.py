"""Tables of plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from covering_ope.judging import WIDEST, Beside, Judged

WIDTH = 110
_NAME = 35


def cells(title: str, found: Sequence[Judged]) -> str:
    """Return the table of cells: a line for the value, and one for the difference to the logged policy."""
    head = (
        f"{title:<{_NAME}}{'runs':>5}{'said':>7}{'must':>7}{'holds':>7}{'+-':>6}{'forced':>8}"
        f"{'width':>7}{'sure':>6}{'all':>6}{'own':>6}  rule"
    )
    return "\n".join([head, "-" * WIDTH, *(line for each in found for line in _cell(each))])


def _cell(found: Judged) -> Iterator[str]:
    name = found.name if found.estimand == "value" else f"{'':4}{found.estimand}"
    ratios = "".join(_or_dash(each, 6) for each in (found.ratio, found.ratio_sure, found.ratio_all, found.own))
    holds = f"{found.coverage:>7.3f}{found.error:>6.3f}" if found.said else f"{'-':>7}{'':>6}"
    yield (
        f"{name:<{_NAME}}{found.n_runs:>5}{found.said:>7.3f}{found.must:>7.3f}{holds}{found.forced:>8.3f} "
        f"{ratios}  {_word(found)}"
    )
    if found.why:
        yield f"    -> {found.why}"


def _word(found: Judged) -> str:
    if found.why:
        return "FAILS"
    return "wide" if found.ratio is not None and found.ratio > WIDEST else "holds"


def peers(title: str, found: Sequence[Beside]) -> str:
    """Return the table of peers."""
    head = f"{title:<{_NAME}}{'':<24}{'runs':>6}{'holds':>8}{'width':>8}{'ours':>8}"
    return "\n".join([head, "-" * WIDTH, *map(_peer, found)])


def _peer(found: Beside) -> str:
    ours = _or_dash(found.ours, 8)
    return f"{found.name:<{_NAME}}{found.peer:<24}{found.n_runs:>6}{found.coverage:>8.3f}{found.ratio:>8.2f}{ours}"


def _or_dash(number: float | None, size: int) -> str:
    return f"{'-':>{size}}" if number is None else f"{number:>{size}.2f}"
