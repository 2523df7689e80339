"""Drives a server from a process of its own, and notes what it sent and what was acknowledged, until the server dies.

    python driver.py ADDRESS NOTES NAME [strangers | regulars]

Strangers come once each, and report what came of it; regulars are few and come again and again. Every note is a line
of JSON: `sent` before a question leaves, `assigned`, `exposed` and `recorded` once their acknowledgement is here.
Nobody kills this process, so what it has written is what a product would have seen.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from threading import Lock, Thread
from typing import TextIO

from armlift import Answer, ArmliftError, Ask, Client, Event

N_THREADS = 6
EXPERIMENTS = ("button", "offer")
REGULARS = ("ann", "bob", "cid", "dee")
REPEATED = ("capped", "sticky")


class Notes:
    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = Lock()

    def add(self, kind: str, **what: object) -> None:
        with self._lock:
            self._file.write(json.dumps({"kind": kind, **what}) + "\n")
            self._file.flush()


Visit = Callable[[Client, Notes, int, str], None]


def drive(client: Client, notes: Notes, visit: Visit, name: str) -> None:
    """Come by until an answer stays away."""
    try:
        for number in count():
            visit(client, notes, number, f"{name}-{number}")
    except ArmliftError as error:
        notes.add("stopped", code=error.code)


def visit_as_stranger(client: Client, notes: Notes, number: int, name: str) -> None:
    """Ask, expose and report."""
    experiment = EXPERIMENTS[number % 2]
    question = {"experiment": experiment, "request_id": name, "unit": f"unit-{name}"}
    notes.add("sent", **question)
    answer = client.assign(experiment, unit=question["unit"], request_id=name)
    notes.add("assigned", **question, **told(answer))
    (met,) = client.expose(answer)
    notes.add("exposed", assignment_id=answer.assignment_id, status=met.status)
    (came,) = client.record_many([Event("click", outcome_id=f"click-{name}").of(answer)])
    notes.add("recorded", outcome_id=f"click-{name}", assignment_id=answer.assignment_id, status=came.status)


def visit_as_regular(client: Client, notes: Notes, number: int, name: str) -> None:
    """Ask for all that runs, or for one experiment twice in one call: as a page does that is loaded too often."""
    unit = REGULARS[number % len(REGULARS)]
    if number % 2:
        answers = [*client.assign_all(unit=unit, request_id=name).values()]
    else:
        asks = [Ask(REPEATED[number // 2 % 2], unit, request_id=f"{name}-{turn}") for turn in range(2)]
        answers = [answer for answer in client.assign_many(asks) if isinstance(answer, Answer)]
    for answer in answers:
        notes.add("assigned", unit=unit, reason=answer.reason, kept_from=answer.kept_from, **told(answer))


VISITS: Mapping[str, Visit] = {"strangers": visit_as_stranger, "regulars": visit_as_regular}


def told(answer: Answer) -> dict[str, object]:
    return {
        "assignment_id": answer.assignment_id,
        "variant": answer.variant,
        "propensity": answer.propensity,
        "snapshot": answer.snapshot,
    }


def main(address: str, path: str, name: str, who: str = "strangers") -> None:
    with Path(path).open("w") as file, Client(address) as client:
        notes, visit = Notes(file), VISITS[who]
        threads = [Thread(target=drive, args=(client, notes, visit, f"{name}-{turn}")) for turn in range(N_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
