"""Tables of plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from covering_attribution.judging import Judged, Misled
from covering_attribution.running import REACHED

WIDTH = 110
_NAME = 24


def effects(found: Sequence[Judged]) -> str:
    """Return the table of effects."""
    head = (
        f"{'caused, in all':<{_NAME}}{'':<11}{'runs':>6}{'said':>7}{'truth':>9}{'mean':>9}{'covers':>9}{'at least':>10}"
        f"{'width':>9}{'own':>6}  rule"
    )
    return "\n".join([head, "-" * WIDTH, *(line for each in found for line in _effect(each))])


def _effect(found: Judged) -> Iterator[str]:
    yield (
        f"{found.name:<{_NAME}}{found.measure:<11}{found.n_runs:>6}{found.said:>7.3f}{found.truth:>9.1f}"
        f"{found.estimate:>9.1f}{found.coverage:>9.4f}{found.lowest:>10.4f}{found.width:>9.1f}{found.own:>6.2f}"
        f"  {'FAILS' if found.why else 'holds'}"
    )
    if found.why:
        yield f"    -> {found.why}"


def rules(found: Sequence[Misled]) -> str:
    """Return the table of rules."""
    channels = "".join(f"{channel:>12}" for channel in REACHED)
    head = f"{'credited / caused':<{_NAME}}{'':<11}{channels}{'nobody':>8}{'misplaced':>11}{'among':>7}"
    return "\n".join([head, "-" * WIDTH, *map(_rule, found)])


def _rule(found: Misled) -> str:
    ratios = "".join(f"{found.ratios[channel]:>12.2f}" for channel in REACHED)
    shares = f"{found.misplaced:>11.3f}{found.among:>7.3f}"
    return f"{found.rule:<{_NAME}}{found.measure:<11}{ratios}{found.nobody:>8.2f}{shares}"
