"""The tables of a store: typed columns for all that is filtered or aggregated, and the whole record as a blob.

The steps of a migration are named functions; sqlite-utils records their names and runs each in a transaction of its
own. A step that was released is never changed: add the next one. The number of steps is the file's format.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.errors import InvalidRequest, StoreUnavailable

if TYPE_CHECKING:
    from sqlite_utils import Database

Step = Callable[["Database"], None]

COLUMNS: Mapping[str, Mapping[str, type]] = {
    "assignments": {
        "seq": int,
        "node_id": str,
        "assignment_id": bytes,
        "slot": int,
        "request_digest": bytes,
        "assigned_at": int,
        "received_at": int,
        "experiment_id": str,
        "revision": int,
        "epoch": int,
        "snapshot": bytes,
        "draw_key": int,
        "is_draw": int,
        "reason": str,
        "group_name": str,
        "group_weight": int,
        "variant": str,
        "weight": int,
        "eligible": str,
        "distribution": bytes,
        "unit_key": int,
        "source": str,
        "keep_probability": float,
        "record": bytes,
        "is_remembered": int,
        "kept_from": bytes,
    },
    "exposures": {
        "seq": int,
        "node_id": str,
        "assignment_id": bytes,
        "slot": int,
        "exposed_at": int,
        "received_at": int,
        "source": str,
        "record": bytes,
    },
    "outcomes": {
        "seq": int,
        "node_id": str,
        "outcome_id": str,
        "metric": str,
        "value": float,
        "occurred_at": int,
        "received_at": int,
        "void_of": str,
        "assignment_id": bytes,
        "slot": int,
        "unit_key": int,
        "source": str,
        "record": bytes,
    },
    "erasures": {
        "seq": int,
        "node_id": str,
        "unit_key": int,
        "erased_at": int,
        "record": bytes,
    },
}
"""The log's tables by name, with their columns in order: rows are inserted by place, so a new column comes last.

Times are microseconds since the Unix epoch; `eligible` is a JSON list; `distribution` has 8 bytes a weight, little
endian; `weight` is the drawn variant's, 0 where nothing was drawn; `draw_key` is a number of the contract's DrawKey;
`unit_key` is 0, an outcome's `assignment_id` None, and `kept_from` empty, where there is none.
"""

_ADDED = {"is_remembered": "INTEGER NOT NULL DEFAULT 0", "kept_from": "BLOB NOT NULL DEFAULT x''"}
"""Columns of assignments that came after the first release, with what the rows before hold."""

SELECTS: Mapping[str, str] = {
    "assignments": "SELECT seq, 'assignments', record, unit_id FROM assignments LEFT JOIN units USING (unit_key)",
    "exposures": "SELECT seq, 'exposures', record, NULL FROM exposures",
    "outcomes": "SELECT seq, 'outcomes', record, unit_id FROM outcomes LEFT JOIN units USING (unit_key)",
    "erasures": "SELECT seq, 'erasures', record, NULL FROM erasures",
}
"""Queries that find a table's entries: seq, the table's name, the record, and the plain unit id where it is known."""

LAST_SEQ = (
    "SELECT max(coalesce((SELECT max(seq) FROM assignments), 0), coalesce((SELECT max(seq) FROM exposures), 0), "
    "coalesce((SELECT max(seq) FROM outcomes), 0), coalesce((SELECT max(seq) FROM erasures), 0))"
)
"""The query that finds the highest seq of the log, or 0."""

DERIVED: Mapping[str, Mapping[str, type]] = {
    "assignments": {},
    "exposures": {"assignment_seq": int},
    "outcomes": {"assignment_seq": int},
    "erasures": {},
}
"""Columns that a reader can be asked for beside those of the tables, which are found by matching.

