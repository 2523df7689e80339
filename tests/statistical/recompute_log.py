"""Makes every draw of a store again, from its files alone, and prints what came of it as JSON.

python recompute_log.py DIRECTORY
"""

from __future__ import annotations

import json
import sys
from collections import Counter

from engine.recompute import Recomputer
from engine.records import Assignment
from engine.storage import find_snapshot_in, open_reader


def main(directory: str) -> None:
    reader = open_reader(directory)
    recomputer = Recomputer(reader, find_snapshot_in(directory))
    rows = [entry for entry in reader.entries(limit=1_000_000) if isinstance(entry, Assignment)]
    verdicts = Counter(recomputer.explain(row).verdict.value for row in rows)
    reader.close()
    print(json.dumps({"n_rows": len(rows), "n_snapshots": len({row.snapshot for row in rows}), **verdicts}))


if __name__ == "__main__":
    main(sys.argv[1])
