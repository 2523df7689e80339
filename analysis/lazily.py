"""Names of a package that are loaded when they are first asked for.

A process that watches for ramps needs no statistics while there is none, and nobody waits for doors that stay shut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def named(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return a `__getattr__` for a package: `homes` says for each name the module below it that has it.

    A home "module:name" has it under another name; one that ends in ":" is the module itself.

    >>> named("analysis", {"count": "texts", "words": "texts:"})("count").__name__
    'count'
    """

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, colon, own = homes[name].partition(":")
        found = import_module(f"{package}.{module}")
        return found if colon and not own else getattr(found, own or name)

    return find
