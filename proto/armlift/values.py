"""Values of a context between plain Python and the contract's messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from armlift.errors import ArmliftError
from armlift.v1.value_pb2 import ListValue, MapValue
from armlift.v1.value_pb2 import Value as ValueMessage

Value = None | float | str | bool | Sequence["Value"] | Mapping[str, "Value"]
"""What a context can hold."""


def values(given: Mapping[str, Value]) -> dict[str, ValueMessage]:
    """Return the messages of values by name."""
    return {name: value(item) for name, item in given.items()}


def value(given: Value) -> ValueMessage:
    """Return the message of a value."""
    match given:
        case None:
            return ValueMessage()
        case bool():
            return ValueMessage(flag=given)
        case int() | float():
            return ValueMessage(number=given)
        case str():
            return ValueMessage(text=given)
        case Mapping():
            return ValueMessage(map=MapValue(values=values(given)))
        case _:
            return ValueMessage(list=ListValue(values=[value(item) for item in given]))


@contextmanager
def refusing_what_no_message_holds() -> Iterator[None]:
    """Raise an ArmliftError where a message cannot hold what it is given."""
    try:
        yield
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        told = f"pass numbers, texts, flags, and lists and maps of these; here {error}"
        raise ArmliftError("INVALID_REQUEST", told) from error
