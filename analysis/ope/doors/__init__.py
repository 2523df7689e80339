"""Doors through which logs of others come in, and ours go out."""