`assignment_seq` is the seq of the assignment that a row names: 0 where it names none, -1 where the log has no such one.
"""


def column_types(table: str, names: Sequence[str]) -> dict[str, type]:
    """Return the types of columns that a reader can be asked for, by name.

    Raises:
        InvalidRequest: there is no such table or column.

    >>> column_types("exposures", ["slot", "assignment_seq"])
    {'slot': <class 'int'>, 'assignment_seq': <class 'int'>}
    """
    if table not in DERIVED:
        raise InvalidRequest(f"there is no table {table!r}: ask for one of {', '.join(DERIVED)}")
    known = {**COLUMNS[table], **DERIVED[table]}
    unknown = set(names) - set(known)
    if unknown:
        raise InvalidRequest(f"{table} have no column {min(unknown)!r}: there are {', '.join(known)}")
    return {name: known[name] for name in names}


def create_log(db: Database) -> None:
    """Make the tables of the log.

    Every index slows each insert, so there are only those that idempotency needs, those that match outcomes with
    their assignment, and the one that spares a report on one experiment the others' rows. The last one ends in seq,
    so that rows arrive in its order. Forgetting finds a unit's rows without an index: it is rare and may scan.
    """
    for name, all_columns in COLUMNS.items():
        columns = {column: kind for column, kind in all_columns.items() if column not in _ADDED}
        optional = {"assignment_id"} if name == "outcomes" else set()
        db.table(name).create(dict(columns), pk="seq", not_null=set(columns) - optional, strict=True)
    # A key must never come back, or a forgotten unit's rows would become another one's: hence AUTOINCREMENT.
    db.execute(
        "CREATE TABLE units (unit_key INTEGER PRIMARY KEY AUTOINCREMENT, unit_type TEXT NOT NULL, "
        "unit_id TEXT NOT NULL, UNIQUE (unit_type, unit_id)) STRICT"
    )
    db.table("assignments").create_index(["assignment_id", "slot"], unique=True)
    db.table("assignments").create_index(["experiment_id", "seq"])
    db.table("exposures").create_index(["assignment_id", "slot"], unique=True)
    db.table("outcomes").create_index(["outcome_id"], unique=True)
    db.execute("CREATE INDEX idx_outcomes_assignment_id ON outcomes (assignment_id) WHERE assignment_id IS NOT NULL")


def create_registry(db: Database) -> None:
    """Make the tables of the experiments, and the one row of what the store is called and what it hides."""
    state = {"experiment_id": str, "status": str, "revision": int, "epoch": int, "etag": str, "snapshot": str}
    db.table("experiments").create(state, pk="experiment_id", not_null=set(state), strict=True)
    revision = {"experiment_id": str, "revision": int, "definition": str}
    db.table("revisions").create(revision, pk=("experiment_id", "revision"), not_null=set(revision), strict=True)
    change = {
        "change_id": int,
        "experiment_id": str,
        "changed_at": int,
        "actor": str,
        "action": str,
        "reason": str,
        "status": str,
        "revision": int,
        "epoch": int,
    }
    db.table("history").create(change, pk="change_id", not_null=set(change), strict=True)
    meta = {"node_id": str, "secret": bytes}
    db.table("meta").create(meta, not_null=set(meta), strict=True)


def create_learning(db: Database) -> None:
    """Make the tables of the learner."""
    snapshot = {
        "snapshot_key": int,
        "experiment_id": str,
        "epoch": int,
        "hash": bytes,
        "policy": str,
        "blob": bytes,
        "parent": bytes,
        "watermark_at": int,
        "watermark_node": str,
        "watermark_seq": int,
        "n_rewards": int,
        "library": str,
        "arguments": str,
        "schema": str,
        "probes": str,
    }
    db.table("snapshots").create(snapshot, pk="snapshot_key", not_null=set(snapshot), strict=True)
    db.table("snapshots").create_index(["experiment_id", "epoch", "hash"], unique=True)
    db.table("position").create({"only": int, "seq": int}, pk="only", not_null={"seq"}, strict=True)


def remember_units(db: Database) -> None:
    """Add what a decision looks up of its unit: the rows that are remembered, and the outcomes by unit.

    The indexes are partial, so that a row which nobody looks up costs them nothing.
    """
    for name, kind in _ADDED.items():
        db.execute(f"ALTER TABLE assignments ADD COLUMN {name} {kind}")
    db.execute(
        "CREATE INDEX idx_assignments_remembered ON assignments (unit_key, experiment_id, seq) WHERE is_remembered = 1"
    )
    db.execute("CREATE INDEX idx_outcomes_unit ON outcomes (unit_key, metric, occurred_at) WHERE unit_key > 0")
    db.execute("CREATE INDEX idx_outcomes_void_of ON outcomes (void_of) WHERE void_of <> ''")


def share_population(db: Database) -> None:
    """Add what the funnel needs: where a ramp is, what a change changed, and the units that get a variant undrawn.

    The population has its revisions and its history in the experiments' tables, under an empty id.
    """
    db.execute("ALTER TABLE experiments ADD COLUMN step INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE experiments ADD COLUMN step_at INTEGER")
    db.execute("ALTER TABLE history ADD COLUMN fields TEXT NOT NULL DEFAULT '[]'")
    forced = {"experiment_id": str, "unit_key": int, "variant": str}
    db.table("forced_units").create(forced, pk=("experiment_id", "unit_key"), not_null=set(forced), strict=True)


def point_twice(db: Database) -> None:
    """Add the shadow's pointer, whether a pointer is pinned, and the learned state that drafts begin with."""
    db.execute("ALTER TABLE experiments ADD COLUMN shadow_snapshot TEXT NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE experiments ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0")
    warm = {"experiment_id": str, "hash": bytes, "blob": bytes, "n_lessons": int, "library": str}
    warm |= {"arguments": str, "schema": str, "policy": str, "epoch": int}
    db.table("warm_starts").create(warm, pk="experiment_id", not_null=set(warm), strict=True)


