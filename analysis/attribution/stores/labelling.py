"""What the answers of a page were: variant, experiment and channel, as codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.arrays import Flags, Ints, renumbered
from analysis.attribution.stores.answers import Answer, Answers
from analysis.attribution.stores.asked import Asked, Blanks
from analysis.attribution.stores.paging import Page, Paging
from engine.columns import Coded, Columns

BLANK = -1
"""The code of an answer that shows nothing, or is not looked at."""


class Labelling:
    """Finds the code of what rows were answered, and gives new answers new codes."""

    def __init__(self, log: Paging, asked: Asked, answers: Answers) -> None:
        self._log = log
        self._asked = asked
        self._answers = answers
        self._blanks = Blanks(log.source)

    def codes(self, raw: Columns, which: Flags, page: Page) -> Ints:
        """Return the code of each of those rows of a page (n,) that are looked at, and BLANK elsewhere, (n,)."""
        channel = self._channels(raw["experiment_id"], page)
        of, revision, variant = raw["experiment_id"], raw["revision"], raw["variant"]
        row = np.flatnonzero(which)
        kind, first = _different([each[row] for each in (of.codes, revision, variant.codes, channel.codes)])
        made = [
            self._code(of.words[of.codes[at]], int(revision[at]), variant.words[variant.codes[at]], channel, at)
            for at in row[first].tolist()
        ]
        found = np.full(len(which), BLANK)
        found[row] = np.array(made, np.int64)[kind]
        return found

    def _code(self, experiment_id: str, revision: int, variant: str, channel: Coded, at: int) -> int:
        if self._blanks.has(experiment_id, revision, variant):
            return BLANK
        return self._answers.code(Answer(experiment_id, variant, channel.words[channel.codes[at]]))

    def _channels(self, of: Coded, page: Page) -> Coded:
        """Return the channel of each row, (n,): as its context names it, else its experiment's brief."""
        known = self._asked.known
        words: dict[str, int] = {}
        briefs = [known[each].brief.channel.strip() if each in known else "" for each in of.words]
        channel = of.looked_up([*(words.setdefault(word, len(words)) for word in briefs), -1])
        for place, each in enumerate(of.words):
            if each in self._asked.chosen and self._asked.declares_channel(each):
                own = np.flatnonzero(of.codes == place)
                named = self._named(each, page, words)[: len(own)]
                channel[own] = np.where(named < 0, channel[own], named)
        return Coded(channel, tuple(words))

    def _named(self, experiment_id: str, page: Page, words: dict[str, int]) -> Ints:
        """Return the channels that an experiment's rows name in their context, as codes of words, or -1."""
        found = self._log.texts(experiment_id, self._asked.channel_field, page)
        names = [word.strip() for word in found.words]
        codes = [words.setdefault(name, len(words)) if name else -1 for name in names]
        named: Ints = found.looked_up([*codes, -1])
        return named


def _different(columns: Sequence[Ints]) -> tuple[Ints, Ints]:
    """Return rows numbered by what they hold, (n,), and the first row of each that is different."""
    kind = np.zeros(len(columns[0]), np.int64)
    n_kinds = 1
    for column in columns:
        own, different = renumbered(column, int(column.max(initial=0)) + 1)
        kind, pairs = renumbered(kind * max(len(different), 1) + own, n_kinds * max(len(different), 1))
        n_kinds = max(len(pairs), 1)
    first = np.zeros(n_kinds if len(kind) else 0, np.int64)
    first[kind[::-1]] = np.arange(len(kind))[::-1]
    return kind, first
