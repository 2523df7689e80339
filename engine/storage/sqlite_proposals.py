"""Proposals, what their policies knew and the reports that decided, in a SQLite store: saved and read."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from engine import files
from engine.clock import from_micros, to_micros
from engine.proposals import Filed, Proposal, Settlement, Standing
from engine.records import Snapshot
from engine.storage.identity import check_filed
from engine.storage.sqlite_files import OpenedStore

_PROPOSAL = (
    "definition, attempt, base_revision, frozen_at, frozen_seq, actor, reason, snapshot, standing, "
    "settled_at, settled_by, because, revision, epoch, evidence"
)
_KEEP = (
    f"INSERT INTO proposals (experiment_id, {_PROPOSAL}) "  # noqa: S608 our own names
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SETTLE = (
    "UPDATE proposals SET standing = ?, settled_at = ?, settled_by = ?, because = ?, revision = ?, epoch = ?, "
    "evidence = ? WHERE experiment_id = ? AND attempt = ?"
)
_STANDING = "SELECT standing FROM proposals WHERE experiment_id = ? AND attempt = ?"
_PROPOSALS = f"SELECT {_PROPOSAL} FROM proposals WHERE experiment_id = ? ORDER BY attempt"  # noqa: S608 our own names
_STATE = (
    "experiment_id, hash, blob, policy, epoch, watermark_at, watermark_node, watermark_seq, n_rewards, n_warm, "
    "fold_from, library, arguments, schema"
)
_FREEZE = (
    f"INSERT INTO frozen_states (attempt, {_STATE}) "  # noqa: S608 our own names
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_FROZEN = (
    f"SELECT {_STATE} FROM frozen_states WHERE experiment_id = ? AND hash = ? "  # noqa: S608 our own names
    "ORDER BY attempt DESC LIMIT 1"
)
_KEEP_EVIDENCE = "INSERT OR IGNORE INTO evidence (experiment_id, hash, report) VALUES (?, ?, ?)"
_EVIDENCE = "SELECT report FROM evidence WHERE experiment_id = ? AND hash = ?"


# --- saving, inside a transaction ------------------------------------------------------------------------------------


def file(connection: sqlite3.Connection, filed: Filed) -> None:
    """Keep a new proposal with what its policy has learned, or what became of one with the report that decided.

    Raises:
        StaleEtag: there is such an attempt already, or what is settled does not wait.
    """
    proposal = filed.proposal
    check_filed(proposal, _standing(connection, proposal))
    if proposal.settlement is None:
        connection.execute(_KEEP, (proposal.experiment_id, *_row(proposal)))
    else:
        settled = proposal.standing.value, *_settlement_row(proposal.settlement)
        connection.execute(_SETTLE, (*settled, proposal.experiment_id, proposal.attempt))
        if filed.evidence:
            connection.execute(_KEEP_EVIDENCE, (proposal.experiment_id, proposal.settlement.evidence, filed.evidence))
    if filed.learned is not None:
        connection.execute(_FREEZE, (proposal.attempt, *_state_row(filed.learned)))


def _standing(connection: sqlite3.Connection, proposal: Proposal) -> Standing | None:
    found = connection.execute(_STANDING, (proposal.experiment_id, proposal.attempt)).fetchone()
    return Standing(found[0]) if found else None


def _row(proposal: Proposal) -> tuple[object, ...]:
    return (
        files.dump(proposal.experiment),
        proposal.attempt,
        proposal.base_revision,
        to_micros(proposal.frozen_at),
        proposal.frozen_seq,
        proposal.actor,
        proposal.reason,
        proposal.snapshot,
        proposal.standing.value,
        *_settlement_row(proposal.settlement),
    )


def _settlement_row(settlement: Settlement | None) -> tuple[object, ...]:
    if settlement is None:
        return (None,) * 6
    at, by = to_micros(settlement.at), settlement.actor
    return at, by, settlement.reason, settlement.revision, settlement.epoch, settlement.evidence


def _state_row(learned: Snapshot) -> tuple[object, ...]:
    matured_at, node, seq = learned.watermark
    return (
        learned.experiment_id,
        bytes.fromhex(learned.hash),
        learned.blob,
        learned.policy,
        learned.epoch,
        to_micros(matured_at),
        node,
        seq,
        learned.n_rewards,
        learned.n_warm,
        learned.fold_from,
        learned.library,
        json.dumps(learned.arguments),
        learned.schema,
    )


# --- reading ---------------------------------------------------------------------------------------------------------


class ProposalReader(OpenedStore):
    """What a reader can be asked about proposals: all of them were frozen on the log of its one node."""

    node_id: str

    def proposals(self, experiment_id: str) -> list[Proposal]:
        """Return what was proposed for an experiment, by attempt."""
        return [_proposal(found, self.node_id) for found in self._all(_PROPOSALS, (experiment_id,))]

    def frozen(self, experiment_id: str, hash: str) -> Snapshot | None:
        """Return what the policy of a proposal knew, or None."""
        found = self._all(_FROZEN, (experiment_id, bytes.fromhex(hash)))
        return _frozen(found[0]) if found else None

    def evidence(self, experiment_id: str, hash: str) -> str:
        """Return a report that decided, or an empty text."""
        found = self._all(_EVIDENCE, (experiment_id, hash))
        return str(found[0][0]) if found else ""


def _proposal(found: tuple[Any, ...], node_id: str) -> Proposal:
    text, attempt, base_revision, frozen_at, frozen_seq, actor, reason, snapshot, standing, *settled = found
    return Proposal(
        experiment=files.load(text),
        attempt=attempt,
        base_revision=base_revision,
        frozen_at=from_micros(frozen_at),
        frozen_node=node_id,
        frozen_seq=frozen_seq,
        actor=actor,
        reason=reason,
        snapshot=snapshot,
        standing=Standing(standing),
        settlement=None if settled[0] is None else Settlement(from_micros(settled[0]), *settled[1:]),
    )


def _frozen(found: tuple[Any, ...]) -> Snapshot:
    experiment_id, name, blob, policy, epoch, matured_at, node, seq, *rest = found
    n_rewards, n_warm, fold_from, library, arguments, schema = rest
    return Snapshot(
        hash=name.hex(),
        experiment_id=experiment_id,
        epoch=epoch,
        policy=policy,
        blob=blob,
        parent="",
        watermark=(from_micros(matured_at), node, seq),
        n_rewards=n_rewards,
        library=library,
        arguments=tuple(json.loads(arguments)),
        schema=schema,
        probes=(),
        n_warm=n_warm,
        fold_from=fold_from,
    )
