"""Makes randomness.json: what the hash and the draw give for ever.

    python tests/golden/make_randomness.py > tests/golden/randomness.json

A changed vector re-randomises every running experiment: then HASH_VERSION or DRAW_VERSION goes up, the vectors of the
old version stay under its number, and a running experiment goes on with the version that its log names.
"""

import json
import sys

from engine import randomness as r
from engine.clock import from_micros

SECRET = bytes(range(32))
UNITS = ["", "customer-1", "customer-2", "kündigung", "客户", "a" * 80]
REQUESTS = ["visit-1", "0193f0c2-a1b2-7d0c-8a5e-6f7081920a1b", "0193f0c2-a1b2-4d0c-8a5e-6f7081920a1b"]
EVEN = r.quantise([0.5, 0.5])
THIRDS = r.quantise([1 / 3, 1 / 3, 1 / 3])
TILTED = r.quantise([0.97, 0.02, 0.01], floor=0.02)


def vectors() -> dict[str, object]:
    """Return every public function of the engine's randomness at a few places."""
    return {
        "digest": [[purpose, parts, r.digest(purpose, *parts).hex()] for purpose, parts in hashed()],
        "integer": [[unit, r.integer("traffic", "home", unit)] for unit in UNITS],
        "unit_number": [[unit, r.unit_number("home", "customer", unit, ["a", "b"], EVEN)] for unit in UNITS],
        "group_number": [[unit, r.group_number("home", "customer", unit, r.share_weight(0.1))] for unit in UNITS],
        "assignment_id": [[request, r.assignment_id(request, "home")] for request in REQUESTS],
        "assignment_number": [
            [request, slot, r.assignment_number(SECRET, "home", r.assignment_id(request, "home"), slot)]
            for request in REQUESTS
            for slot in range(2)
        ],
        "request_id": [
            [micros, r.request_id(from_micros(micros), "visit")] for micros in (0, 1, 1_700_000_000_000_000)
        ],
        "quantise": [list(EVEN), list(THIRDS), list(TILTED)],
        "draw": [[number, r.draw(THIRDS, number)] for number in (0, 2**31, 1431655765, 1431655766, 2**32 - 1)],
        "feature_index": [[name, r.feature_index("context", name, 18)] for name in UNITS],
        "content_hash": [["", r.content_hash(b"")], ["abc", r.content_hash(b"abc")]],
    }


def hashed() -> list[tuple[str, list[str]]]:
    """Return purposes with parts."""
    return [("doc", []), ("doc", [""]), ("doc", ["", ""]), ("doc", ["exp1", "23"]), ("doc", ["exp12", "3"])]


if __name__ == "__main__":
    pinned = {"hash_version": r.HASH_VERSION, "draw_version": r.DRAW_VERSION, **vectors()}
    lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in pinned.items()]
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")
