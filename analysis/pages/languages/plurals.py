"""Plural forms by language, as the Unicode CLDR has them for whole numbers.

A number that is not whole takes the form of a few in Polish and Russian, which is their genitive singular.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping


def _english(n: float) -> str:
    return "one" if n == 1 else "other"


def _polish(n: float) -> str:
    if n == 1:
        return "one"
    return "few" if _is_a_few(n) else "many"


def _russian(n: float) -> str:
    if n % 10 == 1 and n % 100 != 11:
        return "one"
    return "few" if _is_a_few(n) else "many"


def _is_a_few(n: float) -> bool:
    return n != int(n) or (2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14)


def _chinese(_: float) -> str:
    return "other"


FORM: Mapping[str, Callable[[float], str]] = {"en": _english, "pl": _polish, "ru": _russian, "zh": _chinese}
"""The name of the plural form of a number, by the language's code.

>>> [FORM["pl"](n) for n in (1, 2, 5, 12, 21, 22)], [FORM["ru"](n) for n in (1, 2, 5, 12, 21, 22)]
(['one', 'few', 'many', 'many', 'many', 'few'], ['one', 'few', 'many', 'many', 'one', 'few'])
"""

FORMS: Mapping[str, tuple[str, ...]] = {
    "en": ("one", "other"),
    "pl": ("one", "few", "many"),
    "ru": ("one", "few", "many"),
    "zh": ("other",),
}
"""The plural forms that a message of a language has."""
