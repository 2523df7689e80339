"""Policies by the words with which a command line names them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.logs.sources import LogSource
from analysis.ope.stores.asking import is_reader, opening
from analysis.ope.targets.always import always
from analysis.ope.targets.base import Target
from analysis.ope.targets.functions import Function, function
from analysis.ope.targets.logged import logged, tilted
from analysis.ope.targets.served import Served, of_file, of_snapshot
from analysis.ope.targets.shadows import shadow
from analysis.ope.targets.uniform import uniform
from engine.errors import InvalidRequest, UnknownExperiment
from engine.specs import FixedSpec

FORMS = (
    *("always:VARIANT", "uniform", "logged", "tilted:TEMPERATURE", "snapshot:HASH", "shadow", "file:FILE.yaml"),
    "python:MODULE:FUNCTION",
)
"""What can be asked about."""

PLAIN = ("always", "uniform", "logged", "tilted", "python")
"""What can be asked about a log that has no store."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A log, the experiment in it, and what stands after the colon."""

    log: str | Path | LogSource
    experiment_id: str
    rest: str


def named(name: str, log: str | Path | LogSource, experiment_id: str) -> Target:
    """Return the policy of a name, to be asked about an experiment's log; a path that ends in .yaml is a file.

    Raises:
        InvalidRequest: nothing is called so, or a file reads what the log does not have.
        ArmliftError: what it names is not there, or is refused.

    >>> from engine.storage.memory import MemoryStore
    >>> named("always:bold", MemoryStore(), "hero")
    Always(variant='bold')
    """
    kind, colon, rest = name.partition(":")
    if name.endswith((".yaml", ".yml")) and kind not in _WITH:
        return _file(_Asked(log, experiment_id, name))
    make = (_WITH if colon else _ALONE).get(kind)
    if make is None or (colon and not rest):
        raise InvalidRequest(f"{name!r} is no policy that can be asked about: take one of {', '.join(FORMS)}")
    return make(_Asked(log, experiment_id, rest))


def _tilted(asked: _Asked) -> Target:
    try:
        return tilted(float(asked.rest))
    except ValueError:
        raise InvalidRequest(f"{asked.rest!r} is no temperature: give a number, as in tilted:0.5") from None


def _snapshot(asked: _Asked) -> Served:
    if not isinstance(asked.log, (str, Path)):
        raise InvalidRequest("a snapshot stands in a store's directory: name the directory in place of its log")
    return of_snapshot(asked.log, asked.experiment_id, asked.rest)


def _file(asked: _Asked) -> Served:
    """Return the policy in a file, if the log has the context that it reads."""
    with opening(asked.log)() as source:
        state = source.state(asked.experiment_id)
        if state is None:
            raise UnknownExperiment(f"there is no experiment {asked.experiment_id!r} in this log: check its name")
        found = of_file(asked.rest, source.population().population if is_reader(source) else None)
    known = {(each.name, each.type) for each in state.experiment.context}
    missing = [each for each in found.experiment.context if (each.name, each.type) not in known]
    if missing and not isinstance(found.experiment.policy, FixedSpec):
        what = f"{asked.rest} reads the {missing[0].type.value} {missing[0].name!r} of the context"
        raise InvalidRequest(f"{what}, which {asked.experiment_id!r} does not log: it cannot be judged by this log")
    return found


def _python(asked: _Asked) -> Function:
    module, _, name = asked.rest.partition(":")
    try:
        found = getattr(_imported(module), name or "")
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidRequest(f"there is no Python function {asked.rest!r} to be found: {error}") from None
    if not callable(found):
        raise InvalidRequest(f"{asked.rest!r} is no function: name one of a context and the eligible variants")
    return function(found, name)


def _imported(module: str) -> object:
    """Return a module; it may lie in the working directory, as it may for `python -m`."""
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(module)
    finally:
        sys.path[:] = before


_ALONE: Mapping[str, Callable[[_Asked], Target]] = {
    "uniform": lambda _: uniform(),
    "logged": lambda _: logged(),
    "shadow": lambda asked: shadow(asked.log, asked.experiment_id),
}
_WITH: Mapping[str, Callable[[_Asked], Target]] = {
    "always": lambda asked: always(asked.rest),
    "tilted": _tilted,
    "snapshot": _snapshot,
    "file": _file,
    "python": _python,
}