def resume_learning(db: Database) -> None:
    """Add where a learner goes on from, whose snapshot it is, and how many lessons came before the log.

    A policy and its shadow may learn the same, and each has its snapshot of it.
    """
    for column in ("is_shadow", "n_warm", "fold_from"):
        db.execute(f"ALTER TABLE snapshots ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
    db.execute("DROP INDEX idx_snapshots_experiment_id_epoch_hash")
    db.table("snapshots").create_index(["experiment_id", "epoch", "hash", "is_shadow"], unique=True)
    db.execute("CREATE INDEX idx_snapshots_hash ON snapshots (experiment_id, hash)")


def keep_proposals(db: Database) -> None:
    """Add the changed definitions that were proposed, what their policies knew, and the reports that decided."""
    proposal = {
        "experiment_id": str,
        "attempt": int,
        "definition": str,
        "base_revision": int,
        "frozen_at": int,
        "frozen_seq": int,
        "actor": str,
        "reason": str,
        "snapshot": str,
        "standing": str,
        "settled_at": int,
        "settled_by": str,
        "because": str,
        "revision": int,
        "epoch": int,
        "evidence": str,
    }
    settled = {"settled_at", "settled_by", "because", "revision", "epoch", "evidence"}
    key = "experiment_id", "attempt"
    db.table("proposals").create(proposal, pk=key, not_null=set(proposal) - settled, strict=True)
    frozen = {"experiment_id": str, "attempt": int, "hash": bytes, "blob": bytes, "policy": str, "epoch": int}
    frozen |= {"watermark_at": int, "watermark_node": str, "watermark_seq": int, "n_rewards": int, "n_warm": int}
    frozen |= {"fold_from": int, "library": str, "arguments": str, "schema": str}
    db.table("frozen_states").create(frozen, pk=key, not_null=set(frozen), strict=True)
    reports = {"experiment_id": str, "hash": str, "report": str}
    db.table("evidence").create(reports, pk=("experiment_id", "hash"), not_null=set(reports), strict=True)


STORE_STEPS: tuple[Step, ...] = (
    create_log,
    create_registry,
    remember_units,
    share_population,
    point_twice,
    keep_proposals,
)
LEARNING_STEPS: tuple[Step, ...] = (create_learning, resume_learning)


def migrate(connection: sqlite3.Connection, steps: Sequence[Step]) -> None:
    """Bring a file to the format of these steps, from whatever it is.

    Raises:
        StoreUnavailable: the file's format is a newer one.
    """
    if format_of(connection) == len(steps):
        return
    refuse_newer(connection, steps)
    # Loaded here alone: it takes half a second, and most openings find the file as it should be.
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    migrations = Migrations("armlift")
    for step in steps:
        migrations()(step)
    migrations.apply(Database(connection))
    connection.execute(f"PRAGMA user_version = {len(steps)}")


def format_of(connection: sqlite3.Connection) -> int:
    """Return the format of a file: how many steps made it, 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def refuse_newer(connection: sqlite3.Connection, steps: Sequence[Step]) -> None:
    """Raise StoreUnavailable where a later armlift wrote the file."""
    found = format_of(connection)
    if found > len(steps):
        raise StoreUnavailable(
            f"a newer armlift wrote this store (format {found}, and this one knows {len(steps)}): upgrade armlift"
        )
