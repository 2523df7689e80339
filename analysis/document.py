"""The report as data: one frozen tree, from which HTML, Markdown and JSON are made.

Times are ISO 8601 in UTC. A number that does not exist is None, never NaN.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from analysis.estimate import Estimate
from engine.errors import InvalidRequest

REPORT_VERSION = 1
"""Changes when a reader of the JSON would have to change."""


class Word(Enum):
    """What a comparison says, read off its interval."""

    BETTER = "better"
    WORSE = "worse"
    NOT_CLEAR = "not clear"
    NOT_EVALUABLE = "not evaluable"
    BASELINE = "baseline"
    NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sentence built by rule, and what to keep in mind with it."""

    word: Word
    sentence: str
    cautions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """First and last assignment, and the log's end."""

    first: str
    last: str
    end: str


@dataclass(frozen=True, slots=True)
class Share:
    """A variant's or group's count against what the logged propensities expect."""

    name: str
    observed: int
    expected: float


@dataclass(frozen=True, slots=True)
class Check:
    """A ratio check. `holds` is None where there is too little to check."""

    title: str
    holds: bool | None
    sentence: str
    p_value: float | None
    method: str
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """How many of something, and what they are."""

    n: int
    what: str


@dataclass(frozen=True, slots=True)
class Health:
    """What the report stands on."""

    n_assignments: int
    n_units: int
    n_outcomes: int
    period: Period | None
    sources: tuple[Count, ...]
    checks: tuple[Check, ...]
    left_out: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """A number per series and stretch of time: `values[i][j]` is series i in the stretch that begins at `starts[j]`.

    `floor` is the least that each series can be, where the policy has a floor.
    """

    title: str
    caption: str
    starts: tuple[str, ...]
    step_s: int
    series: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    is_share: bool
    floor: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One variant, level or group: its value, and its lift over the table's baseline where they compare."""

    name: str
    word: Word
    value: Estimate
    uncapped: float | None = None
    absolute: Estimate | None = None
    relative: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that are compared with one baseline; `counted` is what n counts. `note` says what the table is valid for."""

    title: str
    counted: str
    baseline: str
    rows: tuple[Row, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class MetricReport:
    """What a metric says."""

    name: str
    kind: str
    window_s: float
    cap: float | None
    tables: tuple[Table, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A word and what is meant by it."""

    term: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a reader of one experiment is told."""

    version: int
    experiment_id: str
    hypothesis: str
    brief: tuple[Definition, ...]
    status: str
    policy: str
    control: str
    verdict: Verdict
    health: Health
    traffic: Timeline | None
    allocation: Timeline | None
    metrics: tuple[MetricReport, ...]
    definitions: tuple[Definition, ...]

    def to_json(self) -> str:
        """Return the report as JSON, the same bytes for the same report."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, allow_nan=False, default=_word) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return the report that `to_json` wrote.

        Raises:
            InvalidRequest: it is no report, or one of another version.
        """
        try:
            data = json.loads(text)
            if data["version"] == REPORT_VERSION:
                report: Report = _decoded(cls, data)
                return report
        except (KeyError, TypeError, ValueError) as wrong:
            raise InvalidRequest(f"this is no report: {wrong!r}") from wrong
        raise InvalidRequest(f"a report of version {data['version']} is not read here; make it again from its log")


def _word(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    raise TypeError(f"a report holds no {type(value).__name__}")


def _decoded(wanted: Any, data: Any) -> Any:  # noqa: ANN401 (JSON of whatever a field declares)
    """Return `data` as the type that a field declares."""
    if get_origin(wanted) is UnionType:
        (inner,) = (kind for kind in get_args(wanted) if kind is not NoneType)
        return None if data is None else _decoded(inner, data)
    if get_origin(wanted) is tuple:
        return tuple(_decoded(get_args(wanted)[0], item) for item in data)
    if is_dataclass(wanted):
        return _decoded_fields(wanted, data)
    return wanted(data) if issubclass(wanted, Enum) else data


def _decoded_fields(wanted: Any, data: Mapping[str, Any]) -> Any:  # noqa: ANN401 (as above)
    hints = get_type_hints(wanted)
    return wanted(**{field.name: _decoded(hints[field.name], data[field.name]) for field in fields(wanted)})
