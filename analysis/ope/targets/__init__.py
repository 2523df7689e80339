"""Policies that a log is asked about."""
