"""Drives a server from a process of its own, and notes what it sent and what was acknowledged, until the server dies.

    python driver.py ADDRESS NOTES NAME

Every note is a line of JSON: `sent` before a question leaves, `assigned`, `exposed` and `recorded` once their
acknowledgement is here. Nobody kills this process, so what it has written is what a product would have seen.
"""

from __future__ import annotations

import json
import sys
from itertools import count
from pathlib import Path
from threading import Lock, Thread
from typing import TextIO

from armlift import Answer, ArmliftError, Client, Event

N_THREADS = 6
EXPERIMENTS = ("button", "offer")


class Notes:
    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = Lock()

    def add(self, kind: str, **what: object) -> None:
        with self._lock:
            self._file.write(json.dumps({"kind": kind, **what}) + "\n")
            self._file.flush()


def drive(client: Client, notes: Notes, name: str) -> None:
    """Ask, expose and report until an answer stays away."""
    try:
        for number in count():
            visit(client, notes, EXPERIMENTS[number % 2], f"{name}-{number}")
    except ArmliftError as error:
        notes.add("stopped", code=error.code)


def visit(client: Client, notes: Notes, experiment: str, name: str) -> None:
    question = {"experiment": experiment, "request_id": name, "unit": f"unit-{name}"}
    notes.add("sent", **question)
    answer = client.assign(experiment, unit=question["unit"], request_id=name)
    notes.add("assigned", **question, **told(answer))
    (met,) = client.expose(answer)
    notes.add("exposed", assignment_id=answer.assignment_id, status=met.status)
    (came,) = client.record_many([Event("click", outcome_id=f"click-{name}").of(answer)])
    notes.add("recorded", outcome_id=f"click-{name}", assignment_id=answer.assignment_id, status=came.status)


def told(answer: Answer) -> dict[str, object]:
    return {
        "assignment_id": answer.assignment_id,
        "variant": answer.variant,
        "propensity": answer.propensity,
        "snapshot": answer.snapshot,
    }


def main(address: str, path: str, name: str) -> None:
    with Path(path).open("w") as file, Client(address) as client:
        notes = Notes(file)
        threads = [Thread(target=drive, args=(client, notes, f"{name}-{number}")) for number in range(N_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
