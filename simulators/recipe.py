"""Recipes: what the columns of a randomised CSV mean, read from a file that a data scientist writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from engine import files, forms, policy_forms
from engine.blocks import Node
from engine.definition import define
from engine.errors import InvalidExperiment
from engine.experiments import Brief, ContextField, Experiment, ExposureRule, Variant
from engine.form_pieces import only_one, texts_by_name
from engine.metrics import Metric, RewardTerm, by_outcome
from engine.specs import ContextualSpec, FixedSpec, PolicySpec

REPLAYED = "-replay"
"""What the id of the replayed experiment adds to that of the imported one."""

_EVEN = "even"
_NONE = "none"


@dataclass(frozen=True, slots=True)
class VariantColumn:
    """Where a row's variant stands, and the variant's name for each value there; the first is the control."""

    column: str
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a CSV becomes a log, and how it is replayed.

    `columns` has the column of every field and outcome whose name is another one. The logging propensity of a row is
    in `propensity_column`, or by variant in `propensities`. Without `unit_column` every row is a unit of its own;
    without `time_column` rows are `every` apart. `shuffle_seed` is None where the order is kept.
    """

    name: str
    variant: VariantColumn
    metrics: tuple[Metric, ...]
    brief: Brief = field(default_factory=Brief)
    context: tuple[ContextField, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    propensities: Mapping[str, float] = field(default_factory=dict)
    propensity_column: str = ""
    unit: str = "customer"
    unit_column: str = ""
    time_column: str = ""
    every: timedelta = timedelta(seconds=10)
    shuffle_seed: int | None = 1
    reward: tuple[RewardTerm, ...] = ()
    policy: PolicySpec = field(default_factory=ContextualSpec)

    def column(self, name: str) -> str:
        """Return the column of a field or outcome."""
        return self.columns.get(name, name)

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants' names in order."""
        return tuple(dict.fromkeys(self.variant.names.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the fields and outcomes."""
        return (*(declared.name for declared in self.context), *by_outcome(self.metrics))

    @property
    def needed(self) -> tuple[str, ...]:
        """Every column that the file must have."""
        named = [self.column(name) for name in self.names]
        others = (self.propensity_column, self.unit_column, self.time_column)
        return tuple(dict.fromkeys([self.variant.column, *named, *(column for column in others if column)]))

    @property
    def distribution(self) -> Mapping[str, float]:
        """The logging distribution of every row, or nothing where only the logged variant's propensity is known."""
        return self.propensities if _sums_to_one(self.propensities) else {}

    def imported(self) -> Experiment:
        """Return the test that the file is the log of."""
        weights = self.distribution if len(set(self.distribution.values())) > 1 else {}
        return define(replace(self._base(), experiment_id=self.name, policy=FixedSpec(weights)))

    def replayed(self) -> Experiment:
        """Return the experiment with the policy that learns; what does not match the log is never exposed."""
        experiment_id = self.name + REPLAYED
        replayed = replace(
            self._base(), experiment_id=experiment_id, policy=self.policy, exposure=ExposureRule.REPORTED
        )
        return define(replayed)

    def _base(self) -> Experiment:
        variants = tuple(Variant(name) for name in self.variants)
        reward = self.reward or (RewardTerm(self.metrics[0].name, 1.0),)
        return Experiment(
            self.name, variants, self.metrics, self.brief, context=self.context, unit=self.unit, reward=reward
        )


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in a file.

    Raises:
        InvalidExperiment: one line with the file's name, the line where it is known, and what to do.
    """
    return load_recipe(files.read_text(path), path.name)


def load_recipe(text: str, name: str = "the recipe") -> Recipe:
    """Return the recipe that a text declares.

    Raises:
        InvalidExperiment: one line that says what to do.

    >>> recipe = load_recipe("{recipe: mail, variant: {column: arm, names: [a, b]}, metrics: [visit]}")
    >>> recipe.propensities, recipe.needed
    ({'a': 0.5, 'b': 0.5}, ('arm', 'visit'))
    """
    given = files.parse(text, name).read(
        recipe=only_one,
        brief=forms.brief,
        context=forms.context,
        columns=texts_by_name,
        variant=_variant,
        propensity=lambda node: node,
        propensity_column=Node.text,
        unit=only_one,
        unit_column=Node.text,
        time_column=Node.text,
        every=Node.duration,
        shuffle_seed=_seed,
        metrics=forms.metrics,
        reward=forms.reward,
        policy=policy_forms.policy,
    )
    for wanted in ("recipe", "variant", "metrics"):
        if not given.get(wanted):
            raise InvalidExperiment(f"{name}: `{wanted}` is missing: see simulators/recipes/hillstrom.yaml")
    propensity = given.pop("propensity", None)
    recipe = Recipe(name=given.pop("recipe"), **given)
    return _checked(replace(recipe, propensities=_propensities(recipe, propensity)), propensity, name)


def _checked(recipe: Recipe, propensity: Node | None, file: str) -> Recipe:
    if recipe.propensity_column and propensity is not None:
        raise propensity.wrong("left out where `propensity_column` says it for every row")
    unknown = set(recipe.columns) - set(recipe.names)
    if unknown:
        raise InvalidExperiment(
            f"{file}: `columns` names {sorted(unknown)[0]!r}, which is no field and no outcome of it"
        )
    late = [metric.name for metric in recipe.metrics if metric.after]
    if late:
        raise InvalidExperiment(
            f"{file}: metric {late[0]!r} has `after`, and a row does not say when an outcome came: make it a conversion"
        )
    if recipe.policy.control_share:
        raise InvalidExperiment(f"{file}: a replay has no control group: leave `control_share` out")
    if recipe.every <= timedelta(0):
        raise InvalidExperiment(f"{file}: `every` must be longer than nothing")
    try:
        recipe.imported()
        recipe.replayed()
    except InvalidExperiment as error:
        raise InvalidExperiment(f"{file}: {error}") from None
    return recipe


def _variant(node: Node) -> VariantColumn:
    given = node.block().read(column=Node.text, names=_names)
    if not given.get("column") or not given.get("names"):
        raise node.wrong("a column with its variants, such as {column: segment, names: [none, mens, womens]}")
    return VariantColumn(**given)


def _names(node: Node) -> dict[str, str]:
    return {name: name for name in node.texts()} if isinstance(node.content, tuple) else texts_by_name(node)


def _seed(node: Node) -> int | None:
    return None if node.content == _NONE else node.whole()


def _propensities(recipe: Recipe, node: Node | None) -> dict[str, float]:
    if recipe.propensity_column:
        return {}
    if node is None or node.content == _EVEN:
        return dict.fromkeys(recipe.variants, 1.0 / len(recipe.variants))
    if isinstance(node.content, str):
        given = dict.fromkeys(recipe.variants, node.number())
    else:
        given = {name: each.number() for name, each in node.block().items()}
        if set(given) != set(recipe.variants) or not _sums_to_one(given):
            raise node.wrong("a number for every variant, and they must sum to 1")
    if not all(0 < propensity <= 1 for propensity in given.values()):
        raise node.wrong("in (0, 1]")
    return given


def _sums_to_one(propensities: Mapping[str, float]) -> bool:
    return bool(propensities) and abs(sum(propensities.values()) - 1.0) < 1e-9
