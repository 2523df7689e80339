"""Classification data as a world: a visit shows the features of an example, and one variant is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator

from engine.errors import InvalidRequest
from engine.experiments import ContextField, FieldType, Variant
from engine.records import Context
from simulators.environment import Visit
from simulators.made_up import share
from simulators.worlds.by_chance import ByChance, Floats, Scene

_CLASS = "class"


class Classified(ByChance):
    """Each visit shows an example of the data, drawn evenly, under the names of its features, scaled to [0, 1].

    Class j is that of the declared variant j, counted round where there are fewer variants. Who shows the right variant
    is rewarded for certain, and nobody else. A candidate has a class by its name.
    """

    data: ClassVar[str]

    def __init__(self) -> None:
        """Read the data.

        Raises:
            InvalidRequest: scikit-learn is not installed.
        """
        super().__init__()
        examples = _load(self.data)
        self.fields = tuple(ContextField(_plain(name), FieldType.NUMBER) for name in examples.feature_names)
        names = [field.name for field in self.fields]
        rows = _scaled(examples.data).tolist()
        self._examples: list[tuple[Context, Mapping[str, int]]] = [
            (dict(zip(names, row, strict=True)), {_CLASS: int(label)})
            for row, label in zip(rows, examples.target, strict=True)
        ]
        self.n_classes = len(examples.target_names)

    def chances(self, scene: Scene, visit: Visit, variants: Sequence[Variant]) -> Floats:
        """Return 1 for the right variant and 0 for the others (k,)."""
        label = visit.hidden.get(_CLASS, 0)
        if variants is scene.variants:
            right = np.zeros(len(variants))
            right[label % len(variants)] = 1.0
            return right
        return np.array([float(self._class_of(scene, variant) == label) for variant in variants])

    def _class_of(self, scene: Scene, variant: Variant) -> int:
        place = scene.places.get(variant.name)
        return place if place is not None else int(self.n_classes * share(self.name, variant.name))

    def _contexts(self, n: int, rng: Generator) -> Iterable[tuple[Context, Mapping[str, int]]]:
        return [self._examples[place] for place in rng.integers(len(self._examples), size=n).tolist()]


class Digits(Classified):
    """1,797 handwritten digits of 8 times 8 pixels, named pixel_0_0 and so on; ten variants fit it."""

    name = "digits"
    data = "digits"


class Wine(Classified):
    """178 wines of three growers by 13 measurements, such as alcohol; three variants fit it."""

    name = "wine"
    data = "wine"


def _load(data: str) -> Any:  # noqa: ANN401 (scikit-learn has no types)
    try:
        from sklearn.datasets import load_digits, load_wine
    except ImportError:
        raise InvalidRequest(
            f"the world {data!r} needs scikit-learn: install it by pip install 'armlift[worlds]'"
        ) from None
    return {"digits": load_digits, "wine": load_wine}[data]()


def _scaled(data: Any) -> Floats:  # noqa: ANN401
    """Return the columns of the data (n, d) between 0 and 1; one that never varies is 0."""
    low, high = data.min(axis=0), data.max(axis=0)
    scaled: Floats = (data - low) / np.where(high > low, high - low, 1.0)
    return scaled


def _plain(name: str) -> str:
    """Return the name of a feature as a field of a context may be called."""
    return name.replace("/", "_").replace(" ", "_")
