"""Intervals for what a target would have earned: which one a log allows, and what each needs."""
