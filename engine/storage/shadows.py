"""What shadow policies would have drawn from, as columns: it stands in the records of assignments alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from engine.columns import Columns, encoded, whole
from engine.storage import rows
from engine.storage.columns import json_names, packed

_KINDS = {"seq": int, "eligible": str, "distribution": bytes}


def shadow_columns(found: Iterable[tuple[int, tuple[str, ...], tuple[int, ...]]]) -> Columns:
    """Return seq, eligible variants and the shadow's weights of assignments that have any, as typed columns.

    >>> shadow_columns([(7, ("a", "b"), ()), (8, ("a", "b"), (2**31, 2**31))])["seq"].tolist()
    [8]
    """
    kept = [(seq, json_names(eligible), packed(weights)) for seq, eligible, weights in found if weights]
    seqs, eligible, distributions = zip(*kept, strict=True) if kept else ((), (), ())
    columns = np.array(seqs, np.int64), encoded(eligible), encoded(distributions)
    return dict(zip(_KINDS, columns, strict=True))


def shadows_of_records(records: Iterable[bytes]) -> Columns:
    """Return the same of assignments' records."""
    return shadow_columns(map(rows.shadow_of, records))


def joined_shadows(parts: Sequence[Columns]) -> Columns:
    """Return the columns of pages one after the other."""
    return {name: whole([part[name] for part in parts], kind) for name, kind in _KINDS.items()}
