"""A learner in a process of its own, to be killed: it learns from a store for as long as it lives.

    python learning.py STORE

It does what `engine.service.learner` does, without a server to publish to.
"""

from __future__ import annotations

import sys
import time

from engine.learning import LearnerPool
from engine.storage import open_reader, open_snapshots


def main(store: str) -> None:
    snapshots = open_snapshots(store, write=True)
    pool = LearnerPool(open_reader(store), snapshots, page_size=50)
    while True:
        pool.step()
        pool.done()
        time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1])
