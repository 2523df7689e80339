"""Values and times between Python and the contract; `armlift.values` is the way back of values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from armlift.v1.value_pb2 import Value as ValueMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from engine.clock import from_micros, to_micros
from engine.errors import InvalidRequest
from engine.records import Value

_MICROS = 1_000_000
_NANOS = 1_000_000_000
_FIRST, _LAST = 0, 221_845_392_000  # a time and the longest window after it are still one of Python's times


def to_value(message: ValueMessage) -> Value:
    """Return what a message holds."""
    match message.WhichOneof("kind"):
        case "number":
            return message.number
        case "text":
            return message.text
        case "flag":
            return message.flag
        case "list":
            return [to_value(item) for item in message.list.values]
        case "map":
            return to_values(message.map.values)
        case _:
            return None


def to_values(messages: Mapping[str, ValueMessage]) -> dict[str, Value]:
    """Return values by name."""
    return {name: to_value(message) for name, message in messages.items()}


def to_time(message: Timestamp) -> datetime:
    """Return an aware UTC time, to the microsecond.

    Raises:
        InvalidRequest: it is before 1970 or after 8999.
    """
    if not (_FIRST <= message.seconds <= _LAST and 0 <= message.nanos < _NANOS):
        raise InvalidRequest("a time must lie between 1970 and 8999")
    return from_micros(message.seconds * _MICROS + message.nanos // 1000)


def from_time(moment: datetime) -> Timestamp:
    """Return the message of an aware time."""
    seconds, micros = divmod(to_micros(moment), _MICROS)
    return Timestamp(seconds=seconds, nanos=micros * 1000)


def to_duration(message: Duration) -> timedelta:
    """Return a duration, to the microsecond.

    Raises:
        InvalidRequest: it is longer than Python can say.
    """
    try:
        return timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
    except OverflowError as error:
        raise InvalidRequest("a duration has at most 999,999,999 days") from error


def from_duration(duration: timedelta) -> Duration:
    """Return the message of a duration."""
    seconds, micros = divmod(duration // timedelta(microseconds=1), _MICROS)
    return Duration(seconds=seconds, nanos=micros * 1000)
