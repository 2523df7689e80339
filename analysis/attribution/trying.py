"""What to try next: where many units come, little is known, and the policy has not decided either.

The worth of knowing is what a week loses on average because the better of variant and control is chosen by an
estimate that is not exact: with an effect of d per unit and a standard error of s, each of n units loses
s * (phi(z) - z * (1 - Phi(z))), z = |d| / s, in expectation (the unit normal loss; Raiffa and Schlaifer 1961, 5.4, with
a flat prior). It is large where the audience is large and the interval wide, and small where the sign is clear. A
policy that has settled on a variant has taken that decision, so the worth counts by how undecided it still is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from analysis.attribution.coming import Coming
from analysis.attribution.incremental.effect import Effect
from analysis.document import Cell, Grid
from analysis.estimate import Estimate
from analysis.logs.sources import LogSource
from analysis.sequential import asymptotic
from analysis.texts import Name, Text, amount, count, share, text
from engine.metrics import Better

MOST, MOST_UNKNOWN = 10, 3
"""So many suggestions are made, and so many of them where nothing at all is known."""

NEGLIGIBLE = 0.01
"""Below so many conversions a week knowing more is worth nothing: that is one in two years."""

_TO_DO = {"attribution.incremental.no_control_share": "compare", "attribution.incremental.unbalanced": "check"}
"""What is to be done where nothing is known for a reason that waiting does not change."""

_COLUMNS = ("what", "audience", "known", "undecided", "worth", "why")


@dataclass(frozen=True, slots=True)
class Open:
    """Something that could be learned by an experiment that runs, of those who are `coming`.

    `effect` is that per unit as it may be read now, and `once` as at one look: so well it is known.
    """

    name: Name
    coming: Coming
    effect: Estimate
    once: Estimate

    @property
    def worth(self) -> float | None:
        """The expected loss a week, in conversions, of choosing by what is known; None where nothing is known."""
        error = asymptotic.standard_error(self.once)
        if error is None or self.once.value is None:
            return None
        loss = error * unit_normal_loss(abs(self.once.value) / error)
        return self.coming.in_a_week * self.coming.undecided * loss


@dataclass(frozen=True, slots=True)
class Unproven:
    """A touchpoint of which randomisation proves nothing, and why."""

    name: Name
    n_touches: int
    why: Text


def unit_normal_loss(z: float) -> float:
    """Return the mean of max(0, Z - z) for a standard normal Z.

    >>> round(unit_normal_loss(0.0), 4), unit_normal_loss(5.0) < 1e-6
    (0.3989, True)
    """
    return float(stats.norm.pdf(z) - z * stats.norm.sf(z))


def running(log: LogSource, effects: Mapping[str, Sequence[Effect]]) -> Iterator[Open]:
    """Yield what experiments that run could teach, of some `effects` by experiment, as far as anybody still comes."""
    for experiment_id, found in effects.items():
        coming = Coming.of(log, experiment_id)
        if coming.n_units:
            yield from (
                Open(effect.name, coming, effect.per_unit[0], effect.at_one_look.per_unit[0]) for effect in found
            )


def grid(found: Iterable[Open], unproven: Iterable[Unproven] = (), better: Better = Better.HIGHER) -> Grid:
    """Return what to try next: first of what nothing is known, then what is worth most; a sentence if that is nothing.

    Of what little is left to learn is named under the table.
    """
    ranked = sorted(found, key=lambda each: (-(each.worth or 0.0), -each.coming.n_units, str(each.name)))
    known = [each for each in ranked if each.worth is not None]
    unknown = [*map(_unknown, (each for each in ranked if each.worth is None))]
    untested = sorted(unproven, key=lambda each: (-each.n_touches, str(each.name)))
    first = [*unknown, *map(_untested, untested)][:MOST_UNKNOWN]
    rows = (*first, *(_row(each, better) for each in known if _is_open(each)))[:MOST]
    note = _note([each for each in known if not _is_open(each)], better)
    title = text("attribution.trying.title")
    columns = tuple(text(f"attribution.trying.{name}") for name in _COLUMNS)
    if not rows:
        return Grid("next", title, columns[:1], ((text("attribution.trying.nothing"),),), note, with_methods=False)
    return Grid("next", title, columns, rows, note, with_methods=False)


def _is_open(found: Open) -> bool:
    return found.worth is not None and found.worth >= NEGLIGIBLE


def _row(found: Open, better: Better) -> tuple[Cell, ...]:
    why = text(f"attribution.trying.{_reason(found.effect, better)}")
    return *_start(found), share(found.coming.undecided), amount(found.worth or 0.0), why


def _unknown(found: Open) -> tuple[Cell, ...]:
    why = found.once.note or text("not_evaluable.nobody")
    to_do = text(f"attribution.trying.{_TO_DO.get(why.key, 'unknown')}", why=why)
    return *_start(found), share(found.coming.undecided), None, to_do


def _start(found: Open) -> tuple[Cell, Cell, Cell]:
    effect = None if found.effect.value is None else found.effect
    return found.name, count(found.coming.n_units), effect


def _untested(found: Unproven) -> tuple[Cell, ...]:
    why = text("attribution.trying.untested", n=count(found.n_touches), why=found.why)
    return found.name, None, None, None, None, why


def _reason(effect: Estimate, better: Better) -> str:
    """Return whether the sign is known, and so what is to be done."""
    if effect.interval is None or effect.interval[0] <= 0 <= effect.interval[1]:
        return "which"
    return "take" if (effect.interval[0] > 0) == (better is Better.HIGHER) else "drop"


def _note(settled: Sequence[Open], better: Better) -> Text:
    """Return how the table is read, and what can be decided of those of which little is left to learn."""
    note = text("attribution.trying.note")
    for reason in ("take", "drop", "which"):
        names = tuple(each.name for each in settled if _reason(each.effect, better) == reason)
        if names:
            note = text(f"attribution.trying.note_{reason}", note=note, names=names)
    return note
