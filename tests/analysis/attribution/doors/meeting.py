"""What came in at a door, written so that it can be compared."""


def met(taken):
    """Return journeys as (names, conversions, value)."""
    found = taken.journeys
    names = [str(found.touchpoints[place]) for place in found.touchpoint.tolist()]
    ends = zip(found.starts[:-1].tolist(), found.starts[1:].tolist(), strict=True)
    rows = zip(ends, found.conversions.tolist(), found.value.tolist(), strict=True)
    return [(names[start:end], won, value) for (start, end), won, value in rows]


def left_out(taken):
    """Return counts by the last part of their message's key, but what every journey meets."""
    return {key: n for key, n in noted(taken).items() if key != "everywhere"}


def noted(taken):
    """Return all counts by the last part of their message's key."""
    return {each.what.key.rpartition(".")[2]: each.n for each in taken.left_out}
