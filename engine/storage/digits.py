"""Columns in which few words repeat, out of SQLite as the digits of one number a row.

A column of one word costs no digit: that every row has it is one comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.columns import Coded, Column, Ints

_ROOM = 2**62
"""The numbers stay below it."""


@dataclass(frozen=True, slots=True)
class Digits:
    """The columns whose words are known, by name. A word that is not known has the digit after the last one."""

    words: Mapping[str, Sequence[Any]]

    @property
    def steady(self) -> dict[str, Any]:
        """The only word of each column that has one word."""
        return {name: known[0] for name, known in self.words.items() if len(known) == 1}

    @property
    def packs(self) -> list[list[str]]:
        """The other columns, put together so that the digits of each pack fit into one number.

        >>> Digits({"reason": ["drawn"], "slot": [0, 1], "variant": ["a", "b"]}).packs
        [['slot', 'variant']]
        """
        made: list[list[str]] = []
        room = 0
        for name, known in self.words.items():
            base = len(known) + 1
            if len(known) > 1 and room < base:
                made.append([])
                room = _ROOM
            if len(known) > 1:
                made[-1].append(name)
                room //= base
        return made

    def totals(self, expressions: Mapping[str, str]) -> tuple[list[str], list[Any]]:
        """Return SQL over a page's rows, and its arguments: whether the steady are so, then each pack's numbers.

        >>> Digits({"slot": [0, 1]}).totals({"slot": "slot"})
        (['1', 'group_concat(1 * CASE slot WHEN ? THEN 0 WHEN ? THEN 1 ELSE 2 END)'], [0, 1])
        """
        steady = self.steady
        names, marks = ", ".join(expressions[name] for name in steady), ", ".join("?" * len(steady))
        # With = a missing value would be neither so nor not.
        made = [f"min(({names}) IS ({marks}))" if steady else "1"]
        arguments = list(steady.values())
        for pack in self.packs:
            terms, unit = [], 1
            for name in pack:
                known = self.words[name]
                cases = " ".join(f"WHEN ? THEN {digit}" for digit in range(len(known)))
                terms.append(f"{unit} * CASE {expressions[name]} {cases} ELSE {len(known)} END")
                arguments += known
                unit *= len(known) + 1
            made.append(f"group_concat({' + '.join(terms)})")
        return made, arguments

    def codes(self, numbers: Sequence[Ints]) -> dict[str, Ints]:
        """Return the digits of each pack's numbers (n,) by column, (n,) each.

        >>> Digits({"a": ["x", "y"], "b": ["z", "x"]}).codes([np.array([0, 1, 3])])["b"].tolist()
        [0, 0, 1]
        """
        found = {}
        for pack, whole in zip(self.packs, numbers, strict=True):
            rest = whole
            for name in pack:
                higher = rest // (len(self.words[name]) + 1)
                found[name] = rest - higher * (len(self.words[name]) + 1)
                rest = higher
        return found

    def unknown(self, codes: Mapping[str, Ints]) -> list[str]:
        """Return the columns in which there are words that are not known."""
        return [name for name, code in codes.items() if code.max(initial=0) == len(self.words[name])]

    def spelled(self, codes: Mapping[str, Ints], types: Mapping[str, type], n: int) -> dict[str, Column]:
        """Return all the columns of n rows of which no word is unknown."""
        steady = {name: _repeated(word, types[name], n) for name, word in self.steady.items()}
        return steady | {name: _spelled(code, self.words[name], types[name]) for name, code in codes.items()}


def _repeated(word: object, kind: type, n: int) -> Column:
    return np.full(n, word, kind) if kind in (int, float) else Coded(np.zeros(n, np.int64), (word,))


def _spelled(codes: Ints, words: Sequence[Any], kind: type) -> Column:
    if kind in (int, float):
        return np.array(words, kind)[codes]
    present = np.flatnonzero(np.bincount(codes, minlength=len(words)))
    order = sorted(present.tolist(), key=lambda code: int((codes == code).argmax()))
    place = np.zeros(len(words), np.int64)
    place[order] = np.arange(len(order))
    return Coded(place[codes], tuple(words[code] for code in order))
