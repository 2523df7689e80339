"""Journeys from a table: one of paths, or one of touches and conversions.

A table is the path of a CSV file with a header, or any data frame that narwhals reads. What is wrong in it is left out
or kept by a stated rule, and counted; a count that is no count is an error that names its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.attribution.doors.path_rows import Paths
from analysis.attribution.doors.reading import Reading, Taken
from analysis.attribution.doors.touch_rows import Touches
from analysis.attribution.events import Windows
from engine.errors import InvalidRequest

__all__ = ["Taken", "paths", "touches"]


def paths(
    table: Any,  # noqa: ANN401 (a path, or any native frame)
    path: str = "path",
    conversions: str = "conversions",
    *,
    journeys: str | None = None,
    nulls: str | None = None,
    value: str | None = None,
    unit: str | None = None,
    separator: str = " > ",
    channels: Sequence[str] = (),
) -> Taken:
    """Return the journeys of a table with a path a row: a text with a separator between its channels, or a list.

    `conversions` is the column with how many journeys of this path converted; how many did not is in `nulls`, or
    `journeys` has how many there were in all. Without either, a row of which nothing converted is one journey, as
    where each row is a journey and `conversions` is 1 or 0. `value` is what all conversions of the row brought, less
    refunds. Each journey is a unit's of its own, unless the column `unit` says whose the row is.

    A row without a path has conversions that no touch preceded, and what did not convert either is left out. An empty
    name within a path is a touch that names no channel. Channels that are not among `channels`, where these are given,
    are among the others. A value that is missing where something converted, or cannot be computed with, is 0; one where
    nothing converted stays a value without a conversion. There are no times: touches that repeat each other are as
    many touches.

    Raises:
        InvalidRequest: it is no table, lacks a column or has no row; a row has a count that is none, or more
            conversions than journeys.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"path": ["email > search", "search"], "conversions": [2, 0], "nulls": [1, 3]})
    >>> found = paths(frame, nulls="nulls").journeys
    >>> found.touchpoints, found.lengths.tolist(), found.conversions.tolist()
    (('email', 'search'), [2, 2, 2, 1, 1, 1], [1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    """
    if journeys and nulls:
        raise InvalidRequest(
            "declare the column of all journeys of a path or that of those without conversion, not both"
        )
    if not separator:
        raise InvalidRequest("the separator of a path must not be empty")
    rows = Paths(path, conversions, journeys, nulls, value, unit, separator, Reading.among(channels))
    return rows.taken(table)


def touches(
    table: Any,  # noqa: ANN401 (a path, or any native frame)
    unit: str = "unit",
    at: str = "at",
    channel: str = "channel",
    converted: str = "converted",
    *,
    value: str | None = None,
    windows: Windows | None = None,
    channels: Sequence[str] = (),
) -> Taken:
    """Return the journeys of a table with a touch or a conversion a row, in any order, cut by `windows`.

    A row whose cell in `converted` is 1 or true is a conversion; where it names a channel, also a touch just before it.
    A conversion with a negative value is a refund, and no touch. Every other row is a touch, also one that names no
    channel. Times are times, dates or numbers of seconds. Without `value` each conversion is worth 1.

    Touches of channels that are not among `channels`, where these are given, are among the others. Rows without a unit
    or without a time are left out. A value that is missing or cannot be computed with is 0. Touches after a conversion
    belong to the unit's next journey, and those that repeat each other within a session are one.

    Raises:
        InvalidRequest: it is no table, lacks a column, or has no row that can be used; a row's cell in `converted` is
            neither yes nor no.

    >>> import pandas as pd
    >>> day = pd.DataFrame({"unit": ["u", "u", "w"], "at": [0, 3600, 60], "channel": ["email", None, "email"]})
    >>> found = touches(day.assign(converted=[0, 1, 0])).journeys
    >>> found.lengths.tolist(), found.conversions.tolist(), found.age_s.tolist()
    ([1, 1], [1.0, 0.0], [3600.0, 0.0])
    """
    rows = Touches(unit, at, channel, converted, value, windows or Windows(), Reading.among(channels))
    return rows.taken(table)
