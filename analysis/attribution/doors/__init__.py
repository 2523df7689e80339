"""Doors through which journeys come in that are in no log of ours."""
