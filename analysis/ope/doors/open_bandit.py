"""The Open Bandit Dataset: items that a fashion site recommended at three positions, and whether they were clicked.

Two policies drew, in folders `random` and `bts`: one uniformly over the items, the other by Bernoulli Thompson
sampling. Of both there are the propensities. What the uniform one could have drawn is known whole, 1 / k at each
position. Of the other nothing says how its distribution moved, so it counts as adaptive, and has propensities alone.

A row is one item at one position: rows were sub-sampled, so that answers of three cannot be put together again. Each
row is a slate by itself, its `slot` is the position from 0, and nothing says whose it was.

Source: Saito et al. 2021, Open Bandit Dataset and Pipeline, NeurIPS Datasets and Benchmarks; obp/dataset/real.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from analysis.arrays import Floats, Ints, Texts, places
from analysis.document import Count
from analysis.ope.doors import beta_ranks, tables
from analysis.ope.doors.chunks import CsvSource, Source, numbers, words
from analysis.ope.doors.leaving_out import LeftOut, Why
from analysis.ope.doors.lines import parts, write_lines
from analysis.ope.doors.table_rows import EPOCH, NUMBER, TEXT, Columns
from analysis.ope.doors.tables import line_of
from analysis.ope.logged import BLOCK, Ask, Collection, Logged, Question
from analysis.texts import Name
from engine import yaml_text
from engine.errors import InvalidRequest
from engine.experiments import Variant

N_SLOTS = 3
"""So many positions are filled."""

UNIFORM = "random"
"""The folder of the policy that drew uniformly."""

_SAME = 1e-9
"""Propensities of the uniform policy miss 1 / k by no more than their last digits."""

_AFFINITY, _USER, _ITEM = "user-item_affinity_", "user_feature_", "item_feature_"


def read(path: Path | str, campaign: str = "", *, n: int = BLOCK) -> Iterator[Logged]:
    """Yield a campaign's draws in blocks of some `n`, in the order of the file.

    `path` is a policy's folder with `CAMPAIGN.csv`, or the file itself. Variants are the items, by their numbers; what
    a policy is asked has their features, where `item_context.csv` is beside the file. Files in a folder called
    `random` are the uniform policy's.

    Raises:
        InvalidRequest: there is no such file, it lacks a column, or no row of it is a draw.
    """
    file = _file(Path(path), campaign)
    source = CsvSource(file)
    found = items(file, campaign)
    names = [name for name in source.names if name.startswith((_AFFINITY, _USER))]
    columns = Columns(
        variant="item_id",
        reward="click",
        propensity="propensity_score",
        at="timestamp",
        slot="position",
        numbers={name: name for name in names if name.startswith(_AFFINITY)},
        texts={name: name for name in names if name.startswith(_USER)},
    )
    is_uniform = UNIFORM in (file.parent.name, file.parent.parent.name)
    least = 1 / len(found) if is_uniform else None
    collection = Collection(is_adaptive=not is_uniform, value_range=(0.0, 1.0), least=least, is_share=True)
    blocks = tables.read(file, columns, collection, variants=[item.name for item in found], n=n)
    return _placed(blocks, found, is_uniform)


def _file(path: Path, campaign: str) -> Path:
    if not path.is_dir():
        return path
    if not campaign:
        raise InvalidRequest(f"{path} is a folder: say whose campaign to read, such as 'men'")
    beside = path / f"{campaign}.csv"
    return beside if beside.is_file() else path / campaign / f"{campaign}.csv"


def items(path: Path | str, campaign: str = "") -> tuple[Variant, ...]:
    """Return the items of a campaign in their order, with the features in `item_context.csv` where it is there.

    For marginalised estimators, items that share a feature are a group:
    `mips.groups_of(item.features["item_feature_1"] for item in items(...))`.

    Raises:
        InvalidRequest: neither that file nor the columns of the campaign's say how many items there are.
    """
    file = _file(Path(path), campaign)
    beside = file.with_name("item_context.csv")
    if beside.is_file():
        return _described(CsvSource(beside))
    k = sum(name.startswith(_AFFINITY) for name in CsvSource(file).names)
    if not k:
        raise InvalidRequest(f"nothing says how many items there are: put item_context.csv beside {file}")
    return tuple(Variant(str(item)) for item in range(k))


def _described(source: Source) -> tuple[Variant, ...]:
    names = [name for name in source.names if name.startswith(_ITEM)]
    left_out = LeftOut()
    found: dict[int, Variant] = {}
    for chunk in source.chunks(["item_id", *names], BLOCK, left_out):
        features = {name: _values(chunk.columns[name]) for name in names}
        for place, item in enumerate(words(chunk.columns["item_id"])):
            own = {name: column[place] for name, column in features.items()}
            found[int(item or -1)] = Variant(str(item), features=own)
    if sorted(found) != list(range(len(found))) or not found or left_out.n:
        raise InvalidRequest("item_context.csv must have each item once, numbered from 0 without gaps")
    return tuple(found[item] for item in sorted(found))


def _values(cells: Texts) -> list[float | str]:
    """Return a feature of all items, as numbers where each is one."""
    found = numbers(cells)
    return [str(cell) for cell in cells] if np.isnan(found).any() else found.tolist()


def _placed(blocks: Iterator[Logged], found: tuple[Variant, ...], is_uniform: bool) -> Iterator[Logged]:
    """Yield blocks with their positions from 0, what a policy is asked, and the distribution where it is known."""
    left_out = LeftOut()
    before: tuple[Count, ...] = ()
    last: Logged | None = None
    for block in blocks:
        before = (*before, *block.left_out)
        checked = _checked(block, len(found), is_uniform, left_out)
        if last is not None and len(checked):
            yield last
        if len(checked):
            last = replace(checked, slot=checked.slot - 1, ask=_asking(checked, found))
    if last is None:
        raise InvalidRequest(f"there is no draw to evaluate from: {left_out.said()}")
    yield replace(last, left_out=(*before, *left_out.counts()))


def _checked(block: Logged, k: int, is_uniform: bool, left_out: LeftOut) -> Logged:
    is_placed = (block.slot >= 1) & (block.slot <= N_SLOTS)
    left_out.add_all(Why.BROKEN, ~is_placed, block.row)
    if not is_uniform:
        return block[is_placed]
    holds = np.abs(block.propensity * k - 1) <= _SAME
    left_out.add_all(Why.PROPENSITY, is_placed & ~holds, block.row)
    known = block[is_placed & holds]
    return replace(known, pattern=np.zeros(len(known), np.int64), patterns=np.full((1, k), 1 / k))


def _asking(block: Logged, found: tuple[Variant, ...]) -> Ask:
    def ask(rows: Ints) -> Iterator[Question]:
        for question in block[places(rows, block.row)].questions():
            yield Question(question.context, found)

    return ask


def thompson(prior: Path | str, campaign: str, n_slots: int = N_SLOTS) -> Floats:
    """Return the distribution of Bernoulli Thompson sampling by its prior at each position, (k, n_slots), exactly.

    `prior` is the YAML file of the Beta distributions that the policy began with. As a target:
    `given(np.broadcast_to(thompson(...), (n, k, n_slots)), log)`, or `at_positions`.

    Raises:
        InvalidRequest: the file has no such campaign, or its numbers are no Beta distributions.
        InvalidExperiment: it is not YAML.
    """
    alpha, beta = _prior(Path(prior), campaign)
    return beta_ranks.ranks(alpha, beta, n_slots)


def simulated_thompson(
    prior: Path | str, campaign: str, n_slots: int = N_SLOTS, *, n_sim: int = 100_000, seed: int = 0
) -> Floats:
    """Return what `thompson` does, (k, n_slots), by simulation as obp has it, to compare."""
    alpha, beta = _prior(Path(prior), campaign)
    return beta_ranks.simulated_ranks(alpha, beta, n_slots, n_sim, seed)


def _prior(path: Path, campaign: str) -> tuple[Floats, Floats]:
    if not path.is_file():
        raise InvalidRequest(f"there is no file {path}: give the path of the prior's YAML file")
    block = yaml_text.parse(path.read_text("utf-8"), path.name)
    if campaign not in block:
        raise InvalidRequest(f"{path.name} has no campaign {campaign!r}: it has {', '.join(block)}")
    own = block[campaign].block()
    alpha, beta = ([node.number() for node in own[name].items()] for name in ("alpha", "beta"))
    return np.array(alpha), np.array(beta)


@dataclass(frozen=True, slots=True, eq=False)
class AtPositions:
    """A policy that gives every draw the distribution of its slot: the columns of `distributions` (k, n_slots)."""

    distributions: Floats
    name: Name
    since: ClassVar[int | None] = None

    def probabilities(self, log: Logged) -> Floats:
        """Return the distributions of some draws, (n, k).

        Raises:
            InvalidRequest: they are of another number of variants or slots.
        """
        k, n_slots = self.distributions.shape
        if k != log.k or log.slot.max(initial=0) >= n_slots:
            raise InvalidRequest(f"distributions of {k} variants in {n_slots} slots are given, and the log has others")
        return np.asarray(self.distributions.T[log.slot])


def write(log: Logged | Iterable[Logged], path: Path | str) -> int:
    """Write a log as CAMPAIGN.csv, with `item_context.csv` beside it, and return how many draws it has.

    Variants become items by their places, texts of the context `user_feature_0` and so on, numbers
    `user-item_affinity_0` and so on; units and whole distributions have no place there. The latter are known again
    where the folder is called `random`.
    """
    return max(write_lines(path, _csv(log, Path(path))) - 1, 0)


def _csv(log: Logged | Iterable[Logged], path: Path) -> Iterator[str]:
    is_first = True
    for part in parts(log):
        columns = _columns(part)
        if is_first:
            write_lines(path.with_name("item_context.csv"), _item_context(part))
            yield line_of(columns)
        is_first = False
        yield from map(line_of, zip(*columns.values(), strict=True))


def _columns(log: Logged) -> dict[str, list[Any]]:
    given = tables.to_columns(log)
    return {
        "": list(range(len(log))),
        "timestamp": [(EPOCH + timedelta(microseconds=at)).isoformat(" ", "microseconds") for at in given["at"]],
        "item_id": log.variant.tolist(),
        "position": (log.slot + 1).tolist(),
        "click": given["reward"],
        "propensity_score": given["propensity"],
        **{f"{_USER}{place}": given[f"{TEXT}{name}"] for place, name in enumerate(log.texts)},
        **{f"{_AFFINITY}{place}": given[f"{NUMBER}{name}"] for place, name in enumerate(log.numbers)},
    }


def _item_context(log: Logged) -> Iterator[str]:
    # Items that the first draw could not have been have no features here.
    known = {variant.name: variant.features for variant in next(log.questions()).eligible}
    names = sorted({name for features in known.values() for name in features})
    yield line_of(["", "item_id", *(f"{_ITEM}{place}" for place, _ in enumerate(names))])
    for item, variant in enumerate(log.variants):
        features = known.get(str(variant), {})
        yield line_of([item, item, *(features.get(name, "") for name in names)])
