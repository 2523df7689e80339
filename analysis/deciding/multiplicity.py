"""Several questions at once: p-values adjusted for how many there are.

An adjusted p-value is the level at which its hypothesis would just be rejected; `p` and `e` are (m,), of one family.
"""

from __future__ import annotations

import numpy as np

from analysis.arrays import Floats, Ints


def bonferroni(p: Floats) -> Floats:
    """Return p-values adjusted so that any false rejection is as rare as the level, whatever the dependence.

    Raises:
        ValueError: a p-value is not in [0, 1].
    """
    return np.minimum(_checked(p) * len(p), 1.0)


def holm(p: Floats) -> Floats:
    """Return p-values adjusted by Holm (1979): as safe as Bonferroni's and never larger, whatever the dependence.

    p-values that hold at any look stay so: at any one look Holm is applied to p-values that are valid there.

    Raises:
        ValueError: a p-value is not in [0, 1].

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(_checked(p), kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return _restored(np.minimum(stepped, 1.0), order)


def benjamini_hochberg(p: Floats) -> Floats:
    """Return p-values adjusted for the share of false discoveries (Benjamini and Hochberg 1995).

    It holds for p-values that are independent or positively dependent, as comparisons with one control are.

    Raises:
        ValueError: a p-value is not in [0, 1].

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(6).tolist()
    [0.03, 0.04, 0.04]
    """
    return _stepped_up(_checked(p))


def e_benjamini_hochberg(e: Floats) -> Floats:
    """Return the levels of the share of false discoveries at which e-values are discoveries (Wang and Ramdas 2022).

    It holds whatever the dependence, and at any look where the e-values do. An infinite one is a certain discovery.

    Raises:
        ValueError: an e-value is negative or not a number.

    >>> e_benjamini_hochberg(np.array([100.0, 30.0, 1.0])).tolist()
    [0.03, 0.05, 1.0]
    """
    if np.isnan(e).any() or (e < 0).any():
        raise ValueError(f"e-values are not negative, and these are {e.tolist()}")
    return _stepped_up(1 / np.maximum(e, np.finfo(float).tiny))


def e_values(p: Floats) -> Floats:
    """Return e-values calibrated from p-values, (1 - p + p log p) / (p log(p)**2).

    1 / p is no e-value: its mean under no difference is infinite. This is the mixture of the calibrators
    k p**(k - 1) over k in (0, 1) (Vovk and Wang 2021, section 2), whose mean is 1.

    Raises:
        ValueError: a p-value is not in [0, 1].

    >>> e_values(np.array([0.0001, 0.05, 1.0])).round(3).tolist()
    [117.762, 1.783, 0.5]
    """
    log = -np.log(np.maximum(_checked(p), np.finfo(float).tiny))
    near_one = log < _NEAR
    safe = np.where(near_one, 1.0, log)
    mixture = (np.expm1(safe) - safe) / safe**2
    return np.asarray(np.where(near_one, 0.5 + log / 6 + log**2 / 24, mixture))


_NEAR = 1e-3
"""With -log p below it the calibrator's terms cancel, and its series is exact to 1e-11."""


def _stepped_up(p: Floats) -> Floats:
    order = np.argsort(p, kind="stable")
    ratios = p[order] * len(p) / np.arange(1, len(p) + 1)
    return _restored(np.minimum(np.minimum.accumulate(ratios[::-1])[::-1], 1.0), order)


def _restored(values: Floats, order: Ints) -> Floats:
    restored = np.empty(len(values))
    restored[order] = values
    return restored


def _checked(p: Floats) -> Floats:
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p-values are in [0, 1], and these are {p.tolist()}")
    return p
