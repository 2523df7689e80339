"""The report as data: one frozen tree, from which HTML, Markdown and JSON are made.

Times are ISO 8601 in UTC. A number that does not exist is None, never NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from analysis.estimate import Estimate, Scale
from analysis.texts import Name, Number, Text
from engine.experiments import Looking
from engine.metrics import Better

REPORT_VERSION, ATTRIBUTION_VERSION = 2, 1
"""Each changes when a reader of its JSON would have to change."""


class Word(Enum):
    """What a comparison says, read off its interval."""

    BETTER = "better"
    WORSE = "worse"
    NOT_CLEAR = "not clear"
    NOT_EVALUABLE = "not evaluable"
    BASELINE = "baseline"
    NOT_COMPARED = "not compared"
    HOLDS = "holds"
    """A guardrail's metric is not worse by more than its margin."""
    BREACHED = "breached"
    """It is."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sentence built by rule, and what to keep in mind with it."""

    word: Word
    sentence: Text
    cautions: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """First and last assignment, and the log's end."""

    first: str
    last: str
    end: str


@dataclass(frozen=True, slots=True)
class Share:
    """A variant's or group's count against what the logged propensities expect."""

    name: Name
    observed: int
    expected: float


@dataclass(frozen=True, slots=True)
class Check:
    """A ratio check. `holds` is None where there is too little to check."""

    title: Text
    holds: bool | None
    sentence: Text
    p_value: float | None
    method: Text
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """How many of something, and what they are."""

    n: int
    what: Text


@dataclass(frozen=True, slots=True)
class Health:
    """What the report stands on. `grids` are further checks as tables, `evidence` the ratio checks' over time."""

    n_assignments: int
    n_units: int
    n_outcomes: int
    period: Period | None
    sources: tuple[Count, ...]
    checks: tuple[Check, ...]
    left_out: tuple[Count, ...]
    grids: tuple[Grid, ...] = ()
    evidence: tuple[Timeline, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """A number per series and stretch of time: `values[i][j]` is series i in the stretch that begins at `starts[j]`.

    `floor` is the least that each series can be, where the policy has a floor; `alarm` a line that is not to be
    crossed, where there is one.
    """

    title: Text
    caption: Text
    starts: tuple[str, ...]
    step_s: int
    series: tuple[Name, ...]
    values: tuple[tuple[float | None, ...], ...]
    is_share: bool
    floor: float | None = None
    alarm: float | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """A series with its interval over time, None where there is nothing yet."""

    name: Name
    values: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Estimates over time: each band has one place for each of `starts` (ISO 8601), `reference` is a line across."""

    title: Text
    caption: Text
    starts: tuple[str, ...]
    step_s: int
    bands: tuple[Band, ...]
    scale: Scale
    reference: float | None = None


@dataclass(frozen=True, slots=True)
class Forest:
    """A chart of estimates with their intervals under each other, over a line of no difference."""

    title: Text
    names: tuple[Name, ...]
    estimates: tuple[Estimate, ...]
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Beside:
    """A chart of amounts by several methods side by side: `estimates[i][j]` is what `series[i]` says of `names[j]`.

    An estimate without an interval is a mark alone, and one that is not evaluable is left out. The last of the series
    is what the others are held against, and is set apart from them. `axis` says what the amounts are of.
    """

    title: Text
    caption: Text
    names: tuple[Name, ...]
    series: tuple[Name, ...]
    estimates: tuple[tuple[Estimate, ...], ...]
    axis: Text


Cell = str | Number | Text | Estimate | Word | None
"""What stands in a grid: a name, a number, words, an estimate with its interval, a word of a comparison, or nothing."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Any other table: `rows[i][j]` stands under `columns[j]`; the first column names the row.

    `note` says what it is valid for and how it was made, also its estimates unless it is `with_methods`. `key` names it
    in file names. A dense table has many columns of estimates, and a folded one is shown when it is asked for.
    """

    key: str
    title: Text
    columns: tuple[Text, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: Text | None = None
    chart: Trajectory | Forest | Beside | None = None
    with_methods: bool = True
    is_dense: bool = False
    is_folded: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One variant, level or group: its value, and its lift over the table's baseline where they compare.

    `absolute` and `relative` hold at one planned look (or at planned looks), `anytime` at any look. `plain` is without
    covariates, where `absolute` is adjusted for some. `word` is read off the one that the experiment's plan asks for.
    """

    name: Name
    word: Word
    value: Estimate
    uncapped: float | None = None
    absolute: Estimate | None = None
    relative: Estimate | None = None
    anytime: Estimate | None = None
    plain: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that are compared with one baseline; `counted` is what n counts. `note` says what the table is valid for."""

    key: str
    title: Text
    counted: Text
    baseline: Name
    rows: tuple[Row, ...]
    note: Text | None = None


@dataclass(frozen=True, slots=True)
class MetricReport:
    """What a metric says: `tables` compare, `grids` say more, `over_time` is the lift as it came to be known."""

    name: str
    kind: str
    role: str
    what: Text
    tables: tuple[Table, ...]
    notes: tuple[Text, ...]
    over_time: Trajectory | None = None
    grids: tuple[Grid, ...] = ()
    better: Better = Better.HIGHER

    @property
    def compared(self) -> Table | None:
        """The first table that compares anything, which the metric's words are about, or None."""
        return next((table for table in self.tables if table.baseline), None)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy that did not serve, against what served: what is said of it, and the tables that this stands on."""

    title: Text
    verdict: Verdict
    grids: tuple[Grid, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """A word and what is meant by it."""

    term: Text
    meaning: Name


@dataclass(frozen=True, slots=True)
class Attribution:
    """How the credit for one outcome of a log is shared, and what of it randomisation proves.

    `verdict` is what to keep in mind, `assumptions` what each rule takes to be true, `left_out` what the journeys did
    not keep as it was, and why. `about` says by which windows they were made.
    """

    version: int
    outcome: str
    verdict: Verdict
    period: Period | None
    n_journeys: int
    n_units: int
    grids: tuple[Grid, ...]
    assumptions: tuple[Definition, ...]
    left_out: tuple[Count, ...]
    about: tuple[Definition, ...] = ()

    def to_json(self) -> str:
        """Return it as JSON, the same bytes for the same one."""
        from analysis.pages import encoding

        return encoding.encode(self)

    def _repr_html_(self) -> str:
        from analysis.pages import render

        return render.attribution_to_cell(self)

    @classmethod
    def from_json(cls, text: str) -> Attribution:
        """Return the attribution that `to_json` wrote.

        Raises:
            InvalidRequest: it is none, or one of another version.
        """
        from analysis.pages import encoding

        return encoding.read(cls, text, ATTRIBUTION_VERSION)


@dataclass(frozen=True, slots=True)
class Step:
    """A change in an experiment's life: when, by whom, what and why."""

    at: str
    actor: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a reader of one experiment is told.

    `primary` is the metric that the verdict is about, `looking` when the report may be read and acted upon.
    """

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
    design: Text
    decisions: Grid | None = None
    sections: tuple[Grid, ...] = ()
    primary: str = ""
    looking: Looking = Looking.ANY
    history: tuple[Step, ...] = ()
    candidates: tuple[Candidate, ...] = ()

    def to_json(self) -> str:
        """Return the report as JSON, the same bytes for the same report."""
        from analysis.pages import encoding

        return encoding.encode(self)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return the report that `to_json` wrote.

        Raises:
            InvalidRequest: it is no report, or one of another version.
        """
        from analysis.pages import encoding

        return encoding.read(cls, text, REPORT_VERSION)
