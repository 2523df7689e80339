"""The commands of `armlift` that read a log."""
