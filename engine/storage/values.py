"""Contexts and candidates <-> maps of the contract's values, in which records hold them."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from armlift.v1.value_pb2 import MapValue, Value

from engine.records import Candidate, Context, ContextValue


def candidates_of(record: Mapping[str, MapValue], eligible: tuple[str, ...]) -> tuple[Candidate, ...]:
    """Return the candidates as they were eligible, then those that were not by name: a map has no order of its own."""
    place = {name: index for index, name in enumerate(eligible)}
    names = sorted(record, key=lambda name: (place.get(name, len(place)), name))
    return tuple([Candidate(name, context_of(record[name].values)) for name in names])


def fill(record: MutableMapping[str, Value], context: Context) -> None:
    """Put declared fields into a map of messages, which makes a message for every name that it is asked for."""
    for name, value in context.items():
        field = record[name]
        match value:
            case str():
                field.text = value
            case bool():
                field.flag = value
            case float() | int():
                field.number = value
            case _:
                field.list.SetInParent()
                for text in value:
                    field.list.values.add(text=text)


def context_of(record: Mapping[str, Value]) -> dict[str, ContextValue]:
    """Return a context from a map of messages."""
    # Every row has some, so each call counts, and a map's `items` would be one for each of them.
    context: dict[str, ContextValue] = {}
    for name in record:
        value = record[name]
        kind = value.WhichOneof("kind") or "list"
        context[name] = tuple([item.text for item in value.list.values]) if kind == "list" else getattr(value, kind)
    return context
