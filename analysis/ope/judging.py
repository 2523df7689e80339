"""The rule by which a log can say what a policy would have earned, or cannot, and why.

What it protects is coverage: where it lets an estimate pass, an interval that reckons with skewness holds. Thresholds
were measured on 11,000 synthetic logs (300 to 10,000 draws, 10 variants, rates .009 to .97, floors from 1e-4 to .5,
targets like the logger, unlike it and opposed to it), with Hall's interval around IPS and DR at a nominal 95 %. Of
4,000 others the rule answers 47 %, in which they hold in 94.7 to 95.3 %, and refuses those in which they hold in 80 %.

Not evaluable:

- fewer than FEWEST = 50 effective draws, of those seen and of those that the logged distributions promise. Below, the
  interval of DR holds in 65 to 88 %, above in 94 %. The second matters most: of logs with 20 effective draws that
  promised less than a tenth of them, it holds in 74 %, because the largest weights had not come;
- a tail index below HEAVY = 1 / .7, where Pareto-smoothed importance sampling gives up as well (Vehtari et al. 2024,
  JMLR 25(72), section 3), with fewer than ENOUGH = 200 effective draws: it holds in 88 %, and above the index in 94 %.
  Where no weight can be more than n / FEWEST, it holds in 94 % whatever the index, which is not asked for then;
- fewer than FEWEST_REWARDED = 5 effective rewarded draws: it holds in 85 to 92 %, and Wald's in 65 to 80 %;
- more than SUPPORT = 1 % of the target without support: its reward was never seen, so that the value is known but for
  that share of the range of rewards, however many draws there are;
- a mean weight that is not what it should be, by more than FAR = 5 %, when chance explains that once in 10,000 times:
  propensities are not those of the draws, or something was lost.

Evaluable with care: fewer than ENOUGH effective draws, or ENOUGH_REWARDED = 20 rewarded ones, where intervals are
rough; such a tail index at all; some of the target without support; a mean weight that is off by more than 1 % and more
than chance explains once in 1,000 times; propensities alone, which do not exclude that more than SUPPORT is without
support; segments of the context without support or with a mean weight that is off; more than half of the windows open
(late draws may be unlike early ones); more than 5 % of the draws left out (nobody knows whether they were like others).

A log with weights up to W has n / W effective draws at least, so that 1,000 draws with weights up to 20 suffice, and
refusing buys nothing. More draws of one kind never make a verdict worse, but for one that finds them wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scipy import special

from analysis.ope.evaluation import Diagnostics, Evaluable, Verdict
from analysis.ope.logged import Collection
from analysis.texts import Number, Text, amount, count, share, text

FEWEST, ENOUGH = 50, 200
FEWEST_REWARDED, ENOUGH_REWARDED = 5, 20
HEAVY = 1 / 0.7
SUPPORT, FAR, NEAR = 0.01, 0.05, 0.01
CHANCE, SMALL_CHANCE = 1e-3, 1e-4

_NOTHING = 1e-9
"""A smaller share without support is one of rounding."""

_CARRIES = 0.1
"""A draw that carries so much of all weights is named."""

_MOST = 0.5
"""A draw of which the logged distributions promise so much of all noise is named."""

_OPEN, _LEFT_OUT = 0.5, 0.05

_NAMED = 3
"""So many segments are named."""

Reason = tuple[Evaluable, Text]
"""How far a log can say it for that reason."""

_NO, _CARE = Evaluable.NO, Evaluable.WITH_CARE


def verdict(found: Diagnostics, collection: Collection, gaps: Sequence[Text] = ()) -> Verdict:
    """Return whether a log can say it, with the reasons, the gravest first; `gaps` are segments that lack support."""
    if not found.n:
        return Verdict(_NO, (text("ope.verdict.empty"),))
    reasons = [
        *_size(found),
        *_rewarded(found),
        *_support(found, collection),
        *_mean(found),
        *_rest(found),
        *_gaps(gaps),
    ]
    said = [reason for grave in (_NO, _CARE) for word, reason in reasons if word is grave]
    if not said:
        return Verdict(Evaluable.YES)
    return Verdict(_NO if any(word is _NO for word, _ in reasons) else _CARE, tuple(said))


def lacks_support(unsupported: float | None) -> bool:
    """Return whether so much of a target has no support that its value is not known.

    >>> lacks_support(0.042), lacks_support(0.001), lacks_support(None)
    (True, False, False)
    """
    return unsupported is not None and unsupported > SUPPORT


def is_off(distance: float, error: float, n_looked_at: int = 1) -> bool:
    """Return whether a mean weight is far from where it should be, and chance does not explain it (Bonferroni).

    >>> is_off(-0.17, 0.02), is_off(-0.17, 0.1), is_off(-0.001, 1e-9)
    (True, False, False)
    """
    return abs(distance) > FAR and _is_unlikely(distance, error, SMALL_CHANCE / n_looked_at)


def _is_unlikely(distance: float, error: float, chance: float) -> bool:
    return abs(distance) > -float(special.ndtri(chance / 2)) * error


def _size(found: Diagnostics) -> Iterator[Reason]:
    """Yield what few effective draws and heavy tails say."""
    if found.n_units < FEWEST:
        key = "few_draws" if found.n_units == found.n else "few_units"
        yield _NO, text(f"ope.verdict.{key}", n=count(found.n_units), draws=count(found.n), enough=count(FEWEST))
        return
    expected = found.effective if found.effective_expected is None else found.effective_expected
    is_heavy = _is_heavy(found)
    least = min(found.effective, expected)
    grave = _NO if _is_below(least, ENOUGH if is_heavy else FEWEST) else _CARE
    if _is_below(found.effective, ENOUGH):
        yield grave, _effective(found)
    elif _is_below(expected, ENOUGH):
        yield grave, _promised(found, expected)
    if is_heavy and found.tail is not None:
        yield grave, text("ope.verdict.tail", index=amount(found.tail), largest=amount(found.largest))


def _is_below(effective: float, enough: int) -> bool:
    # Five equal weights come to 4.999999999999977.
    return effective < enough * (1 - _NOTHING)


def _is_heavy(found: Diagnostics) -> bool:
    is_bounded = found.possible is not None and found.possible * FEWEST <= found.n
    return not is_bounded and found.tail is not None and found.tail < HEAVY


def _promised(found: Diagnostics, expected: float) -> Text:
    numbers = {"effective": count(round(found.effective)), "promised": _rounded(expected)}
    if found.noisiest <= _MOST or found.noisiest_row is None:
        return text("ope.verdict.promised", **numbers)
    return text("ope.verdict.promised_by", **numbers, row=str(found.noisiest_row))


def _rounded(effective: float) -> Number:
    return amount(effective) if 1 <= effective < 10 else count(max(round(effective), 1))


def _effective(found: Diagnostics) -> Text:
    effective, whole = _rounded(found.effective), found.n
    carried = found.largest / (found.mean_weight * whole) if found.mean_weight else 0.0
    if carried <= _CARRIES or found.largest_row is None:
        units = {} if found.n_units == whole else {"units": count(found.n_units)}
        key = "effective_units" if units else "effective"
        return text(f"ope.verdict.{key}", effective=effective, draws=count(whole), enough=count(ENOUGH), **units)
    row = str(found.largest_row)
    return text("ope.verdict.carried", effective=effective, draws=count(whole), share=share(min(carried, 1.0)), row=row)


def _rewarded(found: Diagnostics) -> Iterator[Reason]:
    """Yield what few rewarded draws say."""
    if not _is_below(found.effective_rewarded, ENOUGH_REWARDED):
        return
    grave = _NO if _is_below(found.effective_rewarded, FEWEST_REWARDED) else _CARE
    if found.n_rewarded < ENOUGH_REWARDED:
        yield grave, text("ope.verdict.rewarded", n=count(found.n_rewarded))
    else:
        effective = count(round(found.effective_rewarded))
        yield grave, text("ope.verdict.rewarded_effective", n=count(found.n_rewarded), effective=effective)


def _support(found: Diagnostics, collection: Collection) -> Iterator[Reason]:
    """Yield what the log lacks of the target, or may lack."""
    if found.unsupported is None:
        # A mean above 1 is chance, and must not make up for what is not known.
        error = 1.0 if found.mean_weight_error is None else found.mean_weight_error
        lacking = max(1 - found.mean_weight, 0.0) + 2 * error
        if lacking > SUPPORT:
            yield _CARE, text("ope.verdict.not_proven", share=share(min(lacking, 1.0)))
    elif found.unsupported > _NOTHING:
        grave = _NO if lacks_support(found.unsupported) else _CARE
        yield grave, _lacking(found.unsupported, collection.value_range)


def _lacking(unsupported: float, value_range: tuple[float, float] | None) -> Text:
    if value_range is None:
        return text("ope.verdict.unsupported", share=share(unsupported))
    most = unsupported * (value_range[1] - value_range[0])
    return text("ope.verdict.unsupported_range", share=share(unsupported), most=amount(most))


def _mean(found: Diagnostics) -> Iterator[Reason]:
    """Yield what a mean weight says that is not what it should be."""
    if found.mean_weight_error is None or found.n_units < FEWEST:
        return
    expected = 1 - (found.unsupported or 0.0)
    off = found.mean_weight - expected
    if abs(off) > NEAR and _is_unlikely(off, found.mean_weight_error, CHANCE):
        grave = _NO if is_off(off, found.mean_weight_error) else _CARE
        numbers = {"mean": found.mean_weight, "error": found.mean_weight_error, "expected": expected}
        yield grave, text("ope.verdict.mean_weight", **{name: amount(each) for name, each in numbers.items()})


def _rest(found: Diagnostics) -> Iterator[Reason]:
    """Yield what is not in the log yet, and what could not be used."""
    if found.matured < 1 - _OPEN:
        yield _CARE, text("ope.verdict.open", share=share(1 - found.matured))
    if found.left_out > _LEFT_OUT:
        yield _CARE, text("ope.verdict.left_out", share=share(found.left_out))


def _gaps(gaps: Sequence[Text]) -> Iterator[Reason]:
    if gaps:
        yield _CARE, text("ope.verdict.gaps", n=count(len(gaps)), segments=tuple(gaps[:_NAMED]))
